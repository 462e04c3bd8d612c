"""Movies with known motion: frames that drift and bend, as a counting camera writes them.

What is true of a frame is where things are seen in it: matter at the place p of the motionless
image is seen at ``p + displacement``. The expected counts are sampled there by cubic splines,
counted electron by electron, and spoilt by a camera: a gain that differs from pixel to pixel,
pixels that see nothing, and pixels that always fire.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tomotui.formats.mdoc_writing import write_mdoc
from tomotui.formats.mrc import write_stack
from tomotui.simulate.chance import Chance, generator
from tomotui.simulate.microscope import Microscope

if TYPE_CHECKING:
    from tomotui.simulate.simulation import Simulation

Array = NDArray[np.float64]

HOT_COUNTS = 40


@dataclass(frozen=True)
class Motion:
    """How the specimen moves during one exposure.

    Attributes
    ----------
    shift_px
        Displacement (x, y) of the whole image in each frame, ``[n_frames, 2]``.
    local_px
        Coefficients (x, y) of the local displacement at the end of the exposure, for the terms
        u, v, u^2, u v, v^2 of the place (u, v), -1..1 over the image: ``[5, 2]``.
    progress
        Share of the local displacement in each frame, ``[n_frames]``.
    """

    shift_px: Array
    local_px: Array = field(default_factory=lambda: np.zeros((5, 2)))
    progress: Array = field(default_factory=lambda: np.zeros(1))

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.shift_px)

    def local(self, frame: int, u: NDArray[Any], v: NDArray[Any]) -> Array:
        """Return the local displacement (x, y) in pixels at places, ``[2, ...]``."""
        terms = np.stack(np.broadcast_arrays(u, v, u * u, u * v, v * v))
        share = self.progress[frame] if len(self.progress) > 1 else 0.0
        return np.asarray(share * np.tensordot(self.local_px.T, terms, axes=1))

    def displacement(self, frame: int, u: NDArray[Any], v: NDArray[Any]) -> Array:
        """Return the whole displacement (x, y) in pixels at places, ``[2, ...]``."""
        local = self.local(frame, u, v)
        shift = self.shift_px[frame]
        return local + shift.reshape(2, *[1] * (local.ndim - 1))


@dataclass(frozen=True)
class Camera:
    """What is wrong with a camera.

    Attributes
    ----------
    gain
        By what counts have to be multiplied, ``[y, x]``; 0 at dead pixels.
    hot
        Pixels that fire in every frame, ``[y, x]``.
    """

    gain: NDArray[np.float32]
    hot: NDArray[np.bool_]


def draw_motion(
    seed: int,
    n_frames: int,
    *,
    tilt: int = 0,
    drift_px: float = 4.0,
    jitter_px: float = 0.3,
    local_px: float = 0.0,
) -> Motion:
    """Draw a motion: fast at first and then slower, with a little random walk.

    Parameters
    ----------
    drift_px
        Length of the way from the first frame to the last.
    jitter_px
        RMS per axis of each step of the random walk.
    local_px
        RMS over the image of the local displacement at the end.
    """
    chance = generator(seed, Chance.MOTION, tilt)
    t = np.arange(n_frames) / max(1, n_frames - 1)
    angle = chance.uniform(0, 2 * np.pi)
    burst = 0.5 * t + 0.5 * (1 - np.exp(-4 * t)) / (1 - np.exp(-4))
    way = drift_px * burst[:, None] * np.array([np.cos(angle), np.sin(angle)])
    walk = np.cumsum(jitter_px * chance.standard_normal((n_frames, 2)), axis=0)
    shift = way + walk
    local = chance.standard_normal((5, 2))
    line = np.linspace(-1, 1, 33)
    u, v = np.meshgrid(line, line)
    values = np.tensordot(local.T, np.stack([u, v, u * u, u * v, v * v]), axes=1)
    # Its mean over the field would be a shift of the whole image.
    rms = float(np.sqrt(values.var(axis=(1, 2)).mean()))
    progress = (1 - np.exp(-2 * t)) / (1 - np.exp(-2))
    return Motion(shift - shift.mean(axis=0), local * (local_px / rms), progress)


def draw_camera(
    seed: int,
    shape_yx: tuple[int, int],
    *,
    gain_spread: float = 0.05,
    dead_share: float = 1e-4,
    hot_share: float = 1e-5,
) -> Camera:
    """Draw a camera: RMS of its gain about 1, and the shares of dead and of hot pixels."""
    chance = generator(seed, Chance.CAMERA)
    gain = np.exp(gain_spread * chance.standard_normal(shape_yx))
    kind = chance.random(shape_yx)
    gain[kind < dead_share] = 0
    hot = (kind >= dead_share) & (kind < dead_share + hot_share)
    return Camera(gain.astype(np.float32), hot)


def expose_movie(
    expected: NDArray[Any],
    motion: Motion,
    camera: Camera | None = None,
    *,
    seed: int = 0,
    tilt: int = 0,
    shot_noise: bool = True,
) -> NDArray[Any]:
    """Take a movie of an image.

    Parameters
    ----------
    expected
        Expected counts of the whole exposure without motion, ``[y, x]``.
    camera
        A perfect one by default.
    shot_noise
        Count electrons; expected counts (float32) otherwise.

    Returns
    -------
    Frames as the camera writes them (before the gain correction), uint8 (uint16 where it needs
    to be), ``[n_frames, y, x]``.
    """
    chance = generator(seed, Chance.FRAMES, tilt)
    height, width = expected.shape
    y, x = np.mgrid[:height, :width].astype(np.float64)
    u, v = 2 * x / max(1, width - 1) - 1, 2 * y / max(1, height - 1) - 1
    spline = ndimage.spline_filter(np.asarray(expected, dtype=np.float64), 3, mode="mirror")
    frames = []
    for number in range(motion.n_frames):
        dx, dy = motion.displacement(number, u, v)
        seen = ndimage.map_coordinates(
            spline, [y - dy, x - dx], order=3, mode="mirror", prefilter=False
        )
        rate = np.maximum(seen, 0) / motion.n_frames
        if camera is not None:
            sees = camera.gain > 0
            rate = np.divide(rate, camera.gain, out=np.zeros_like(rate), where=sees)
        counts = chance.poisson(rate) if shot_noise else rate.astype(np.float32)
        if camera is not None:
            counts[camera.hot] = HOT_COUNTS
        frames.append(counts)
    movie = np.stack(frames)
    if not shot_noise:
        return movie
    return movie.astype(np.uint8 if movie.max() < 256 else np.uint16)


def write_movie(path: Path, frames: NDArray[Any], pixel_size_angstrom: float) -> None:
    """Write frames as MRC or, with the first row on top and compressed, as TIFF."""
    if path.suffix.lower() in (".tif", ".tiff"):
        import tifffile

        # ``deflate`` needs nothing but zlib; cameras write LZW.
        tifffile.imwrite(path, frames[:, ::-1], photometric="minisblack", compression="deflate")
        return
    import mrcfile

    with mrcfile.new(path, frames.astype(np.int16), overwrite=True) as file:
        file.voxel_size = pixel_size_angstrom
        file.set_image_stack()


def write_movie_series(
    simulation: Simulation,
    folder: Path | str,
    n_frames: int,
    *,
    drift_px: float = 3.0,
    local_px: float = 0.5,
    gain_spread: float = 0.05,
    suffix: str = ".tif",
    progress: Callable[[float, str], None] = lambda fraction, message: None,
) -> list[Path]:
    """Write the tilts of a simulation as movies, as a microscope leaves them.

    ``NAME.mdoc`` names the movies in ``frames/``; ``gain.mrc`` is the reference that they have to
    be multiplied by; ``motion.npz`` is the truth: ``shift_px`` ``[n_tilts, n_frames, 2]``,
    ``local_px`` ``[n_tilts, 5, 2]`` and ``progress`` (see `Motion`), and ``hot``.

    Parameters
    ----------
    suffix
        ``.tif`` or ``.mrc``.

    Returns
    -------
    The paths written, the mdoc first.
    """
    folder = Path(folder)
    (folder / "frames").mkdir(parents=True, exist_ok=True)
    p, series = simulation.parameters, simulation.series
    microscope = Microscope(p, simulation.specimen, simulation.acquisition)
    camera = draw_camera(p.seed, p.shape_yx, gain_spread=gain_spread)
    motions, paths, names = [], [], []
    for tilt in series.tilts:
        progress(tilt.index / series.n_tilts, f"movie {tilt.index + 1} of {series.n_tilts}")
        motion = draw_motion(
            p.seed, n_frames, tilt=tilt.index, drift_px=drift_px, local_px=local_px
        )
        frames = expose_movie(
            microscope.expected(tilt.index), motion, camera, seed=p.seed, tilt=tilt.index
        )
        order = tilt.acquisition_order or 0
        name = f"{p.name}_{order:03d}_{tilt.nominal_tilt_deg:.1f}{suffix}"
        write_movie(folder / "frames" / name, frames, p.pixel_size_angstrom)
        paths.append(folder / "frames" / name)
        names.append((name, n_frames))
        motions.append(motion)
    gain, truth, mdoc = folder / "gain.mrc", folder / "motion.npz", folder / f"{p.name}.mdoc"
    write_stack(gain, camera.gain[None], p.pixel_size_angstrom)
    np.savez(
        truth,
        shift_px=np.stack([motion.shift_px for motion in motions]),
        local_px=np.stack([motion.local_px for motion in motions]),
        progress=motions[0].progress,
        hot=camera.hot,
    )
    write_mdoc(mdoc, series, "int16", names)
    progress(1.0, "done")
    return [mdoc, gain, truth, *paths]
