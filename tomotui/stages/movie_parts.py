"""What was made of the movies of a series, kept in files until all are there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomotui.algorithms.motion.movie import CorrectedMovie, Figures
from tomotui.records import Tilt
from tomotui.stages.base import StageError


@dataclass(frozen=True)
class MoviePart:
    """What was made of one movie; the sums are read when they are needed."""

    path: Path
    n_frames: int
    figures: Figures
    shift_px: NDArray[np.float32]
    centres: NDArray[np.float32]
    patch_px: NDArray[np.float32]
    local_px: NDArray[np.float32]

    def sums(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the sums of even and odd frames."""
        with np.load(self.path, allow_pickle=False) as data:
            return data["even"], data["odd"]


def write_part(path: Path, key: str, made: CorrectedMovie) -> None:
    """Keep what was made of a movie, whole or not at all.

    Parameters
    ----------
    key
        What it depends on; see `read_part`.

    Raises
    ------
    StageError
        When it cannot be written.
    """
    partial = path.with_suffix(".partial")
    local = made.field.local_px
    try:
        with partial.open("wb") as file:
            np.savez(
                file,
                key=np.array(key),
                figures=np.array(json.dumps(asdict(made.figures))),
                even=made.sums.even.cpu().numpy(),
                odd=made.sums.odd.cpu().numpy(),
                shift_px=made.field.shift_px.numpy(),
                local_px=np.zeros(0, np.float32) if local is None else local.numpy(),
                centres=made.centres,
                patch_px=made.patch_px,
            )
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StageError(
            f"{path} cannot be written: {error.strerror or error}.", "Make room there."
        ) from error


def read_part(path: Path, key: str) -> MoviePart | None:
    """Return what an earlier attempt has made of a movie, if it was made in the same way."""
    try:
        with np.load(path, allow_pickle=False) as data:
            if str(data["key"]) != key:
                return None
            values = json.loads(str(data["figures"]))
            shift = data["shift_px"]
            figures = Figures(**{field.name: values[field.name] for field in fields(Figures)})
            return MoviePart(
                path, len(shift), figures, shift, data["centres"], data["patch_px"],
                data["local_px"],
            )  # fmt: skip
    except (OSError, ValueError, KeyError, EOFError):
        return None


def write_details(
    path: Path, tilts: Sequence[Tilt], parts: Sequence[MoviePart], pixel: float
) -> None:
    """Write what the quality screen draws, lengths in Angstrom; NaN fills what is not there.

    Parameters
    ----------
    pixel
        Pixel size of the frames in Angstrom.
    """
    n_frames = max(part.n_frames for part in parts)
    n_patches = max(len(part.centres) for part in parts)
    shift = np.full((len(parts), n_frames, 2), np.nan, dtype=np.float32)
    patch = np.full((len(parts), n_patches, n_frames, 2), np.nan, dtype=np.float32)
    centres = np.full((n_patches, 2), np.nan, dtype=np.float32)
    for row, part in enumerate(parts):
        shift[row, : part.n_frames] = part.shift_px * pixel
        patch[row, : len(part.centres), : part.n_frames] = part.patch_px * pixel
        if len(part.centres) == n_patches:
            centres = part.centres
    numbers: dict[str, Any] = {
        f"{name}_angstrom": np.array([getattr(part.figures, name) for part in parts], np.float32)
        for name in ("drift", "early", "late", "span", "fastest", "residual", "local_rms")
    }
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez_compressed(
            file,
            tilt_index=np.array([tilt.index for tilt in tilts]),
            tilt_deg=np.array([tilt.nominal_tilt_deg for tilt in tilts], np.float32),
            n_frames=np.array([part.n_frames for part in parts]),
            shift_angstrom=shift,
            patch_centre=centres,
            patch_angstrom=patch,
            local_accepted=np.array([part.local_px.size > 0 for part in parts]),
            local_gain=np.array([part.figures.local_gain for part in parts], np.float32),
            n_defects=np.array([part.figures.n_defects for part in parts]),
            poor=np.array([part.figures.verdict != "good" for part in parts]),
            **numbers,
        )
    partial.replace(path)


def motion_metrics(parts: Sequence[MoviePart], excluded: Sequence[int]) -> dict[str, float]:
    """Return the figures of a series; lengths in Angstrom are medians, but for the worst drift."""
    figures = [part.figures for part in parts]
    errors = [one.residual for one in figures if np.isfinite(one.residual)]
    return {
        "tilts": float(len(parts)),
        "excluded": float(len(excluded)),
        "drift_angstrom": float(np.median([one.drift for one in figures])),
        "worst_drift_angstrom": float(max(one.drift for one in figures)),
        "residual_angstrom": float(np.median(errors)) if errors else float("nan"),
        "local_tilts": float(sum(part.local_px.size > 0 for part in parts)),
        "poor_tilts": float(sum(one.verdict != "good" for one in figures)),
    }
