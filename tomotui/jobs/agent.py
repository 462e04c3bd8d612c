"""The agent of a project: starts tasks, follows them, and keeps the project file up to date.

One process for each project, which ends when there is nothing left to do. It can be killed at
any time: workers go on without it, and the next agent takes them up where they are.
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType

from tomotui import __version__
from tomotui.jobs.cluster.executor import ClusterExecutor
from tomotui.jobs.ending import settle
from tomotui.jobs.files import Lock
from tomotui.jobs.follow import Follower, Outcome
from tomotui.jobs.gpu_needs import GpuNeeds
from tomotui.jobs.launch import specify, write_job_file, write_task_folder
from tomotui.jobs.liveness import this_host
from tomotui.jobs.local import CPU, Slots, SlotState, spawn_worker
from tomotui.jobs.presence import AGENT_FILE, AGENT_LOCK, AGENT_LOG, agent_status, announce
from tomotui.jobs.processes import processes_in, why_too_many
from tomotui.jobs.recipe_running import why_not
from tomotui.jobs.settings import AgentSettings
from tomotui.jobs.specification import TaskSpecification
from tomotui.project import MissingInput, Project, ProjectError
from tomotui.records import Job, Status, Task
from tomotui.stages import UnknownStage, get
from tomotui.stages.base import ParameterError

_LOCK_PATIENCE_SECONDS = 1.0
_TROUBLES_BEFORE_GIVING_UP = 20
_TROUBLE_PAUSE_SECONDS = 2.0

log = logging.getLogger(__name__)


class Agent:
    """Looks after the tasks of one project; `step` is one look at everything."""

    def __init__(self, project: Project, settings: AgentSettings, slots: Slots) -> None:
        self._project = project
        self._settings = settings
        self._slots = slots
        self._cluster = ClusterExecutor(project, settings, self._specify, self._finish)
        self._needs = GpuNeeds(project)
        self._alone: set[int] = set()
        self._followers: dict[int, Follower] = {}
        self._troubles: dict[int, int] = {}
        self._seen_version = -1

    def adopt(self) -> None:
        """Take up the tasks that an agent before this one has left at work."""
        for task in self._project.active_tasks():
            if not self._cluster.owns(task):
                self._followers[task.id] = Follower(self._project, task, self._settings)
                self._take(task, task.device)
            self._project.add_event(task, "adopted", f"followed by a new agent on {this_host()}")
            log.info("%s: adopted", _name(task))

    def step(self) -> bool:
        """Follow, cancel, skip and start tasks; returns whether there is anything to do."""
        active = self._project.active_tasks()
        self._forget_finished({task.id for task in active})
        for task in active:
            self._guarded(self._follow, task)
        # What may start changes when a face submits or retries, and when a task ends here; not
        # with every progress that is taken in.
        version = self._project.others_version()
        if version != self._seen_version:
            self._seen_version = version
            while skipped := self._project.skip_blocked():
                for task in skipped:
                    log.info("%s: skipped, %s", _name(task), task.error)
            self._start_ready()
            self._cluster.wake()
        self._cluster.step()
        busy = bool(self._followers) or self._cluster.is_busy
        return busy or self._project.queued_count() > 0

    @property
    def pause_seconds(self) -> float:
        """How long to wait between two steps: little while processes of this machine work.

        Thousands of tasks that wait in a scheduler's queue need no look every moment.
        """
        if self._followers:
            return self._settings.tick
        return self._settings.idle_tick + self._cluster.count / 1000

    @property
    def slots(self) -> tuple[SlotState, ...]:
        """How the devices of this machine stand."""
        return self._slots.states()

    def _guarded(self, action: Callable[[Task], None], task: Task) -> None:
        """Do something for one task; what goes wrong there does not touch the others."""
        try:
            action(task)
        except ProjectError as error:
            # A full disk or a locked file passes, and what the workers write is not lost.
            if self._count_trouble(task) == 1:
                log.error("%s: %s Trying again.", _name(task), error)
        except Exception as error:  # the boundary between one task and the others
            log.exception("%s: trouble", _name(task))
            if self._count_trouble(task) >= _TROUBLES_BEFORE_GIVING_UP:
                reason = f"the agent cannot look after it ({error}); see {AGENT_LOG}"
                self._project.finish_task(task, Status.FAILED, error=reason)
                self._release(task)
        else:
            self._troubles.pop(task.id, None)

    def _count_trouble(self, task: Task) -> int:
        self._seen_version = -1
        self._troubles[task.id] = self._troubles.get(task.id, 0) + 1
        return self._troubles[task.id]

    def _follow(self, task: Task) -> None:
        if self._cluster.owns(task):
            if (outcome := self._cluster.follow(task)) is not None:
                self._finish(task, outcome)
            return
        follower = self._followers.get(task.id)
        if follower is None or follower.attempt != task.attempt:
            follower = self._followers[task.id] = Follower(self._project, task, self._settings)
            self._take(task, task.device)
        outcome = follower.look(task)
        if outcome is None:
            return
        if outcome.status == Status.QUEUED:
            self._project.requeue(task)
            log.info("%s: had no process and waits again", _name(task))
        elif self._wants_gpu_alone(task, outcome):
            self._alone.add(task.id)
            words = "the GPU's memory did not suffice beside other tasks; started again alone"
            self._project.start_over(task, words)
            log.info("%s: %s", _name(task), words)
        else:
            self._finish(task, outcome)
        self._release(task)

    def _wants_gpu_alone(self, task: Task, outcome: Outcome) -> bool:
        """Whether a task failed for want of memory on a GPU that it has shared, the first time."""
        tenant = self._slots.tenant(task.id)
        failed = outcome.result is not None and outcome.result.out_of_gpu_memory
        had_company = tenant is not None and tenant.had_company
        return failed and had_company and task.id not in self._alone

    def _take(self, task: Task, device: str) -> None:
        """Give a device to a task, with what it will need of a GPU's memory."""
        self._slots.take(task.id, device, self._gpu_need(task) if device != CPU else None)

    def _gpu_need(self, task: Task) -> int | None:
        return None if task.id in self._alone else self._needs.of(task)

    def _finish(self, task: Task, outcome: Outcome) -> None:
        """Note the end of a task with all that it made."""
        self._seen_version = -1
        settle(self._project, task, outcome)
        log.info("%s: %s %s", _name(task), outcome.status, outcome.error)

    def _release(self, task: Task) -> None:
        self._followers.pop(task.id, None)
        self._slots.free(task.id)
        self._seen_version = -1

    def _forget_finished(self, active: set[int]) -> None:
        """Free the slots of tasks that somebody else has finished."""
        for task_id in self._followers.keys() - active:
            del self._followers[task_id]
            self._slots.free(task_id)
            self._seen_version = -1

    def _start_ready(self) -> None:
        if not self._slots.any_free:
            return
        self._slots.begin_round()
        self._needs.forget()
        for task_id, follower in self._followers.items():
            self._slots.hold(task_id, follower.gpu_own_bytes)
        for task in self._project.ready_tasks():
            if not self._slots.any_free:
                return
            self._guarded(self._start, task)

    def _start(self, task: Task) -> None:
        """Start one task when a device is free for it, and its recipe wants it done."""
        job = self._project.job(task.job_id)
        try:
            processes = processes_in(job.profile)
        except ProjectError as error:
            self._finish(task, Outcome(Status.FAILED, str(error)))
            return
        device = self._place_for(task, processes)
        if device is None:
            return
        visible, threads = self._slots.visible(device), self._slots.threads
        specification = self._specify(task, job, visible, threads, processes)
        if specification is None or not self._project.mark_starting(task, device, this_host()):
            return
        folder = self._project.folder / task.folder
        try:
            write_job_file(folder.parent, job, self._project.overrides(job.id))
            write_task_folder(folder, specification, self._project)
            process = spawn_worker(folder)
        except OSError as error:
            reason = f"{folder} could not be prepared: {error}. Check the disk and retry."
            self._finish(task, Outcome(Status.FAILED, reason))
            return
        self._take(task, device)
        self._followers[task.id] = Follower(self._project, task, self._settings, process)
        self._project.note_process(task, process.pid)
        log.info("%s: started as process %d on %s", _name(task), process.pid, device)

    def _place_for(self, task: Task, processes: int) -> str | None:
        try:
            stage = get(task.stage)
        except UnknownStage:
            return CPU  # Said when its inputs are gathered.
        if reason := why_too_many(stage, processes, len(self._slots.gpus)):
            self._finish(task, Outcome(Status.FAILED, f"{reason} Clone the job for fewer."))
            return None
        return self._slots.place_for(stage.needs, lambda: self._gpu_need(task), processes)

    def _specify(
        self, task: Task, job: Job, gpu: str = "", threads: int = 1, processes: int = 1
    ) -> TaskSpecification | None:
        """Gather what a task needs; ``None`` when it was finished instead, with the reason."""
        if reason := why_not(self._project, job, task):
            self._finish(task, Outcome(Status.SKIPPED, reason))
            return None
        try:
            return specify(
                self._project,
                task,
                get(task.stage),
                gpu=gpu,
                threads=threads,
                processes=processes,
                heartbeat_seconds=self._settings.heartbeat,
                kill_after_seconds=self._settings.kill_after,
            )
        except (UnknownStage, ParameterError, MissingInput) as error:
            self._finish(task, Outcome(Status.FAILED, str(error)))
            return None


def _name(task: Task) -> str:
    return f"{task.job_id:04d}-{task.stage} of {task.target}"


def run_agent(project_folder: Path | str, settings: AgentSettings | None = None) -> int:
    """Look after a project until nothing is left to do.

    Parameters
    ----------
    project_folder
        The project's folder.
    settings
        Patience and slots.

    Returns
    -------
    int
        0, also when another agent is at work already.

    Raises
    ------
    ProjectError
        When the project cannot be opened.
    """
    settings = settings or AgentSettings()
    folder = Path(project_folder).absolute()
    with Project.open(folder) as project:
        lock = Lock(folder / AGENT_LOCK)
        if not lock.acquire(_LOCK_PATIENCE_SECONDS):
            log.info("another agent is at work on %s (%s)", folder, agent_status(folder).words)
            return 0
        slots = Slots.of_this_machine(settings.cpu_slots, settings.tasks_per_gpu)
        agent = Agent(project, settings, slots)
        log.info("at work on %s: %d processor slots, %d GPUs", folder, slots.cpu_slots,
                 len(slots.gpus))  # fmt: skip
        stopping = _StopSignal()
        started_at = time.time()
        while True:
            _serve(agent, settings, folder, started_at, stopping)
            (folder / AGENT_FILE).unlink(missing_ok=True)
            lock.release()
            # Whoever has submitted a job before the file was gone relied on this agent.
            if stopping.is_set or not project.queued_count() or not lock.acquire():
                log.info("ends")
                return 0


def _serve(
    agent: Agent, settings: AgentSettings, folder: Path, started_at: float, stopping: _StopSignal
) -> None:
    """Look after the tasks until there have been none for a while, or a signal came."""
    announce(folder, started_at, __version__, agent.slots)
    announced = busy = time.monotonic()
    agent.adopt()
    while not stopping.is_set:
        try:
            working = agent.step()
        except ProjectError as error:
            # A full disk or a locked file passes; what the workers write is not lost meanwhile.
            log.error("%s Trying again.", error)
            time.sleep(_TROUBLE_PAUSE_SECONDS)
            working = True
        now = time.monotonic()
        if working:
            busy = now
        elif now - busy >= settings.idle:
            return
        if now - announced >= settings.heartbeat:
            announced = now
            announce(folder, started_at, __version__, agent.slots)
        time.sleep(agent.pause_seconds if working else settings.idle_tick)


class _StopSignal:
    """Set by SIGTERM or Ctrl-C: the agent ends, the workers go on."""

    def __init__(self) -> None:
        self.is_set = False
        signal.signal(signal.SIGTERM, self._set)
        signal.signal(signal.SIGINT, self._set)

    def _set(self, number: int, frame: FrameType | None) -> None:
        self.is_set = True


def main(arguments: list[str]) -> int:
    """Run the agent of a project: ``python -m tomotui.jobs.agent FOLDER [IDLE_SECONDS]``."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S"
    )
    settings = AgentSettings()
    if len(arguments) > 1:
        settings = replace(settings, idle=float(arguments[1]))
    try:
        return run_agent(arguments[0], settings)
    except ProjectError as error:
        log.error("%s", error)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
