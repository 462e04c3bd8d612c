"""Simulating a tilt series with known truth."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tomotui.cli.assignments import parse_assignments
from tomotui.cli.errors import WrongWords
from tomotui.cli.options import JsonOption, SetOption, print_json
from tomotui.simulate import SimulationParameters


def simulate(
    output: Path | None = None,
    /,
    *,
    seed: int = 0,
    name: str = "simulated",
    size: int = 720,
    particles: int = 100,
    gold: int = 0,
    frames: int = 0,
    set_: SetOption = None,
    parameters: bool = False,
    json: JsonOption = False,
) -> int:
    """Simulate a tilt series of particles and membranes in ice; the truth is written beside it.

    Example: `tomotui simulate phantoms/a --seed 1 --set tilt_offset_deg=2 n_vesicles=4`

    Parameters
    ----------
    output
        Folder to write into: stack, mdoc, angles, truth.json, particles, true volume.
    seed
        The same seed gives the same bytes.
    name
        Name of the series and its files.
    size
        Width of the images in pixels.
    particles
        Particles in the field.
    gold
        Gold beads in the field.
    frames
        Also write every tilt as a movie of so many moving frames, into the folder movies.
    set_
        Any other parameter as key=value.
    parameters
        List all parameters and leave.
    json
        Print the files as JSON for scripts.
    """
    if parameters:
        for key, field in SimulationParameters.model_fields.items():
            extra = field.json_schema_extra
            unit = f"{extra['unit']}, " if isinstance(extra, dict) and extra.get("unit") else ""
            print(f"{key} ({unit}default {field.default})\n    {field.description}")
        return 0
    if output is None:
        raise WrongWords("say which folder to write into, such as: tomotui simulate phantoms/a")
    wanted = _wanted(
        {"seed": seed, "name": name, "size_px": size, "n_particles": particles, "n_gold": gold},
        set_ or [],
    )
    if frames < 0 or frames == 1:
        raise WrongWords(f"--frames {frames}: give 2 frames or more, or none")
    # Imported late: the simulation brings torch and scipy.
    from tomotui.simulate import simulate_tilt_series, write_movie_series, write_simulation

    said: list[str] = []

    def progress(fraction: float, message: str) -> None:
        if message not in said and not json:
            said.append(message)
            print(f"{fraction:4.0%}  {message}", flush=True)

    began = time.perf_counter()
    simulation = simulate_tilt_series(wanted, progress)
    written = write_simulation(simulation, output.expanduser())
    if frames:
        movies = output.expanduser() / "movies"
        written += write_movie_series(simulation, movies, frames, progress=progress)
    if json:
        print_json({"files": [str(path) for path in written]})
    else:
        seconds = time.perf_counter() - began
        print(f"wrote {len(written)} files to {output} in {seconds:.0f} s")
    return 0


def _wanted(values: dict[str, Any], assignments: Sequence[str]) -> SimulationParameters:
    fields = SimulationParameters.model_fields
    values = {**values, **parse_assignments(assignments, fields)}
    unknown = [key for key in values if key not in fields]
    if unknown:
        raise WrongWords(f"there is no parameter {unknown[0]}; see tomotui simulate --parameters")
    try:
        return SimulationParameters.model_validate(values)
    except ValidationError as error:
        problems = (_problem(each) for each in error.errors())
        raise WrongWords("; ".join(problems)) from error


def _problem(error: Any) -> str:
    where = ".".join(map(str, error["loc"]))
    words = str(error["msg"]).removeprefix("Value error, ")
    return f"{where}: {words} (got {error['input']!r})" if where else words
