"""Where everything lies and which way it turns: here, and in the programs whose files are read.

One example runs through the page. Its numbers are checked against what the formats write, so that
the page says what the program does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tomotui.geometry.tilt import TiltGeometry
from tomotui.records import Particle

IMAGE_SIZE_PX = (1000, 801)
PIXEL_SIZE_ANGSTROM = 2.5
GEOMETRY = TiltGeometry.of([30.0], 85.0, 0.0, [[12.0, -8.0]])
"""One image: tilt 30, axis 85 degrees, the specimen's centre 12 and -8 A beside the middle."""

TOMOGRAM_SIZE_XYZ = (200, 161, 100)
VOXEL_SIZE_ANGSTROM = 10.0
PARTICLE = Particle(
    uid="example",
    tomogram_uid="tomogram",
    x_angstrom=100.0,
    y_angstrom=-50.0,
    z_angstrom=30.0,
    rot_deg=20.0,
    tilt_deg=40.0,
    psi_deg=-70.0,
)
IMAGE_PLACE_ANGSTROM = (70.665, 88.858)
DEPTH_ANGSTROM = -24.019
IMAGE_PLACE_PX = (528.266, 435.543)
VOXEL = (110, 75, 53)
POSE = np.array([[0.5676, -0.7934, -0.2198], [0.5595, 0.5676, -0.6040], [0.6040, 0.2198, 0.7660]])


@dataclass(frozen=True)
class Convention:
    """What one program does otherwise.

    Attributes
    ----------
    program
        Name, and the files meant.
    words
        What its numbers mean, one sentence each.
    example
        The example's numbers in its files, by their names there.
    """

    program: str
    words: tuple[str, ...]
    example: dict[str, tuple[float, ...]]


OURS = (
    "Volumes are [z, y, x] and images [y, x], as MRC stores them: x varies fastest, sections lie "
    "along z from low to high, and the first row of an image is its lowest.",
    "Points are (x, y, z) in Angstrom from voxel n // 2 of the tomogram on every axis; places on "
    "images are counted from pixel n // 2. A pixel's number is that of its middle.",
    "All frames are right-handed. Rotations are active, on column vectors (x, y, z); a positive "
    "turn about z goes from +x to +y, about y from +z to +x, about x from +y to +z.",
    "An image shows a point p of the specimen at Rz(axis) [Ry(tilt) Rx(x_tilt) p]_xy + shift; "
    "what is left, q_z, is its depth. The axis is counted counter-clockwise from +y.",
    "The handedness is +1 where the defocus grows with q_z and -1 where it falls. Underfocus is "
    "positive; defocus U lies along the astigmatism angle, from +x towards +y.",
    "A pose maps the reference to the tomogram, x_tomogram = R x_reference + t. Its (rot, tilt, "
    "psi) are RELION's: R is the inverse of Rz(rot) Ry(tilt) Rz(psi).",
    "Lengths are Angstrom, angles degrees, exposures e/A^2, voltages kV, Cs mm. Exposure before an "
    "image does not hold its own.",
    "Tilt images and tomograms keep the microscope's contrast, protein dark; particles, templates "
    "and maps are bright.",
)

OTHERS = (
    Convention(
        "IMOD .xf, .tlt, .xtilt",
        (
            "X' = A X + D maps raw to aligned pixels, both from the middle of the image between "
            "its edges, (n - 1) / 2: half a pixel before ours where n is even.",
            "A = Rz(-axis), D = -A shift; tilts have our sign.",
        ),
        {"A11 A12 A21 A22": (0.0872, 0.9962, -0.9962, 0.0872), "DX DY": (2.726, 5.559)},
    ),
    Convention(
        "etomo .edf, newst.com, tilt.com",
        (
            "OFFSET adds to every tilt, XAXISTILT is taken off every x-tilt; SHIFT moves the "
            "volume's content along x and along -z, after trimvol -rx, in pixels of the images.",
            "Transforms are .xf, else _fid.xf, else .prexg and then .tltxf. PixelSize is in "
            "nanometres; views are counted from 1; .edf, tilt.com and align.com leave some out.",
            "The axis passes half a voxel before voxel n // 2 of IMOD's volumes, in x and z.",
        ),
        {"Setup.ImageRotationA": (85.0,), "Setup.PixelSize": (0.25,)},
    ),
    Convention(
        "IMOD .mod",
        (
            "Voxels of the volume; the first one's middle is (0.5, 0.5, 0). No orientations are "
            "written.",
        ),
        {"x y z": (110.5, 75.5, 53.0)},
    ),
    Convention(
        "IMOD .defocus",
        ("Nanometres, views from 1; flags in the first line tell of astigmatism and phase.",),
        {},
    ),
    Convention(
        "AreTomo 1 to 3 .aln",
        (
            "ROT is our axis, TX and TY our shift in pixels from (n - 1) / 2; tilts have our sign "
            "and hold AlphaOffset already.",
            "SEC counts from 1 (AreTomo 3) or from 0 (AreTomo 2), which is told by the tilts. "
            "x-tilts have no place in the file.",
        ),
        {"ROT": (85.0,), "TX TY": (5.3, -3.2), "TILT": (30.0,)},
    ),
    Convention(
        "AreTomo 2 and 3 folders",
        (
            "NAME_TLT.txt has the stage's tilt, the number in order of acquisition from 1 and the "
            "exposure of every image; NAME_CTF.txt has all images, or those of the .aln.",
            "NAME_EVN and NAME_ODD are sums of every other frame. PixSize of the session times "
            "McBin is the pixel of the images.",
        ),
        {"TLT": (30.0, 1.0, 3.0)},
    ),
    Convention(
        "RELION 5 tilt series",
        (
            "rlnTomoXTilt, YTilt, ZRot and the shifts in Angstrom are ours, name for name. "
            "rlnTomoHand is our handedness. Excluded images have no row.",
        ),
        {"ZRot YTilt XTilt": (85.0, 30.0, 0.0), "XShiftAngst YShiftAngst": (12.0, -8.0)},
    ),
    Convention(
        "RELION particles",
        (
            "RELION 5: rlnCenteredCoordinateXAngst and so on are our points. RELION 4: "
            "rlnCoordinateX counts voxels of the unbinned tomogram from 0.",
            "rlnOriginXAngst is taken off; where rlnTomoSubtomogramRot stands, its rotation goes "
            "before that of rlnAngleRot.",
        ),
        {"Angst": (100.0, -50.0, 30.0), "Rot Tilt Psi": (20.0, 40.0, -70.0)},
    ),
    Convention(
        "RELION 5 optimisation set",
        (
            "Paths begin at RELION's project, the folder above the written one. rlnTomoSizeX and "
            "so on count pixels of the images; rlnCtfScalefactor is the cosine of the tilt.",
        ),
        {"SizeX SizeY SizeZ": (800.0, 644.0, 400.0), "CtfScalefactor": (0.866025,)},
    ),
    Convention(
        "Warp, M .xml, .tomostar",
        (
            "Angles are the negative of our tilts, AxisAngle our axis, LevelAngleX our x-tilt; "
            "offsets are Angstrom from n / 2: half a pixel beyond ours where n is odd.",
            "Defocus in micrometres, phase in units of pi; AreAnglesInverted is handedness -1. A "
            "stack whose tilts have Warp's sign makes mirrored volumes: the import tells.",
        ),
        {"Angles": (-30.0,), "AxisAngle": (85.0,), "AxisOffsetX Y": (12.0, -9.25)},
    ),
    Convention(
        "CryoET data portal alignment_metadata.json",
        (
            "in_plane_rotation is Rz(axis), x_offset and y_offset are our shift in pixels from "
            "(n - 1) / 2, tilt_angle and volume_x_rotation our tilt and x-tilt; z_index from 0.",
        ),
        {"x_offset y_offset": (5.3, -3.2), "tilt_angle": (30.0,)},
    ),
    Convention(
        "CryoET data portal folders",
        (
            "Points are voxels, the first of which is 0, of the tomograms in their VoxelSpacing "
            "folder; xyz_rotation_matrix is our pose R.",
            "tiltseries_metadata.json has volts, defocus in Angstrom, phase shifts in radians and "
            "orders from 0; total_flux is the exposure of all images.",
        ),
        {"location": (110.0, 75.0, 53.0), "acceleration_voltage": (300000.0,)},
    ),
    Convention(
        "Dynamo .tbl",
        (
            "Voxels whose first has the coordinate 1, in columns 24 to 26, plus the shifts of "
            "columns 4 to 6. tdrot = psi - 90, tilt is ours, narot = rot + 90.",
        ),
        {"x y z": (111.0, 76.0, 54.0), "tdrot tilt narot": (-160.0, 40.0, 110.0)},
    ),
    Convention(
        "EMAN2 info .json",
        (
            "boxes_3d count from the tomogram's centre in unbinned pixels (apix_unbin); older "
            "files from the corner in the tomogram's own voxels. Boxes have no orientation.",
        ),
        {"x y z": (40.0, -20.0, 12.0)},
    ),
    Convention(
        "copick picks .json",
        (
            "Angstrom from the middle of the first voxel; transformation_ is our pose R, its "
            "translation adds to the location.",
        ),
        {"location": (1100.0, 750.0, 530.0)},
    ),
    Convention(
        "ChimeraX scenes",
        (
            "Models are placed in Angstrom from the tomogram's voxel n // 2, by our pose and "
            "place as a 3 x 4 matrix.",
        ),
        {},
    ),
    Convention(
        "CTFFIND, AreTomo _CTF.txt",
        ("Defocus in Angstrom, azimuth as ours, phase shift in radians.",),
        {},
    ),
    Convention(
        "MRC volumes and stacks",
        (
            "Modes 0, 1, 2, 6, 12 and 4 bits; the pixel size is that of the header's cell, unless "
            "something better says. Origins and start indices are not used for places.",
        ),
        {},
    ),
)


def conventions() -> str:
    """Return the page."""
    width, height = IMAGE_SIZE_PX
    x, y, z = TOMOGRAM_SIZE_XYZ
    example = (
        f"Image of {width} x {height} pixels of {PIXEL_SIZE_ANGSTROM:g} A, tilt 30, axis 85, "
        "shift (12, -8) A.",
        f"Tomogram of {x} x {y} x {z} voxels of {VOXEL_SIZE_ANGSTROM:g} A; a particle at "
        "(100, -50, 30) A with rot, tilt, psi = 20, 40, -70.",
        f"It lies in voxel {VOXEL} (counted from 0), and is seen at {IMAGE_PLACE_ANGSTROM} A from "
        f"the middle, which is pixel {IMAGE_PLACE_PX}, at a depth of {DEPTH_ANGSTROM} A.",
        f"Its pose R = {_matrix(POSE)}.",
    )
    parts = [_section("tomotui", OURS), _section("One example", example)]
    for one in OTHERS:
        numbers = "; ".join(
            f"{name} = {', '.join(f'{value:g}' for value in values)}"
            for name, values in one.example.items()
        )
        words = (*one.words, f"The example: {numbers}.") if numbers else one.words
        parts.append(_section(one.program, words))
    return "\n\n".join(parts)


def _section(title: str, lines: tuple[str, ...]) -> str:
    return "\n".join([title, *(f"  - {line}" for line in lines)])


def _matrix(values: np.ndarray) -> str:
    rows = ("  ".join(f"{value:.4f}" for value in row) for row in values)
    return "[" + " | ".join(rows) + "]"
