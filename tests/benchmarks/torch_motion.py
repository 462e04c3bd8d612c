"""Find motion with torch-motion-correction: a program of its own, run by its own Python.

    python torch_motion.py INPUT.npz OUTPUT.npz

INPUT holds ``frames`` ``[n, y, x]``, ``pixel_size_angstrom`` and ``places`` (number of places
along each side of a grid over the image). OUTPUT holds for each method (``global``, ``patches``,
``optimiser``) the displacement (x, y) in pixels ``[n_frames, places, places, 2]``, and
``seconds_METHOD``. It needs torch-fourier-rescale beside torch-motion-correction.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import torch
import torch_motion_correction as library

PATCH_PX = 256


def displacement(field: Any, n_frames: int, places: int, pixel: float) -> np.ndarray:
    """Return a field on a grid, x before y."""
    grids = []
    for t in torch.linspace(0, 1, n_frames):
        grid = field.evaluate_at_t(t=t, grid_shape=(places, places)).detach()
        grids.append(grid.flip(0).permute(1, 2, 0).numpy() / pixel)
    return np.stack(grids)


def main() -> None:
    torch.set_num_threads(1)
    data = np.load(sys.argv[1])
    frames = torch.from_numpy(data["frames"].astype(np.float32))
    pixel, places = float(data["pixel_size_angstrom"]), int(data["places"])
    sampling = library.PatchSamplingConfig(patch_shape=(PATCH_PX, PATCH_PX))
    found: dict[str, Any] = {}
    began = time.perf_counter()
    start = library.estimate_global_motion(frames, pixel)
    found["global"], found["seconds_global"] = start, time.perf_counter() - began
    began = time.perf_counter()
    field, _ = library.estimate_motion_cross_correlation_patches(frames, pixel, sampling)
    found["patches"], found["seconds_patches"] = field, time.perf_counter() - began
    began = time.perf_counter()
    resolution = (min(4, len(frames)), 4, 4)
    field, _ = library.estimate_local_motion(
        frames, pixel, resolution, sampling, initial_deformation_field=start
    )
    found["optimiser"], found["seconds_optimiser"] = field, time.perf_counter() - began
    for name in ("global", "patches", "optimiser"):
        found[name] = displacement(found[name], len(frames), places, pixel)
    np.savez(sys.argv[2], **found)


if __name__ == "__main__":
    main()
