"""What is said of the use of processors, memory and GPUs: cells of tables and lines of facts."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tomotui.jobs.usage import UsageSample
from tomotui.tui.job_usage import (
    BUCKETS,
    Quantity,
    Use,
    binned,
    cpu_percent,
    gpu_percent,
    is_low,
    processors_scale,
)
from tomotui.tui.sparks import spark
from tomotui.tui.theme import Look
from tomotui.tui.widgets.cells import EMPTY, Content, Span
from tomotui.tui.widgets.facts import Facts

GIB = float(1 << 30)
USE_CELLS = BUCKETS + 6
LOW_USE = "low use"
"""Said of a running job whose GPU idles."""

_WORDS_CELLS = 26
"""Of ``mean 12.1, peak 14.2 GiB``, with some room."""


def use_cell(use: Use | None, ascii_only: bool) -> Content:
    """Return a sparkline of the last minute and the newest percentage."""
    if use is None:
        return EMPTY
    most = 100.0 if use.is_gpu else processors_scale(use.percents)
    line = spark(use.percents, most, ascii_only)
    number = "" if use.last is None else f"{use.last:.0f}%"
    role = "warning" if use.is_low else "running"
    return Span(line, role), Span(f"{number:>6}", "warning" if use.is_low else "dim")


def low_use_spans(use: Use | None, look: Look, ascii_only: bool) -> Content:
    """Return glyph and words for a running job whose GPU idles; nothing for others."""
    if use is None or not use.is_low:
        return EMPTY
    return (Span(f"{look.glyph('warning', ascii_only)} {LOW_USE}  ", "warning"),)


def usage_facts(
    facts: Facts, samples: Sequence[UsageSample], is_running: bool, cells: int, ascii_only: bool
) -> None:
    """Say what a task uses, or has used in its whole life, as far as that is known.

    Parameters
    ----------
    cells
        Room for the values.
    """
    if not samples:
        return
    facts.heading("use")
    if is_running and is_low(samples, samples[-1].at):
        facts.text(f"! {LOW_USE}: the GPU was all but idle for two minutes", "warning")
    width = min(max(cells - _WORDS_CELLS, 8), 60)
    for name, quantity, peak, unit in _quantities(samples):
        values = binned(samples, quantity, samples[0].began_at, samples[-1].at, width)
        known = [value for value in values if value is not None]
        (mean,) = binned(samples, quantity, samples[0].began_at, samples[-1].at, 1)
        if not known or mean is None:
            continue
        most = {"gpu": 100.0, "cpu": processors_scale(values)}.get(name, peak)
        words = Text()
        words.append(spark(values, most, ascii_only), facts.look.colour("running"))
        told = f" mean {_number(mean, unit)}, peak {_number(peak, unit)}"
        words.append(told, facts.look.foreground)
        words.append(unit if unit == "%" else f" {unit}", facts.look.dim)
        facts.pair(name, words)


def _number(value: float, unit: str) -> str:
    return f"{value:.0f}" if unit == "%" else f"{value:.1f}"


def _quantities(samples: Sequence[UsageSample]) -> list[tuple[str, Quantity, float, str]]:
    """Return name, value, peak and unit of what was measured."""
    found: list[tuple[str, Quantity, float, str]] = []
    gpus = [sample.gpu_peak for sample in samples if sample.gpu_peak is not None]
    if gpus:
        found.append(("gpu", gpu_percent, max(gpus), "%"))
    gpu_memories = [s.gpu_memory for s in samples if s.gpu_memory is not None]
    if gpu_memories:
        found.append(("gpu memory", _gpu_memory_gib, max(gpu_memories) / GIB, "GiB"))
    found.append(("cpu", cpu_percent, max(sample.cpu_peak for sample in samples), "%"))
    memory = max(sample.memory for sample in samples) / GIB
    return [*found, ("memory", _memory_gib, memory, "GiB")]


def _gpu_memory_gib(sample: UsageSample) -> float | None:
    return None if sample.gpu_memory is None else sample.gpu_memory / GIB


def _memory_gib(sample: UsageSample) -> float | None:
    return sample.memory / GIB
