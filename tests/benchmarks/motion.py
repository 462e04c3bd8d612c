"""Motion correction against known truth, and beside torch-motion-correction.

    python tests/benchmarks/motion.py [--peer-python PATH] [--seeds 3] [--size 1024]

Movies of a crowded, cell-like specimen at 3 A/px, 3 e/A^2 in 8 frames, with a camera whose gain
has a fixed pattern, dead and hot pixels. The structure of the ice is left out of what the frames
share: water moves by more than its own size from frame to frame. Errors are those of the
displacement with its mean over the frames taken away, at places all over the field. The peer runs
in a Python of its own (``--peer-python``) on the same frames, without defects; its fields are
judged with the sign that fits better.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from report import figure

from tomotui.algorithms.motion.defects import Mender, find_defects
from tomotui.algorithms.motion.field import MotionField
from tomotui.algorithms.motion.movie import CorrectedMovie, Settings, correct_movie
from tomotui.algorithms.motion.sums import sum_frames
from tomotui.simulate import SimulationParameters
from tomotui.simulate.acquisition import acquire
from tomotui.simulate.microscope import Microscope
from tomotui.simulate.movies import Camera, Motion, draw_camera, draw_motion, expose_movie
from tomotui.simulate.specimen import build_specimen

N_FRAMES = 8
PIXEL = 3.0
PLACES = 21
LINE = np.linspace(-1, 1, PLACES)
BAND_ANGSTROM = (40.0, 10.0)


def scene(size: int, pixel: float, tilt_deg: float, dose: float, seed: int) -> NDArray[Any]:
    """Return the expected counts of one tilt of the crowded specimen, without ice."""
    density = (size * pixel / 4320.0) ** 2
    p = SimulationParameters(
        size_px=size, pixel_size_angstrom=pixel, seed=seed, crowding=0.1, ice_noise=0.0,
        n_particles=max(20, int(150 * density)), n_vesicles=2, dose_e_per_a2=dose,
        tilt_min_deg=tilt_deg, tilt_max_deg=tilt_deg, shift_min_angstrom=0.0,
        shift_max_angstrom=0.0, truth_binning=0,
    )  # fmt: skip
    return Microscope(p, build_specimen(p), acquire(p)).expected(0)


def truth_of(motion: Motion) -> NDArray[Any]:
    """Return the true displacement, ``[n_frames, places, places, 2]``."""
    u, v = np.meshgrid(LINE, LINE)
    every = [motion.displacement(i, u, v) for i in range(motion.n_frames)]
    return np.moveaxis(np.stack(every), 1, -1)


def found_by(field: MotionField) -> NDArray[Any]:
    u, v = (torch.from_numpy(one.astype(np.float32)).reshape(-1) for one in np.meshgrid(LINE, LINE))
    every = field.displacement(u, v).numpy()
    return every.transpose(1, 0, 2).reshape(field.n_frames, PLACES, PLACES, 2)


def rmse(found: NDArray[Any], truth: NDArray[Any]) -> float:
    """Return the RMS error per axis after removing each place's mean over the frames."""
    left = found - truth
    left = left - left.mean(axis=0)
    return float(np.sqrt(np.mean(left**2)))


def frc(image: NDArray[Any], truth: NDArray[Any], pixel: float) -> float:
    """Return the mean correlation of rings with the truth over the band."""
    margin = 24
    a, b = (one[margin:-margin, margin:-margin] for one in (image, truth))
    n = a.shape[0]
    window = np.hanning(n)[:, None] * np.hanning(n)
    spectra = [np.fft.rfft2((one - one.mean()) * window) for one in (a, b)]
    radius = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)) / pixel
    ring = (radius * n * pixel / 4).astype(int).ravel()
    products = (spectra[0] * spectra[1].conj(), np.abs(spectra[0]) ** 2, np.abs(spectra[1]) ** 2)
    sums = [np.bincount(ring, weights=product.real.ravel()) for product in products]
    curve = sums[0] / np.sqrt(np.maximum(sums[1] * sums[2], 1e-30))
    middle = (np.arange(len(curve)) + 0.5) * 4 / (n * pixel)
    low, high = (1 / one for one in BAND_ANGSTROM)
    return float(curve[(middle > low) & (middle < high)].mean())


def where_it_went(expected: NDArray[Any], motion: Motion) -> NDArray[Any]:
    """Return the truth bent by the mean of the motion, which no correction can know."""
    mean = float(motion.progress.mean())
    bent = Motion(np.zeros((2, 2)), motion.local_px, np.full(2, mean))
    return expose_movie(expected, bent, None, shot_noise=False).sum(axis=0)


def corrected(frames: NDArray[Any], camera: Camera | None, pixel: float) -> CorrectedMovie:
    gain = None if camera is None else torch.from_numpy(camera.gain)

    def load(index: int) -> torch.Tensor:
        frame = torch.from_numpy(frames[index].astype(np.float32))
        return frame if gain is None else frame * gain

    known = None if gain is None else gain == 0
    return correct_movie(load, len(frames), known, pixel, Settings())


def mended(frames: NDArray[Any], camera: Camera) -> torch.Tensor:
    """Return frames without what is wrong with the camera."""
    gain = torch.from_numpy(camera.gain)
    values = torch.from_numpy(frames.astype(np.float32)) * gain
    mender = Mender(find_defects(values.sum(dim=0), gain == 0))
    return torch.stack([mender.mend(frame) for frame in values])


def whole_frames(size: int, seeds: int) -> None:
    """Measure the displacement of rigid specimens."""
    for tilt, dose in ((0.0, 3.0), (60.0, 3.0), (0.0, 1.0)):
        expected = scene(size, PIXEL, tilt, dose, seed=1)
        for case in ("camera", "no gain reference", "large drift"):
            errors = []
            for seed in range(seeds):
                drift = 40.0 if case == "large drift" else 5.0
                motion = draw_motion(seed, N_FRAMES, drift_px=drift)
                camera = draw_camera(seed, expected.shape)
                frames = expose_movie(expected, motion, camera, seed=seed)
                known = None if case == "no gain reference" else camera
                made = corrected(frames, known, PIXEL)
                errors.append(rmse(found_by(made.field), truth_of(motion)))
            name = f"{dose:g} e/A^2, tilt {tilt:g}, {case}"
            target = "< 0.2" if dose == 3 else "-"
            figure(f"{name}: RMSE, worst", max(errors), "px", target)


def local_motion(size: int, seeds: int, peer: str | None) -> None:
    """Measure fields and sums of specimens that bend, beside the peer."""
    expected = scene(size, PIXEL, 0.0, 3.0, seed=1)
    for local_px in (0.0, 0.5, 1.5):
        rows: dict[str, list[float]] = {}
        for seed in range(seeds):
            motion = draw_motion(seed, N_FRAMES, drift_px=5.0, local_px=local_px)
            camera = draw_camera(seed, expected.shape)
            frames = expose_movie(expected, motion, camera, seed=seed)
            began = time.perf_counter()
            made = corrected(frames, camera, PIXEL)
            seconds = time.perf_counter() - began
            truth, good = truth_of(motion), mended(frames, camera)
            rigid = MotionField(made.field.shift_px)
            still = expose_movie(expected, Motion(np.zeros((N_FRAMES, 2))), None, seed=seed)
            none = sum_frames(lambda i, f=good: f[i], MotionField(torch.zeros(N_FRAMES, 2)), PIXEL)
            there = where_it_went(expected, motion)
            values = {
                "error, uncorrected (px)": rmse(np.zeros_like(truth), truth),
                "error, whole frames (px)": rmse(found_by(rigid), truth),
                "error, with local part (px)": rmse(found_by(made.field), truth),
                "FRC, uncorrected": frc(none.whole.numpy(), there, PIXEL),
                "FRC, corrected": frc(made.sums.whole.numpy(), there, PIXEL),
                "FRC, perfectly corrected": frc(still.sum(axis=0), expected, PIXEL),
                "seconds": seconds,
            }
            if peer is not None:
                values |= of_peer(peer, good.numpy(), truth)
            for name, value in values.items():
                rows.setdefault(name, []).append(value)
        for name, found in rows.items():
            target = "< 0.2" if "with local" in name else "-"
            figure(f"local {local_px:g} px: {name}, mean", float(np.mean(found)), "", target)


def of_peer(python: str, frames: NDArray[Any], truth: NDArray[Any]) -> dict[str, float]:
    """Run the peer on the same frames."""
    program = Path(__file__).with_name("torch_motion.py")
    with tempfile.TemporaryDirectory() as name:
        source, result = Path(name) / "in.npz", Path(name) / "out.npz"
        np.savez(source, frames=frames, pixel_size_angstrom=PIXEL, places=PLACES)
        command = [python, "-W", "ignore", str(program), str(source), str(result)]
        environment = {"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
        subprocess.run(command, check=True, capture_output=True, env=environment)
        found = np.load(result)
        values = {}
        for method in ("global", "patches", "optimiser"):
            both = [rmse(sign * found[method], truth) for sign in (1, -1)]
            values[f"peer {method}: error (px)"] = min(both)
            values[f"peer {method}: seconds"] = float(found[f"seconds_{method}"])
        return values


def large_movie(side: int) -> None:
    """Time a movie with all its steps, and scale to 4096 x 4096."""
    chance = np.random.default_rng(0)
    frames = chance.poisson(1.0, (N_FRAMES, side, side)).astype(np.uint8)
    blobs = torch.nn.functional.interpolate(
        torch.randn(1, 1, side // 8, side // 8), size=(side, side), mode="bicubic"
    )[0, 0].numpy()
    frames += (blobs > 1.2).astype(np.uint8)
    began, cpu = time.perf_counter(), time.process_time()
    corrected(frames, None, 1.5)
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    scale = (4096 / side) ** 2
    figure(f"{N_FRAMES} frames of {side} px: wall", wall, "s")
    figure("scaled to 4096 x 4096: wall", wall * scale, "s")
    figure("scaled to 4096 x 4096: CPU", cpu * scale, "s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    figure("peak memory", peak, "GiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", default=None, help="one with torch-motion-correction")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--large", type=int, default=4096, help="side of the movie that is timed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--parts", default="large,whole,local")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    parts = arguments.parts.split(",")
    with torch.inference_mode():
        if "large" in parts:
            large_movie(arguments.large)
        if "whole" in parts:
            whole_frames(arguments.size, arguments.seeds)
        if "local" in parts:
            local_motion(arguments.size, arguments.seeds, arguments.peer_python)


if __name__ == "__main__":
    main()
