"""A job does not need the command that started it, nor its terminal."""

from __future__ import annotations

import os
import pty
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tomotui.project import Project
from tomotui.records import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Outside


@pytest.mark.parametrize("blow", ["the terminal closes", "kill -9"])
def test_a_job_outlives_the_command_that_waits_for_it(
    outside: Outside, three: Path, blow: str, wait_until: Callable[..., None]
) -> None:
    words = outside.words("run", "fake", "--on", "ts_1", "--set", "act=wait", "--wait", "-p", three)
    environment = outside.environment()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(words[0], words, environment)
    said = b""
    while b"job 1: fake on 1 tilt series" not in said:
        said += os.read(terminal, 4096)
    wait_until(lambda: any((three / "jobs").glob("*/*/worker.json")))
    if blow == "kill -9":
        os.kill(pid, signal.SIGKILL)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    expected = signal.SIGKILL if blow == "kill -9" else signal.SIGHUP
    assert os.waitstatus_to_exitcode(status) == -expected

    (three / "go-ts_1").touch()
    with Project.open(three, read_only=True) as project:
        wait_until(lambda: project.job(1).status.is_finished)
        assert project.job(1).status is Status.DONE
        assert project.task(1, "ts_1").summary == "made ts_1"
