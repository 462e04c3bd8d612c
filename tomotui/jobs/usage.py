"""What a task has used of its machine over its whole life: ``usage.jsonl`` in its folder.

The worker's supervisor appends a line every few seconds. When the lines become many, neighbours
are put together and the lines come half as often, so that a file stays small however long a task
runs: five minutes or five days are a few hundred lines.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import ValidationError

from tomotui.jobs.files import write_atomically
from tomotui.jobs.specification import JobFile

USAGE_FILE = "usage.jsonl"
MOST_SAMPLES = 360
MOST_BYTES = 1 << 20
"""No more of a file is read: one of ours is far smaller."""


class Reading(NamedTuple):
    """What a task uses now.

    Attributes
    ----------
    cpu_percent
        100 for each processor that is busy; mean since the reading before.
    gpu_percent, gpu_memory_bytes
        Of its GPU with everybody's work on it, as the driver tells; ``None`` without one.
    gpu_own_bytes
        Of this task alone; all that is used where the driver does not tell.
    """

    cpu_percent: float = 0.0
    memory_bytes: int = 0
    gpu_percent: float | None = None
    gpu_memory_bytes: int | None = None
    gpu_own_bytes: int | None = None


class UsageSample(JobFile):
    """One line: means of the percentages and peaks of everything over a span of time.

    Attributes
    ----------
    at, seconds
        When the span ended (epoch s), and how long it was.
    cpu, gpu
        Mean percentages; 100 for each processor.
    memory, gpu_memory, gpu_own
        Peaks, bytes; of the GPU's memory all that was used, and this task's share.
    """

    attempt: int
    at: float
    seconds: float
    cpu: float
    cpu_peak: float
    memory: int
    gpu: float | None = None
    gpu_peak: float | None = None
    gpu_memory: int | None = None
    gpu_own: int | None = None

    @property
    def began_at(self) -> float:
        """When the span began, epoch s."""
        return self.at - self.seconds


class Sampler(Protocol):
    """Tells what a task uses now."""

    def read(self) -> Reading:
        """Return it; what cannot be read is 0 or ``None``."""


class UsageRecorder:
    """Appends samples to a file, and thins it when they become many.

    Earlier attempts at the task stay in the file.

    Parameters
    ----------
    most_samples
        Thin when there would be more.
    """

    def __init__(self, path: Path, attempt: int, most_samples: int = MOST_SAMPLES) -> None:
        self._path = path
        self._attempt = attempt
        self._most = most_samples
        self._samples = list(read_usage(path))
        self._began_at: float | None = None
        self._span_seconds = 0.0
        self._pending: list[UsageSample] = []
        if self._samples:
            # A line that was torn must not swallow the next.
            self._rewrite()

    def note(self, reading: Reading, at: float) -> None:
        """Take a reading; the first only begins the first span.

        Raises
        ------
        OSError
            When the file cannot be written.
        """
        if self._began_at is None or at <= self._began_at:
            self._began_at = at
            return
        self._pending.append(
            UsageSample(
                attempt=self._attempt,
                at=round(at, 2),
                seconds=round(at - self._began_at, 2),
                cpu=round(reading.cpu_percent, 1),
                cpu_peak=round(reading.cpu_percent, 1),
                memory=reading.memory_bytes,
                gpu=reading.gpu_percent,
                gpu_peak=reading.gpu_percent,
                gpu_memory=reading.gpu_memory_bytes,
                gpu_own=reading.gpu_own_bytes,
            )
        )
        self._began_at = at
        joined = together(self._pending)
        if joined.seconds < self._span_seconds:
            return
        self._pending = []
        self._samples.append(joined)
        if len(self._samples) > self._most:
            self._samples = thinned(self._samples)
            self._span_seconds = 0.75 * self._samples[-1].seconds
            self._rewrite()
        else:
            self._append(joined)

    def _append(self, sample: UsageSample) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o666)
        try:
            os.write(descriptor, _line(sample).encode())
        finally:
            os.close(descriptor)

    def _rewrite(self) -> None:
        write_atomically(self._path, "".join(map(_line, self._samples)), durable=False)


def _line(sample: UsageSample) -> str:
    return sample.model_dump_json(exclude_none=True) + "\n"


def together(samples: Sequence[UsageSample]) -> UsageSample:
    """Return one sample for several that follow each other."""
    seconds = sum(one.seconds for one in samples)

    def mean(values: Sequence[float | None]) -> float | None:
        known = [
            (value, one.seconds)
            for value, one in zip(values, samples, strict=True)
            if value is not None
        ]
        whole = sum(weight for _, weight in known)
        return round(sum(v * w for v, w in known) / whole, 1) if whole else None

    peaks = [one.gpu_peak for one in samples if one.gpu_peak is not None]
    memories = [one.gpu_memory for one in samples if one.gpu_memory is not None]
    own = [one.gpu_own for one in samples if one.gpu_own is not None]
    return UsageSample(
        attempt=samples[-1].attempt,
        at=samples[-1].at,
        seconds=round(seconds, 2),
        cpu=mean([one.cpu for one in samples]) or 0.0,
        cpu_peak=max(one.cpu_peak for one in samples),
        memory=max(one.memory for one in samples),
        gpu=mean([one.gpu for one in samples]),
        gpu_peak=max(peaks) if peaks else None,
        gpu_memory=max(memories) if memories else None,
        gpu_own=max(own) if own else None,
    )


def thinned(samples: Sequence[UsageSample]) -> list[UsageSample]:
    """Return about half as many samples: neighbours of the same attempt are put together."""
    kept: list[UsageSample] = []
    waiting: UsageSample | None = None
    for sample in samples:
        if waiting is None:
            waiting = sample
        elif waiting.attempt == sample.attempt:
            kept.append(together([waiting, sample]))
            waiting = None
        else:
            kept.append(waiting)
            waiting = sample
    return [*kept, waiting] if waiting is not None else kept


def read_usage(path: Path, attempt: int | None = None) -> tuple[UsageSample, ...]:
    """Return the samples of a file, the oldest first; none when there is no such file.

    Lines that are torn or are no samples are passed over.

    Parameters
    ----------
    attempt
        Only those of this attempt at the task.
    """
    try:
        with open(path, "rb") as file:
            block = file.read(MOST_BYTES)
    except OSError:
        return ()
    samples = [sample for line in block.splitlines() if (sample := _parse(line)) is not None]
    if attempt is not None:
        samples = [sample for sample in samples if sample.attempt == attempt]
    return tuple(samples)


def _parse(line: bytes) -> UsageSample | None:
    try:
        sample = UsageSample.model_validate_json(line)
    except ValidationError:
        return None
    return sample if sample.seconds > 0 else None
