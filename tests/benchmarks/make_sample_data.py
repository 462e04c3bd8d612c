"""Make the sample tilt series in `sample_data/` from the real one beside the checkout.

    python tests/benchmarks/make_sample_data.py [SOURCE_FOLDER]

SOURCE_FOLDER (default `../shared/data/empiar10499_00254`) holds the half-float stack `00254.mrc`
with its mdoc, tilts and licence. The stack is stored as signed bytes with one linear scale for
the whole series, so that ratios between tilts survive. The scale spans the whole range of the
data: nothing is clipped, neither gold nor hot pixels.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np

from tomotui.formats.mrc import MrcStack, VolumeWriter

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = REPOSITORY.parent / "shared/data/empiar10499_00254"
NAME = "empiar_10499_00254"

README = """# Sample tilt series

`{name}.mrc`: a whole *Mycoplasma pneumoniae* cell, 41 tilts of 652 x 630 pixels, 10 A/pixel,
300 kV, -60 to 60 degrees by 3, dose-symmetric, 3 e/A^2 per tilt. Gold beads, 70S ribosomes, a
membrane.

| file | what |
|---|---|
| `{name}.mrc` | raw images (unaligned, not CTF-corrected) as signed bytes, MRC mode 0 |
| `{name}.mdoc` | tilts, dose, order, tilt axis, target defocus |
| `{name}.rawtlt` | nominal tilts |
| `LICENSE.txt` | licence of the package the images were taken from |

## Provenance
EMPIAR-10499, tilt series 00254 (raw data: CC0). The binned stack is test data of the Python
package `warpylib` 1.1.2 (MIT licence, Genentech, beside this file). The mdoc was written from the
known dose and angles of the series.

## Intensities
    physical = stored * {scale:.9g} + {offset:.9g}

The same scale and offset hold for all tilts; the range of all images is kept, nothing is clipped.
They stand in a label of the MRC header (`intensity = stored * S + O`), from which the import takes
them. Against the half-float original: error at most {worst:.3f} (half a step), RMS {rms:.3f}; the
pixel noise is {noise_low:.1f} to {noise_high:.1f} per tilt. Correlation with the original, worst
tilt: {correlation:.6f}.

Made by `tests/benchmarks/make_sample_data.py`.
"""


def main(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    with MrcStack(source / "00254.mrc") as stack:
        images = stack.read_all()
        pixel_size = stack.pixel_size_angstrom
    low, high = float(images.min()), float(images.max())
    path = target / f"{NAME}.mrc"
    with VolumeWriter(
        path,
        images.shape,
        pixel_size,
        "int8",
        value_range=(low, high),
        is_stack=True,
        labels=("EMPIAR-10499 tilt series 00254, 10 A/pixel (warpylib test data)",),
    ) as writer:
        for index, image in enumerate(images):
            writer.write(index, image[None])
    mdoc = (source / "00254.mrc.mdoc").read_text()
    mdoc = mdoc.replace("ImageFile = 00254.mrc", f"ImageFile = {path.name}")
    mdoc = mdoc.replace("DataMode = 12", "DataMode = 0")
    (target / f"{NAME}.mdoc").write_text(mdoc)
    for name, copied in (("00254.rawtlt", f"{NAME}.rawtlt"), ("LICENSE.txt", "LICENSE.txt")):
        shutil.copyfile(source / name, target / copied)
        (target / copied).chmod(0o644)
    figures = measure(path, images)
    (target / "README.md").write_text(README.format(name=NAME, **figures))
    for name, value in figures.items():
        print(f"{name} {value:.6g}")
    print(f"bytes {sum(f.stat().st_size for f in target.iterdir())}")


def measure(path: Path, images: np.ndarray) -> dict[str, float]:
    """Compare the stored stack with the original images."""
    with MrcStack(path) as stack:
        scale, offset = stack.intensity_scale, stack.intensity_offset
        stored = stack.read_all() * np.float32(scale) + np.float32(offset)
    error = stored - images
    # Neighbouring differences along both axes cancel everything smooth and leave the noise.
    mixed = np.diff(np.diff(images, axis=1), axis=2)
    noise = mixed.std(axis=(1, 2)) / 2
    correlation = [
        float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) for a, b in zip(stored, images, strict=True)
    ]
    return {
        "scale": scale,
        "offset": offset,
        "worst": float(np.abs(error).max()),
        "rms": float(np.sqrt(np.square(error, dtype=np.float64).mean())),
        "noise_low": float(noise.min()),
        "noise_high": float(noise.max()),
        "correlation": min(correlation),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE, REPOSITORY / "sample_data")
