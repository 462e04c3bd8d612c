"""DeepDeWedge on pairs of half tomograms within a budget of time, as a peer to measure against.

    PEER_PYTHON deepdewedge.py --out DIR --seconds S HALF0 HALF1 [HALF0 HALF1 ...]

To be run by a Python with numpy, mrcfile, torch and DeepDeWedge (Wiedemann and Heckel 2024,
github.com/MLI-lab/DeepDeWedge), whose fit-model step must ask Lightning for the accelerator
there is: for a CPU, accelerator="cpu" and devices=1. All pairs train one network; its
refined tomograms become DIR/refined_0.mrc, DIR/refined_1.mrc, ... in the order of the pairs.

The settings are the authors' but for what a CPU has no time for: 16 channels in place of 32
or 64, sub-tomograms of 64^3 voxels in place of 96^3, few of them (all are read once before
fitting), batches of one for as many steps as can be, and for so few a rate of 1e-3 in place
of 4e-4. Their refinement pads by a whole stride where strides fit exactly, hence overlaps one
voxel short of what would. On a machine that is shared, OMP_WAIT_POLICY=passive helps.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from datetime import timedelta
from pathlib import Path

import mrcfile
import torch
from ddw import fit_model, prepare_data, refine_tomogram
from ddw.utils.unet import Unet3D

SUBTOMO_SIZE = 64
OVERLAPS = (31, 15)
REFINING_SHARE = 0.3
SECONDS_PER_HALF = 3.0
SECONDS_TO_SPARE = 12.0
SEED = 42


def cubes_to_refine(shape: tuple[int, ...], overlap: int) -> int:
    """Return how many sub-tomograms the refinement of one half tomogram takes."""
    stride = SUBTOMO_SIZE - overlap
    cubes = 1
    for voxels in shape:
        cubes *= (voxels - SUBTOMO_SIZE) // stride + 2
    return cubes


def seconds_a_cube(network: dict[str, float]) -> float:
    """Return how long the network takes for one sub-tomogram."""
    unet = Unet3D(**network).eval()
    cube = torch.randn(1, 1, SUBTOMO_SIZE, SUBTOMO_SIZE, SUBTOMO_SIZE)
    times = []
    with torch.no_grad():
        for _ in range(4):
            began = time.perf_counter()
            unet(cube)
            times.append(time.perf_counter() - began)
    return sum(times[1:]) / len(times[1:])


def plan_refinement(
    network: dict[str, float], halves: list[Path], seconds: float
) -> tuple[int, float]:
    """Return the overlap that can be afforded, and how long the refinement will take."""
    each = seconds_a_cube(network)
    shapes = []
    for half in halves:
        with mrcfile.open(half, header_only=True) as file:
            shapes.append((int(file.header.nz), int(file.header.ny), int(file.header.nx)))
    expected = 0.0
    for overlap in OVERLAPS:
        cubes = sum(cubes_to_refine(shape, overlap) for shape in shapes)
        expected = cubes * each + SECONDS_PER_HALF * len(halves)
        if expected <= REFINING_SHARE * seconds:
            break
    print(f"{each:.2f} s a cube, overlap {overlap}, refinement in {expected:.0f} s", flush=True)
    return overlap, expected


def fit(
    project: Path,
    network: dict[str, float],
    arguments: argparse.Namespace,
    seconds: float,
) -> Path:
    """Fit the network for a number of seconds, and return its last checkpoint."""
    whole = timedelta(seconds=max(1, int(seconds)))
    clock = time.strftime("%H:%M:%S", time.gmtime(whole.seconds))
    os.environ["PL_TRAINER_MAX_TIME"] = f"{whole.days:02d}:{clock}"
    fit_model(
        unet_params_dict=network,
        adam_params_dict={"lr": arguments.learning_rate},
        num_epochs=10**6,
        batch_size=arguments.batch_size,
        subtomo_size=SUBTOMO_SIZE,
        mw_angle=arguments.wedge,
        gpu=0,
        num_workers=1,
        project_dir=str(project),
        logger="csv",
        update_subtomo_missing_wedges_every_n_epochs=arguments.update_every,
        save_model_every_n_epochs=1,
        save_n_models_with_lowest_fitting_loss=0,
        save_n_models_with_lowest_val_loss=0,
        seed=SEED,
    )
    found = (project / "logs").glob("version_*/checkpoints/epoch/*.ckpt")
    last = max(found, key=lambda path: path.stat().st_mtime)
    told = torch.load(last, map_location="cpu", weights_only=False)
    print(f"{told['global_step']} steps, {told['epoch'] + 1} epochs begun", flush=True)
    return last


def main() -> None:
    began = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("halves", nargs="+", type=Path, metavar="HALF")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--wedge", type=int, default=60, help="degrees not covered")
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--stride", type=int, default=68, help="of the cubes to fit to, voxels")
    parser.add_argument("--update-every", type=int, default=10, help="wedges, epochs")
    arguments = parser.parse_args()
    if len(arguments.halves) % 2:
        parser.error("the halves must come in pairs")
    first, second = arguments.halves[0::2], arguments.halves[1::2]
    arguments.out.mkdir(parents=True, exist_ok=True)
    project = arguments.out / "project"
    shutil.rmtree(project, ignore_errors=True)
    network = {"chans": arguments.channels, "num_downsample_layers": 3, "drop_prob": 0.0}
    prepare_data(
        tomo0_files=first,
        tomo1_files=second,
        subtomo_size=SUBTOMO_SIZE,
        val_fraction=0.0,
        subtomo_extraction_strides=3 * [arguments.stride],
        standardize_full_tomos=True,
        project_dir=project,
        overwrite=True,
        seed=SEED,
    )
    overlap, expected = plan_refinement(network, arguments.halves, arguments.seconds)
    elapsed = time.perf_counter() - began
    left = arguments.seconds - elapsed - expected - SECONDS_TO_SPARE
    print(f"{elapsed:.0f} s so far, {left:.0f} s to fit", flush=True)
    checkpoint = fit(project, network, arguments, left)
    print(f"fitted after {time.perf_counter() - began:.0f} s", flush=True)
    for number, pair in enumerate(zip(first, second, strict=True)):
        place = project / f"refined_{number}"
        refine_tomogram(
            tomo0_files=[pair[0]],
            tomo1_files=[pair[1]],
            model_checkpoint_file=checkpoint,
            subtomo_size=SUBTOMO_SIZE,
            mw_angle=arguments.wedge,
            subtomo_overlap=overlap,
            standardize_full_tomos=True,
            recompute_normalization=False,
            output_dir=place,
        )
        made = next(place.glob("*_refined*"))
        shutil.move(made, arguments.out / f"refined_{number}.mrc")
    shutil.rmtree(project)
    print(f"all in {time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
