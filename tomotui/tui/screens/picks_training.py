"""Training the picking network anew from within a review, and reviewing what it finds."""

from __future__ import annotations

from typing import Any, NamedTuple

from textual.message import Message

from tomotui.project import Project
from tomotui.records import Job, JobRequest, Status, Target
from tomotui.tui.feeds import Feed, Observation
from tomotui.tui.review import Review
from tomotui.tui.screens.picks_acts import PicksActs
from tomotui.tui.screens.picks_view import Candidates, read_all
from tomotui.tui.snapshots import Counts, line_of, read_counts
from tomotui.tui.wording import counted, duration, one_line, percent

TRAINING, SEARCH = "pick-train", "pick"
"""The stages that learn from a review, and find with what was learnt."""


class JobState(NamedTuple):
    """What a job that was started here is doing."""

    id: int
    stage: str
    status: Status
    progress: float
    eta_seconds: float | None
    note: str


class Seen(NamedTuple):
    """What the feed of a review reads.

    Attributes
    ----------
    found
        Differs after a search has come to its end.
    """

    counts: Counts
    found: tuple[int, float]
    volumes: int
    jobs: tuple[JobState, ...]


class Subject(NamedTuple):
    """What the feed looks at."""

    set_uid: str
    job_ids: tuple[int, ...]


def read_seen(project: Project, subject: Subject) -> Seen:
    """Read what has changed for a review."""
    states = []
    for job_id in subject.job_ids:
        job = project.job(job_id)
        line = line_of(job, project.tasks(job_id))
        states.append(
            JobState(job_id, job.stage, job.status, job.progress, line.eta_seconds, line.note)
        )
    found = project.search_signature(subject.set_uid)
    volumes = len(project.records("tomogram"))
    return Seen(read_counts(project), found, volumes, tuple(states))


class PicksTraining(PicksActs):
    """Adds training and searching to the screen of a review."""

    class News(Message, bubble=False):
        """The feed has something new."""

        def __init__(self, observation: Observation[Seen]) -> None:
            super().__init__()
            self.observation = observation

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        self.job_ids: tuple[int, ...] = ()
        self._seen: Seen | None = None
        self._feed: Feed[Seen] | None = None
        self._failure = ""

    def begin_to_watch(self) -> None:
        """Watch the project for searches that end, and the jobs started here."""
        self._feed = Feed(
            self.project.folder,
            read_seen,
            lambda seen: self.post_message(self.News(seen)),
            subject=self._subject(),
        )
        self.watch_feed(self._feed)

    def _subject(self) -> Subject:
        uid = self.review.curation.particle_set.uid if self.review is not None else ""
        return Subject(uid, self.job_ids)

    def look_elsewhere(self) -> None:
        """Watch another set, or other jobs."""
        self._seen = None
        if self._feed is not None:
            self._feed.look_at(self._subject())

    # ---- news

    def on_picks_training_news(self, message: News) -> None:
        """Follow what has changed: jobs, candidates, volumes."""
        seen, before = message.observation.value, self._seen
        self.set_alarm(message.observation.error)
        if seen is None:
            return
        self._seen, self.counts = seen, seen.counts
        self.update_header()
        if before is None or before.volumes != seen.volumes:
            self.forget_choices()
        if before is not None and not self.has_volume and before.volumes != seen.volumes:
            self.show_pick()
        if self.job_ids:
            self._jobs_moved(seen)
        elif before is not None and before.found != seen.found:
            self.reread(keep=True)
        self.update_status()

    def _jobs_moved(self, seen: Seen) -> None:
        if {job.id for job in seen.jobs} != set(self.job_ids):
            return
        if all(job.status.is_finished for job in seen.jobs):
            failed = next((job for job in seen.jobs if job.status != Status.DONE), None)
            self.job_ids = ()
            self.look_elsewhere()
            if failed is not None:
                glyph = self.tomotui.look.glyph("failed", self.ascii_only)
                self._failure = f"{glyph} {failed.stage} {failed.status}: see :job {failed.id}"
                self.say(f"{failed.stage} {failed.status}: {one_line(failed.note)}", "error")
            else:
                self.say("the search is done: the most informative candidates come first")
            self.reread(keep=failed is not None)

    def reread(self, keep: bool) -> None:
        """Read the candidates anew; stay where one is, or begin at the head of the queue."""
        review = self.review
        if review is None:
            self.load(None)
            return
        name = review.curation.particle_set.name

        def read(found: Candidates | None) -> None:
            if found is None or self.review is not review or not self.is_attached:
                return
            uid = None if review.row is None else str(review.curation.table.uids[review.row])
            review.curation.reload(found.table)
            review.series_of.update(found.series_of)
            review.fit_threshold()
            row = review.curation.row(uid) if uid is not None else None
            if not keep:
                review.order, review.show, review.in_audit = "priority", "all", False
            review.arrange(keep=False)
            if keep and row is not None:
                review.go_to_row(row)
            self.acted()

        self.tomotui.change(lambda project: read_all(project, name), read)

    def job_words(self) -> str:
        """Return what the jobs that were started here are doing, or that one has failed."""
        seen = self._seen
        if not self.job_ids or seen is None:
            return self._failure
        words = []
        for job in seen.jobs:
            if job.status.is_finished:
                continue
            if job.status == Status.QUEUED:
                words.append(f"{job.stage} queued")
                continue
            left = f" {duration(job.eta_seconds)}" if job.eta_seconds is not None else ""
            words.append(f"{job.stage} {percent(job.progress)}{left}")
        glyph = self.tomotui.look.glyph("running", self.ascii_only)
        return f"{glyph} {' · '.join(words)}" if words else ""

    # ---- training

    def action_retrain(self) -> None:
        """Train the network on what was decided, search all tomograms, and come back here."""
        review = self.review
        if self.tomotui.refuse_when_read_only() or review is None:
            return
        known = {stage.name for stage in self.tomotui.stages}
        missing = [name for name in (TRAINING, SEARCH) if name not in known]
        if missing:
            self.say(f"there is no stage {missing[0]} here: is a plug-in missing?", "warning")
        elif not review.curation.particle_set.is_picks:
            self.say("networks learn from picks: choose another set with S", "warning")
        elif self.job_ids:
            self.say("training and search are at work already; 4 shows them")
        else:
            self._train_if_enough(review)

    def _train_if_enough(self, review: Review) -> None:
        """Train, when there is something to learn from; otherwise say at once what is missing."""
        from tomotui.stages.pick_inputs import FEWEST_ACCEPTED

        n_missing = FEWEST_ACCEPTED - review.curation.counts()["accepted"]
        if n_missing > 0:
            more = counted(n_missing, "more particle")
            self.say(f"accept {more} to learn from, or mark by hand with M", "warning")
        else:
            self._train(review.curation.particle_set.name)

    def _train(self, name: str) -> None:
        series = [one.name for one in self.project.tilt_series() if self.choices(one.name)]
        targets = tuple(Target(name=each) for each in series)

        def trained(job: Job) -> None:
            search = JobRequest(stage=SEARCH, targets=targets, after=(job.id,))
            self.tomotui.submit(search, lambda follows: self._submitted(job, follows))

        training = JobRequest(stage=TRAINING, targets=targets, parameters={"particles": [name]})
        self.tomotui.submit(training, trained)

    def _submitted(self, training: Job, search: Job) -> None:
        self.job_ids, self._failure = (training.id, search.id), ""
        self.look_elsewhere()
        self.say("training, then searching; go on deciding, what is new comes by itself")
