"""What works on this machine, what will not, and what to do about it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import psutil

_NAME = re.compile(r"[A-Za-z0-9._-]+")
"""The name at the beginning of a requirement."""

State = Literal["ok", "warn", "fail"]


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    state: State
    text: str
    remedy: str = ""


def collect(folder: Path | None = None, measure_torch: bool = True) -> list[Check]:
    """Look at Python, PyTorch, GPUs, terminal, file system and SLURM.

    Parameters
    ----------
    folder
        Where projects are meant to lie; the present folder by default.
    measure_torch
        Import PyTorch in another process, which takes some seconds.
    """
    folder = _existing((folder or Path.cwd()).expanduser().absolute())
    checks = [_python(), _packages(), _memory()]
    if measure_torch:
        checks.append(_torch())
    checks += [*_gpus(), _terminal(), _colours(), _multiplexer(), *_disk(folder), _sqlite()]
    return [*checks, _logout(), _slurm()]


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _python() -> Check:
    text = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return Check("python", "ok", text)


def _packages() -> Check:
    try:
        needed, own = requires("tomotui") or [], version("tomotui")
    except PackageNotFoundError:
        return Check(
            "packages",
            "warn",
            "tomotui runs from its sources and is not installed",
            "Install it to have all it needs: pip install .",
        )
    missing = []
    for requirement in needed:
        found = _NAME.match(requirement)
        if found is None or "extra ==" in requirement:
            continue
        try:
            version(found[0])
        except PackageNotFoundError:
            missing.append(found[0])
    if missing:
        return Check("packages", "fail", f"missing: {', '.join(missing)}", "pip install tomotui")
    return Check("packages", "ok", f"tomotui {own} and all it needs")


def _memory() -> Check:
    total = psutil.virtual_memory().total / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    text = f"{cores} cores, {total:.0f} GiB of memory"
    if total < 8:
        return Check("machine", "warn", text, "Use binned data: 8 GiB or more serve better.")
    return Check("machine", "ok", text)


def _torch() -> Check:
    code = "import torch; print(torch.__version__, torch.cuda.is_available(), torch.version.cuda)"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
        )
    except subprocess.TimeoutExpired:
        return Check(
            "torch",
            "warn",
            "PyTorch did not start within two minutes",
            "The file system may be slow or the machine busy: look again later.",
        )
    except (subprocess.SubprocessError, OSError) as error:
        said = getattr(error, "stderr", "") or str(error)
        last = said.strip().splitlines()[-1] if said.strip() else "it does not start"
        return Check("torch", "fail", last, "Install it anew: pip install torch")
    number, cuda, built = done.stdout.split()[-3:]
    if cuda == "True":
        return Check("torch", "ok", f"PyTorch {number} with CUDA {built}")
    if shutil.which("nvidia-smi"):
        return Check(
            "torch",
            "warn",
            f"PyTorch {number} does not see the GPU (built for CUDA {built})",
            "Install a build for your driver: see pytorch.org/get-started",
        )
    return Check("torch", "ok", f"PyTorch {number} on the CPU")


def _gpus() -> list[Check]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return [
            Check("gpu", "warn", f"no NVIDIA GPU ({error})", "Every stage also runs on the CPU.")
        ]
    try:
        found = [_gpu(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount())]
        return found or [Check("gpu", "warn", "no GPU", "Every stage also runs on the CPU.")]
    except pynvml.NVMLError as error:
        return [Check("gpu", "warn", f"the driver does not answer ({error})", "See: nvidia-smi")]
    finally:
        pynvml.nvmlShutdown()


def _gpu(pynvml: Any, index: int) -> Check:
    """Describe one GPU; one that shares the machine's memory does not tell its own."""
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    name = pynvml.nvmlDeviceGetName(handle)
    name = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    except pynvml.NVMLError:
        return Check(f"gpu {index}", "ok", name)
    free, total = memory.free / 2**30, memory.total / 2**30
    text = f"{name}, {free:.0f} of {total:.0f} GiB free"
    if free < total / 4:
        return Check(f"gpu {index}", "warn", text, "Somebody else is at work on it: nvidia-smi")
    return Check(f"gpu {index}", "ok", text)


def _terminal() -> Check:
    name = os.environ.get("TERM", "")
    size = shutil.get_terminal_size()
    text = f"{name or 'unknown'}, {size.columns} x {size.lines}"
    program = os.environ.get("TERM_PROGRAM")
    if program:
        text += f", {program} {os.environ.get('TERM_PROGRAM_VERSION', '')}".rstrip()
    if name in ("", "dumb"):
        return Check("terminal", "warn", text, "Set TERM, for instance to xterm-256color.")
    return Check("terminal", "ok", text)


def _colours() -> Check:
    if "NO_COLOR" in os.environ:
        return Check("colours", "ok", "none, as NO_COLOR asks")
    if os.environ.get("COLORTERM", "") in ("truecolor", "24bit"):
        return Check("colours", "ok", "true colour")
    if "256" in os.environ.get("TERM", ""):
        return Check("colours", "ok", "256 colours")
    return Check(
        "colours", "warn", "16 colours", "Set TERM=xterm-256color if your terminal can do more."
    )


def _multiplexer() -> Check:
    inside = "tmux" if os.environ.get("TMUX") else "screen" if os.environ.get("STY") else ""
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG", "")
    text = f"{inside or 'none'}, locale {locale or 'not set'}"
    if "utf" not in locale.lower():
        return Check("multiplexer", "warn", text, "Set LANG=C.UTF-8 to draw with fine characters.")
    return Check("multiplexer", "ok", text)


def _disk(folder: Path) -> list[Check]:
    from tomotui.project import filesystem

    free = shutil.disk_usage(folder).free / 2**30
    text = f"{folder}: {free:.0f} GiB free"
    if free > 10:
        checks = [Check("disk", "ok", text)]
    else:
        checks = [Check("disk", "warn", text, "Tomograms need room: free some.")]
    if not filesystem.is_writable(folder):
        checks.append(
            Check("folder", "fail", f"{folder} cannot be written", "Choose another folder.")
        )
    if filesystem.is_shared(folder):
        checks.append(
            Check(
                "file system",
                "warn",
                "shared between hosts: the project uses a rollback journal",
                "Open a project on one host at a time.",
            )
        )
    else:
        checks.append(Check("file system", "ok", "local: the project uses a write-ahead log"))
    return checks


def _sqlite() -> Check:
    return Check("sqlite", "ok", f"SQLite {sqlite3.sqlite_version}")


def _logout() -> Check:
    """Some systems kill a user's processes at logout."""
    settings = [Path("/etc/systemd/logind.conf")]
    extra = Path("/etc/systemd/logind.conf.d")
    settings += sorted(extra.glob("*.conf")) if extra.is_dir() else []
    for path in settings:
        if not path.is_file():
            continue
        for line in path.read_text(errors="replace").splitlines():
            if line.strip().replace(" ", "").lower() == "killuserprocesses=yes":
                return Check(
                    "logout",
                    "warn",
                    f"{path} ends your jobs when you log out",
                    "Run `loginctl enable-linger` once, and before submitting start: "
                    "systemd-run --user --scope tomotui agent --idle-seconds 86400",
                )
    return Check("logout", "ok", "jobs go on after logout")


def _slurm() -> Check:
    if shutil.which("sbatch") is None:
        return Check("slurm", "ok", "not here: jobs run on this machine")
    text = f"found {shutil.which('sbatch')}; this version runs jobs on this machine only"
    return Check("slurm", "ok", text)
