"""Phantoms and a microscope with known truth, for the demo, the tests and the benchmarks.

Asking for the parameters is cheap; the simulation itself is imported when it is called.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tomotui.simulate.parameters import SimulationError, SimulationParameters

if TYPE_CHECKING:
    from tomotui.simulate.gauge import AlignmentError, alignment_error
    from tomotui.simulate.movies import write_movie_series
    from tomotui.simulate.output import write_simulation
    from tomotui.simulate.simulation import Simulation, simulate_tilt_series

__all__ = [
    "AlignmentError",
    "Simulation",
    "SimulationError",
    "SimulationParameters",
    "alignment_error",
    "simulate_tilt_series",
    "write_movie_series",
    "write_simulation",
]

_HOMES = {
    "AlignmentError": "gauge",
    "Simulation": "simulation",
    "alignment_error": "gauge",
    "simulate_tilt_series": "simulation",
    "write_movie_series": "movies",
    "write_simulation": "output",
}


def __getattr__(name: str) -> Any:
    """Import what is heavy when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
