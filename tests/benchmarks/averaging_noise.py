"""Series that hold noise and nothing else, with the particles of another sample."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
from averaging_scenes import Sample

from tomotui.records import TiltSeries

COUNTS = 75.0


def noise_sample(sample: Sample, folder: Path) -> Sample:
    """Return a sample whose images count electrons of an empty beam."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(7)
    records = []
    for record in sample.records:
        if isinstance(record, TiltSeries):
            path = folder / f"{record.name}.mrc"
            shape = (record.n_tilts, record.height_px, record.width_px)
            with mrcfile.new(path, overwrite=True) as file:
                file.set_data(chance.poisson(COUNTS, shape).astype(np.int16))
            record = record.replace(stack_path=str(path))
        records.append(record)
    return replace(sample, records=records)
