"""A scheduler for tests: sbatch, squeue, sacct and scancel that keep their queue in a folder.

Elements of arrays are started at once, in processes of their own, unless there is a file ``hold``.
They run their script where there is a file ``real``; else they imitate a worker, which is quicker.
A file ``PROGRAM.fails`` makes a program print its text and end with 1; ``PROGRAM.hangs`` lets it
sleep, and ``sbatch.mute`` lets sbatch take the job and then complain that nobody answered.
"""

# ruff: noqa: T201

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS = ("sbatch", "squeue", "sacct", "scancel")
SHOWN = {"state": 1, "reason": 2, "host": 3, "name": 4}
SQUEUE = """#!/bin/sh
cd {folder}
echo "$*" >>squeue.calls
[ -e squeue.fails ] && cat squeue.fails >&2 && exit 1
cat elements/*/line 2>/dev/null
echo "77_3|RUNNING|None|node9|somebody's | other job"
"""
"""Asked so often that it has to be quick."""


class FakeSlurm:
    """The queue in a folder, as the programs and the tests see it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.elements = folder / "elements"

    def install(self) -> Path:
        """Write the programs; returns the folder to put on PATH."""
        bin_folder = self.folder / "bin"
        bin_folder.mkdir(parents=True)
        self.elements.mkdir()
        for name in PROGRAMS:
            path = bin_folder / name
            path.write_text(
                f'#!/bin/sh\nexec {sys.executable} -I -S {__file__} {self.folder} {name} "$@"\n'
            )
            if name == "squeue":
                path.write_text(SQUEUE.format(folder=self.folder))
            path.chmod(0o755)
        return bin_folder

    def calls(self, program: str) -> list[str]:
        path = self.folder / f"{program}.calls"
        return path.read_text().splitlines() if path.exists() else []

    def get(self, number: str, field: str) -> str:
        path = self.elements / number / field
        return path.read_text() if path.exists() else ""

    def put(self, number: str, **values: str) -> None:
        for field, value in values.items():
            self._write(self.elements / number / field, value)
        if values.keys() & SHOWN:
            shown = "|".join([number, *(self.get(number, field) for field in SHOWN)])
            self._write(self.elements / number / "line", f"{shown}\n")

    def _write(self, path: Path, text: str) -> None:
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(text)
        unfinished.replace(path)

    def numbers(self) -> list[str]:
        return sorted(path.name for path in self.elements.iterdir())

    def start(self, number: str) -> None:
        """Let an element run, for the first time or again."""
        self.put(number, state="RUNNING", reason="None", host="node7")
        subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(self.folder), "run", number],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self, number: str, number_of_signal: int = signal.SIGKILL) -> None:
        """End the process that an element runs."""
        while not (text := self.get(number, "pid")):
            time.sleep(0.01)
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(text), number_of_signal)

    def end(self, number: str, state: str, **values: str) -> None:
        """Take an element off its node: it is told to end, and then killed."""
        self.put(number, state=state, **values)
        self.kill(number, signal.SIGTERM)
        self.wait_gone(number)

    def wait_gone(self, number: str) -> None:
        deadline = time.monotonic() + 20
        while (text := self.get(number, "pid")) and Path(f"/proc/{text}").exists():
            if time.monotonic() > deadline:
                self.kill(number)
            time.sleep(0.01)

    def forget(self, number: str) -> None:
        """Let the queue know no more of an element, as it does some minutes after its end."""
        (self.elements / number).rename(self.folder / f"forgotten-{number}")


def main(folder: Path, program: str, arguments: list[str]) -> int:
    slurm = FakeSlurm(folder)
    if program == "run":
        return _run(slurm, arguments[0])
    with open(folder / f"{program}.calls", "a") as file:
        file.write(" ".join(arguments) + "\n")
    if (folder / f"{program}.hangs").exists():
        time.sleep(60)
    if (folder / f"{program}.fails").exists():
        print((folder / f"{program}.fails").read_text(), file=sys.stderr)
        return 1
    return {"sbatch": _sbatch, "sacct": _sacct, "scancel": _scancel}[program](slurm, arguments)


def _sbatch(slurm: FakeSlurm, arguments: list[str]) -> int:
    options = dict(word[2:].partition("=")[::2] for word in arguments if word.startswith("--"))
    number = str(1 + max((int(n.split("_")[0]) for n in slurm.numbers()), default=100))
    last = int(options["array"].split("%")[0].split("-")[1])
    for index in range(last + 1):
        (slurm.elements / f"{number}_{index}").mkdir()
        slurm.put(
            f"{number}_{index}",
            state="PENDING",
            reason="Priority",
            name=options["job-name"],
            script=arguments[-1],
            index=str(index),
        )
        if not (slurm.folder / "hold").exists():
            slurm.start(f"{number}_{index}")
    if (slurm.folder / "sbatch.mute").exists():
        print("sbatch: error: Socket timed out on send/recv operation", file=sys.stderr)
        return 1
    print(number)
    return 0


def _sacct(slurm: FakeSlurm, arguments: list[str]) -> int:
    for path in sorted(slurm.folder.glob("forgotten-*")):
        values = [
            (path / field).read_text() if (path / field).exists() else ""
            for field in ("state", "host", "exit_code", "name")
        ]
        print("|".join([path.name.removeprefix("forgotten-"), *values]))
    return 0


def _scancel(slurm: FakeSlurm, arguments: list[str]) -> int:
    for number in arguments:
        running = slurm.get(number, "state") == "RUNNING"
        slurm.put(number, state="CANCELLED")
        if running:
            slurm.kill(number, signal.SIGTERM)
    return 0


def _imitate(folder: Path) -> int:
    """Do what a worker does for the fake stage, as the agent sees it."""
    task = json.loads((folder / "task.json").read_text())
    attempt, parameters = task["attempt"], task["parameters"]
    me = {"pid": os.getpid(), "start_ticks": time.time_ns(), "boot_id": "", "host": "node7"}
    _write(folder / "worker.json", attempt=attempt, supervisor=me, child_pid=1, started_at=0.0)
    event = {"kind": "progress", "at": 0.0, "attempt": attempt, "data": {"fraction": 0.5}}
    with open(folder / "events.jsonl", "a") as file:
        file.write(json.dumps(event) + "\n")
    go = Path(task["project_folder"]) / f"go-{task['target']}"
    stubborn = parameters["act"] == "stubborn"
    sequence = 0
    status = "done"
    while stubborn or (parameters["act"] == "wait" and not go.exists()):
        sequence += 1
        _write(folder / "heartbeat.json", attempt=attempt, sequence=sequence, at=0.0)
        if not stubborn and (folder / "cancel").exists():
            status = "cancelled"
            break
        time.sleep(0.05)
    _write(
        folder / "result.json", attempt=attempt, status=status, version="1", duration_seconds=1.0
    )
    return 0


def _write(path: Path, **values: object) -> None:
    path.with_suffix(".new").write_text(json.dumps(values))
    path.with_suffix(".new").replace(path)


def _run(slurm: FakeSlurm, number: str) -> int:
    """Run an element as a node does, and note how it ended."""
    begin = _script if (slurm.folder / "real").exists() else _fork
    pid = begin(slurm, number)
    slurm.put(number, pid=str(pid))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if slurm.get(number, "state") == "RUNNING":
        exit_code = f"0:{-code}" if code < 0 else f"{code}:0"
        slurm.put(number, state="FAILED" if code else "COMPLETED", exit_code=exit_code)
    return 0


def _fork(slurm: FakeSlurm, number: str) -> int:
    script = Path(slurm.get(number, "script"))
    array = json.loads(script.with_suffix(".json").read_text())
    process = os.fork()
    if not process:
        os._exit(_imitate(script.parent.parent / array["folders"][int(slurm.get(number, "index"))]))
    return process


def _script(slurm: FakeSlurm, number: str) -> int:
    script = slurm.get(number, "script")
    values = {
        "SLURM_ARRAY_JOB_ID": number.split("_")[0],
        "SLURM_ARRAY_TASK_ID": slurm.get(number, "index"),
        "SLURM_CPUS_PER_TASK": "3",
    }
    # Not by a Popen: one that is forgotten may take the end of its process with it.
    words = [shutil.which("bash") or "bash", script]
    nowhere = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    os.chdir("/")
    return os.posix_spawn(words[0], words, {**os.environ, **values}, file_actions=nowhere)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
