"""What all screens tell of the machine and of other people: asked once, for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tomotui.jobs.gpu_watch import GpuState, NoDriver
from tomotui.jobs.visitors import Presence, Visitor, user_name, words_of
from tomotui.tui.feeds import Observation
from tomotui.tui.machine_feed import GIB, GpuNews, GpuSource, SteadyGpus
from tomotui.tui.polling import Poll
from tomotui.tui.widgets.glance import ELSEWHERE, Glance
from tomotui.tui.wording import age, listed

VISITORS_SECONDS = 10.0
AGES_SECONDS = 5.0
"""How often it is looked whether what is shown has grown old."""


class Surroundings:
    """The GPUs of this machine, and who else has the project open.

    The GPUs are asked every two seconds while a screen is there that shows them, and never again
    where there is no driver. Others are looked for all the time: they are told of us as well.

    Parameters
    ----------
    changed
        Called in a thread when there is something new; it must be safe there.
    source
        The GPUs; those of this machine when not given.
    """

    def __init__(self, changed: Callable[[], object], source: GpuSource | None = None) -> None:
        self._changed = changed
        self.news = GpuNews()
        self.gpu_error = ""
        self.others: tuple[Visitor, ...] = ()
        self._folder: Path | None = None
        self._viewer: object = None
        self._presence: Presence | None = None
        self._visitors: Poll[tuple[Visitor, ...]] | None = None
        self._me = ""
        # The first look at a driver of our own comes after the first picture: loading its library
        # takes a while.
        self._may_hurry = source is not None
        steady = SteadyGpus(source)
        self._gpu_poll = Poll(steady.read, self._gpus_seen, ends_at=(NoDriver,), close=steady.close)

    # ---- life

    def shown_by(self, screen: object) -> None:
        """Ask the driver from now on: a screen shows what it says."""
        self._viewer = screen
        self._gpu_poll.start()
        if self._may_hurry:
            self._gpu_poll.resume()
        self._may_hurry = True

    def hidden_by(self, screen: object) -> None:
        """Rest, unless another screen has taken this one's place already."""
        if self._viewer is screen:
            self._viewer = None
            self._gpu_poll.pause()

    def open_project(self, folder: Path, read_only: bool) -> None:
        """Be present in a project, and no more in the one before."""
        self._leave_project()
        self._folder = folder
        self._me = user_name()
        presence = self._presence = Presence(folder, read_only)
        self._visitors = Poll(
            presence.others,
            self._visitors_seen,
            interval_seconds=VISITORS_SECONDS,
            close=presence.leave,
        )
        self._visitors.start()
        self._visitors.hurry()

    def leave(self) -> None:
        """End: nobody looks any more."""
        self._gpu_poll.stop()
        self._leave_project()

    def _leave_project(self) -> None:
        if self._visitors is not None:
            self._visitors.stop()
            self._visitors = None
        if self._presence is not None:
            # The thread may have no time to do so before the program ends.
            self._presence.leave()
            self._presence = None
        self.others = ()

    def _gpus_seen(self, seen: Observation[GpuNews]) -> None:
        self.news = seen.value or GpuNews()
        self.gpu_error = seen.error
        self._changed()

    def _visitors_seen(self, seen: Observation[tuple[Visitor, ...]]) -> None:
        self.others = seen.value or ()
        self._changed()

    # ---- what is told

    @property
    def gpu_age(self) -> str:
        """How old the news of the GPUs is, in coarse words; empty while it is not old."""
        seconds = self._gpu_poll.age_seconds
        return age(seconds) if seconds is not None and self._gpu_poll.is_old else ""

    @property
    def has_no_driver(self) -> bool:
        """Whether this machine has no GPUs that could be asked."""
        return self._gpu_poll.has_ended

    @property
    def glance(self) -> Glance:
        """What a header tells."""
        gpus = self.news.gpus
        return Glance(
            percents=tuple(gpu.percent for gpu in gpus),
            used_gib=round(sum(gpu.memory_bytes or 0 for gpu in gpus) / GIB),
            total_gib=round(sum(gpu.total_bytes or 0 for gpu in gpus) / GIB),
            owners=owners_of(gpus, self._folder),
            age=self.gpu_age,
            others=words_of(self.others, self._me, ELSEWHERE),
        )


def owners_of(gpus: Sequence[GpuState], project_folder: Path | None) -> str:
    """Return whose work is on GPUs: our jobs first, then those of other people."""
    owners = {process.owner for gpu in gpus for process in gpu.processes}
    mine = sorted(
        (one for one in owners if one.job_id is not None and one.project_folder == project_folder),
        key=lambda one: one.job_id or 0,
    )
    rest = sorted({one.words(project_folder) for one in owners - set(mine)})
    return listed([*(one.words(project_folder) for one in mine), *rest])
