"""Fixtures that every test may use."""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

# The small tensors of tests are worked on faster by one thread than by several that share cores.
# The libraries read this when they are imported, and the processes that tests start inherit it.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest

from tomotui.records import Alignment, TiltSeries

# Screens leave many small objects; looking for cycles among them as often as by default takes a
# seventh of their tests.
gc.set_threshold(100_000, 20, 20)

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Begin every test with one thread, however many a stage before it has taken."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared test data are not beside this checkout")
    return folder


def benchmark_script(name: str) -> ModuleType:
    """Import a script of the benchmarks, which finds those beside it as when it is run."""
    path = REPOSITORY / "tests" / "benchmarks" / f"{name}.py"
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(path.parent))
        specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def stage_runner() -> ModuleType:
    """The module with ``RecordingTask`` and ``run_stage``, which the benchmarks use too."""
    return benchmark_script("stage_runner")


class AlignedSeries(NamedTuple):
    """A small simulated series that went through import and align."""

    simulation: Any
    folder: Path
    series: TiltSeries
    alignment: Alignment
    import_task: Any
    align_task: Any
    result: Any


@pytest.fixture(scope="session")
def aligned_series(
    stage_runner: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> AlignedSeries:
    """Frames that are not square, ribosomes, three beads, one dark tilt; aligned once for all."""
    from tomotui.simulate import SimulationParameters, simulate_tilt_series, write_simulation

    folder = tmp_path_factory.mktemp("aligned")
    simulation = simulate_tilt_series(
        SimulationParameters(
            name="small",
            seed=1,
            size_px=144,
            height_px=128,
            pixel_size_angstrom=16.0,
            thickness_angstrom=800.0,
            tilt_step_deg=4.0,
            axis_deg=30.0,
            n_particles=30,
            species=("ribosome",),
            n_vesicles=0,
            n_gold=3,
            dark_tilts=(3,),
        )
    )
    write_simulation(simulation, folder)
    import_task = stage_runner.RecordingTask(folder / "import", "small", threads=1)
    imported = stage_runner.run_stage(
        "import", import_task, (), {"stack": str(folder / "small.mrc")}
    )
    (series,) = imported.records
    align_task = stage_runner.RecordingTask(folder / "align", "small", threads=1)
    # The import has left the dark tilt out already; align shall find it by itself.
    everything = series.replace(tilts=[t.replace(excluded=False) for t in series.tilts])
    result = stage_runner.run_stage(
        "align",
        align_task,
        [everything],
        {
            "tilt_axis_deg": 28.0,
            "axis_range_deg": 4.0,
            "thickness_angstrom": 900.0,
            "rounds": 2,
            "n_landmarks": 20,
            "local": "off",
        },
    )
    return AlignedSeries(
        simulation, folder, series, result.records[0], import_task, align_task, result
    )
