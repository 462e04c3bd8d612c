"""Back-project with the ASTRA toolbox: a program of its own, run by its own Python.

    python astra_backprojection.py INPUT.npz OUTPUT.npy [--cuda]

INPUT holds ``images`` (filtered, ``[n_tilts, n_columns, n_rows]``), ``tilt_deg`` and ``shape``
(n_z, n_x). OUTPUT is ``[n_z, n_x, n_rows]``. Prints seconds of back-projection and GiB at peak.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import astra
import numpy as np


def main() -> None:
    data = np.load(sys.argv[1])
    images, tilts = data["images"], np.deg2rad(data["tilt_deg"])
    n_z, n_x = (int(side) for side in data["shape"])
    n_columns, n_rows = images.shape[1:]
    # Row i of a slice is depth i - n_z // 2; ASTRA's y points to lower rows.
    top = n_z // 2 + 0.5
    left = -(n_x // 2) - 0.5
    volume_geometry = astra.create_vol_geom(n_z, n_x, left, left + n_x, top - n_z, top)
    u = np.stack([np.cos(tilts), -np.sin(tilts)], axis=-1)
    ray = np.stack([np.sin(tilts), np.cos(tilts)], axis=-1)
    middle = (n_columns - 1) / 2 - n_columns // 2
    vectors = np.concatenate([ray, middle * u, u], axis=-1)
    geometry = astra.create_proj_geom("parallel_vec", n_columns, vectors)
    use_cuda = "--cuda" in sys.argv
    projector = astra.create_projector("cuda" if use_cuda else "linear", geometry, volume_geometry)
    out = np.zeros((n_rows, n_z, n_x), dtype=np.float32)
    rows = np.ascontiguousarray(images.transpose(2, 0, 1))
    sinogram = astra.data2d.create("-sino", geometry)
    volume = astra.data2d.create("-vol", volume_geometry)
    config = astra.astra_dict("BP_CUDA" if use_cuda else "BP")
    config["ProjectorId"] = projector
    config["ProjectionDataId"], config["ReconstructionDataId"] = sinogram, volume
    algorithm = astra.algorithm.create(config)
    began = time.perf_counter()
    for row in range(n_rows):
        astra.data2d.store(sinogram, rows[row])
        astra.data2d.store(volume, 0.0)
        astra.algorithm.run(algorithm)
        out[row] = astra.data2d.get(volume)
    seconds = time.perf_counter() - began
    np.save(sys.argv[2], out.transpose(1, 2, 0))
    # The high-water mark since this program began; getrusage counts the parent's as well.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_kib = next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)
    print(seconds, peak_kib / 2**20)


if __name__ == "__main__":
    main()
