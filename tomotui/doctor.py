"""What works on this machine, what will not, and what to do about it."""

from __future__ import annotations

import getpass
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import psutil

from tomotui.checks import Check
from tomotui.doctor_files import file_checks
from tomotui.doctor_terminal import terminal_checks

_NAME = re.compile(r"[A-Za-z0-9._-]+")
"""The name at the beginning of a requirement."""


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
    checks += [*_gpus(), *_driver(), _slots(), *terminal_checks(), *file_checks(folder), _sqlite()]
    return [*checks, *_limits(), _logout(), _slurm()]


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


def _slots() -> Check:
    """Tell how many tasks an agent would run at once on this machine."""
    from tomotui.jobs.gpu_slots import TASKS_PER_GPU_VARIABLE
    from tomotui.jobs.local import CPU_SLOTS_VARIABLE, Slots

    said = os.environ.get(TASKS_PER_GPU_VARIABLE, "")
    if said and not (said.isdecimal() and int(said)):
        text = f"{TASKS_PER_GPU_VARIABLE} is {said!r}, which is no number of tasks"
        return Check("slots", "warn", text, "Give 1 or more, or unset it.")
    processors, *gpus = Slots.of_this_machine().states()
    at_once = f"{processors.most} task{'s' if processors.most > 1 else ''} at once"
    text = f"{at_once} on the processors ({CPU_SLOTS_VARIABLE})"
    if gpus:
        most = gpus[0].most
        each = f"up to {most} that fit together" if gpus[0].by_memory else f"{most} at once"
        text += f"; on each GPU {each} ({TASKS_PER_GPU_VARIABLE})"
    return Check("slots", "ok", text)


def _sqlite() -> Check:
    return Check("sqlite", "ok", f"SQLite {sqlite3.sqlite_version}")


def _driver() -> list[Check]:
    """Tell which driver there is, and up to which CUDA it goes."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []  # Said where GPUs are counted.
    try:
        name, cuda = pynvml.nvmlSystemGetDriverVersion(), pynvml.nvmlSystemGetCudaDriverVersion()
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()
    name = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
    text = f"NVIDIA {name}, for CUDA up to {cuda // 1000}.{cuda % 1000 // 10}"
    return [Check("driver", "ok", text)]


def _limits() -> list[Check]:
    """Hosts where one logs in often end what computes for long."""
    try:
        import resource
    except ImportError:
        return []
    seconds, bytes_ = (
        resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_CPU, resource.RLIMIT_AS)
    )
    remedy = "Work on a host that computes, inside a job of its scheduler."
    found = []
    if seconds != resource.RLIM_INFINITY:
        text = f"a process is ended after {seconds / 60:.0f} minutes of computing here"
        found.append(Check("limits", "warn", text, remedy))
    if bytes_ != resource.RLIM_INFINITY:
        text = f"a process may have {bytes_ / 2**30:.0f} GiB of memory here"
        found.append(Check("limits", "warn", text, remedy))
    return found


_LOGIND = tuple(Path(top) / "systemd/logind.conf.d" for top in ("/usr/lib", "/etc", "/run"))
_LINGER = Path("/var/lib/systemd/linger")


def _logout() -> Check:
    """Some systems kill a user's processes at logout."""
    settings = [Path("/etc/systemd/logind.conf")]
    settings += [path for folder in _LOGIND for path in sorted(folder.glob("*.conf"))]
    ends = None
    for path in settings:
        if not path.is_file():
            continue
        for line in path.read_text(errors="replace").splitlines():
            key, _, value = line.strip().replace(" ", "").lower().partition("=")
            if key == "killuserprocesses":
                # What is said later goes before what was said earlier.
                ends = path if value in ("yes", "true", "1", "on") else None
    if ends is None:
        return Check("logout", "ok", "jobs go on after logout")
    if (_LINGER / getpass.getuser()).exists():
        return Check(
            "logout", "ok", f"jobs go on after logout: you linger, although {ends} ends others"
        )
    return Check(
        "logout",
        "warn",
        f"{ends} ends your jobs when you log out",
        "Run `loginctl enable-linger` once, and before submitting start: "
        "systemd-run --user --scope tomotui agent --idle-seconds 86400",
    )


def _slurm() -> Check:
    from tomotui.jobs.cluster.profiles import ProfileError, read_profiles, user_file
    from tomotui.jobs.slurm import SlurmTrouble, has_slurm, read_partitions

    if not has_slurm():
        return Check("slurm", "ok", "not here: jobs run on this machine")
    try:
        partitions = [one for one in read_partitions() if one.is_up]
    except SlurmTrouble as error:
        return Check(
            "slurm",
            "warn",
            f"it does not answer: {error}",
            "Jobs run on this machine meanwhile; those in SLURM's queue are not lost.",
        )
    try:
        profiles = read_profiles().by_name
    except ProfileError as error:
        return Check("slurm", "warn", error.message, error.remedy)
    names = f"profiles {', '.join(profiles)}" if profiles else "no profiles yet"
    up = ", ".join(one.name for one in partitions) or "none"
    text = f"it answers, partitions that are up: {up}; {names}; jobs run there with --where slurm"
    remedy = "" if profiles else f"Write profiles into {user_file()}; see: tomotui cluster profiles"
    return Check("slurm", "ok", text, remedy)
