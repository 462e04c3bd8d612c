"""What tasks use of their machines, as sparklines: read from the files beside their logs.

The table of jobs shows spans of ten seconds that begin at the same moments for everybody, and
only those that are over. So it changes once in ten seconds, whatever a GPU does in between, and
a slow line is not kept busy by numbers that jump.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tomotui.jobs.usage import USAGE_FILE, UsageSample, read_usage
from tomotui.records import Task

BUCKET_SECONDS = 10.0
BUCKETS = 8
LOW_USE_SECONDS = 120.0
LOW_USE_PERCENT = 20.0
"""A GPU that is busier than this for so long is not idle."""

Quantity = Callable[[UsageSample], float | None]


@dataclass(frozen=True)
class Use:
    """What the running tasks of a job use, in the table of jobs.

    Attributes
    ----------
    is_gpu
        Whether the percentages are of GPUs; otherwise of processors, 100 for each.
    percents
        Means over the last spans of ten seconds, the oldest first; ``None`` where nothing is
        known.
    is_low
        A GPU has been all but idle for two minutes.
    """

    is_gpu: bool
    percents: tuple[float | None, ...]
    is_low: bool = False

    @property
    def last(self) -> float | None:
        """The newest percentage."""
        return self.percents[-1] if self.percents else None


def binned(
    samples: Sequence[UsageSample], quantity: Quantity, begin: float, end: float, bins: int
) -> list[float | None]:
    """Return means of a quantity over equal spans of time; ``None`` where nothing is known.

    Samples may be of any length: each counts in every span for as long as it lies in it.
    """
    sums, weights = [0.0] * bins, [0.0] * bins
    width = (end - begin) / bins
    for sample in samples:
        value = quantity(sample)
        if value is None or sample.at <= begin or sample.began_at >= end or width <= 0:
            continue
        first = max(int((sample.began_at - begin) / width), 0)
        last = min(int((sample.at - begin) / width), bins - 1)
        for at in range(first, last + 1):
            inside = min(sample.at, begin + (at + 1) * width) - max(
                sample.began_at, begin + at * width
            )
            if inside > 0:
                sums[at] += value * inside
                weights[at] += inside
    return [
        total / weight if weight > 0 else None for total, weight in zip(sums, weights, strict=True)
    ]


def processors_scale(values: Sequence[float | None]) -> float:
    """Return what a line of processors reaches up to: the next whole processor."""
    return 100.0 * max(math.ceil(max((v for v in values if v is not None), default=0) / 100), 1)


def bucket(now: float | None = None) -> int:
    """Return the number of the span of ten seconds that is going on."""
    return int((time.time() if now is None else now) // BUCKET_SECONDS)


def use_of(project_folder: Path, tasks: Sequence[Task], now: float | None = None) -> Use | None:
    """Return what the running tasks of a job use; ``None`` when nothing is known of them."""
    end = bucket(now) * BUCKET_SECONDS
    begin = end - BUCKETS * BUCKET_SECONDS
    lines, low = [], False
    is_gpu = False
    for task in tasks:
        if not task.status.is_active:
            continue
        samples = usage_of(project_folder, task)
        is_gpu = is_gpu or _has_gpu(samples)
        quantity = gpu_percent if _has_gpu(samples) else cpu_percent
        low = low or is_low(samples, end)
        lines.append(binned(samples, quantity, begin, end, BUCKETS))
    means = tuple(_mean(column) for column in zip(*lines, strict=True))
    if all(mean is None for mean in means):
        return None
    return Use(is_gpu, means, low)


def usage_of(project_folder: Path, task: Task) -> tuple[UsageSample, ...]:
    """Return the samples of the newest attempt at a task."""
    return read_usage(project_folder / task.folder / USAGE_FILE, task.attempt)


def usage_bucket(project_folder: Path, task: Task) -> int:
    """Return in which span of ten seconds the samples of a task were last written, or 0."""
    try:
        return bucket((project_folder / task.folder / USAGE_FILE).stat().st_mtime)
    except OSError:
        return 0


def is_low(samples: Sequence[UsageSample], now: float) -> bool:
    """Return whether the GPU of a task has been all but idle for two minutes."""
    begin = now - LOW_USE_SECONDS
    if not samples or samples[0].began_at > begin:
        return False
    (mean,) = binned(samples, gpu_percent, begin, now, 1)
    return mean is not None and mean < LOW_USE_PERCENT


def cpu_percent(sample: UsageSample) -> float | None:
    """Return the percentage of processors."""
    return sample.cpu


def gpu_percent(sample: UsageSample) -> float | None:
    """Return the percentage of the GPU."""
    return sample.gpu


def _has_gpu(samples: Sequence[UsageSample]) -> bool:
    return any(sample.gpu is not None for sample in samples)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
