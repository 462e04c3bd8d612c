"""Whether an agent looks after a project, and starting one."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from tomotui.jobs.files import UnreadableFile, read_model, write_model
from tomotui.jobs.liveness import ProcessIdentity, is_alive, own_identity
from tomotui.jobs.local import SlotState, spawn_detached
from tomotui.jobs.specification import JobFile
from tomotui.project import ProjectError

AGENT_FILE = "agent.json"
AGENT_LOCK = "agent.lock"
AGENT_LOG = "agent.log"

_FRESH_SECONDS = 60.0


class AgentInfo(JobFile):
    """``agent.json``: who looks after the project, and how the slots of its machine stand."""

    process: ProcessIdentity
    started_at: float
    heartbeat_at: float
    version: str
    slots: tuple[SlotState, ...] = ()


class AgentStatus(NamedTuple):
    """Whether an agent lives, and what it last said of itself."""

    is_alive: bool
    info: AgentInfo | None

    @property
    def words(self) -> str:
        """One line for people."""
        if self.info is None:
            return "no agent"
        who = f"process {self.info.process.pid} on {self.info.process.host}"
        return f"agent: {who}" if self.is_alive else f"no agent (the last was {who})"


def agent_status(project_folder: Path | str) -> AgentStatus:
    """Return whether an agent looks after a project.

    Of an agent on another host only its last sign of life is known.
    """
    try:
        info = read_model(Path(project_folder) / AGENT_FILE, AgentInfo)
    except UnreadableFile:
        info = None
    if info is None:
        return AgentStatus(False, None)
    if info.process.is_here:
        return AgentStatus(is_alive(info.process), info)
    return AgentStatus(time.time() - info.heartbeat_at < _FRESH_SECONDS, info)


def announce(
    project_folder: Path, started_at: float, version: str, slots: tuple[SlotState, ...] = ()
) -> None:
    """Write that this process is the project's agent and alive, and what its slots do."""
    info = AgentInfo(
        process=own_identity(),
        started_at=started_at,
        heartbeat_at=time.time(),
        version=version,
        slots=slots,
    )
    write_model(project_folder / AGENT_FILE, info, durable=False)


def ensure_agent(project_folder: Path | str, patience_seconds: float = 20.0) -> AgentStatus:
    """Make sure that an agent looks after a project; starts one where there is none.

    The agent is a process of its own session: it and the tasks outlive the caller and its
    terminal.

    Parameters
    ----------
    patience_seconds
        How long to wait until the new agent has taken up its work.

    Raises
    ------
    ProjectError
        When the agent cannot be started.
    """
    folder = Path(project_folder).absolute()
    status = agent_status(folder)
    if status.is_alive:
        return status
    try:
        process = spawn_detached(
            "tomotui.jobs.agent", folder, folder=folder, log=folder / AGENT_LOG
        )
    except OSError as error:
        raise ProjectError(
            f"the agent of {folder} cannot be started: {error}.", "Start it: tomotui agent"
        ) from error
    return _wait_for(folder, process, patience_seconds)


def _wait_for(
    folder: Path, process: subprocess.Popen[bytes], patience_seconds: float
) -> AgentStatus:
    deadline = time.monotonic() + patience_seconds
    while True:
        # An agent that finds another at work ends with 0, and then that other one is alive.
        ended = process.poll()
        status = agent_status(folder)
        if status.is_alive:
            return status
        if ended or time.monotonic() > deadline:
            raise ProjectError(
                f"the agent of {folder} did not start; the job waits in the queue.",
                f"See {folder / AGENT_LOG}, or start it in the foreground: tomotui agent",
            )
        time.sleep(0.02)
