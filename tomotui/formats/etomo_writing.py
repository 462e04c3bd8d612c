"""Writing a folder that etomo opens, and whose ``newst.com`` and ``tilt.com`` IMOD runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tomotui.formats.imod import write_imod
from tomotui.formats.imod_defocus import write_imod_defocus
from tomotui.formats.linked import put_file
from tomotui.formats.mdoc_writing import write_mdoc
from tomotui.formats.names import file_name
from tomotui.formats.tilts import write_angles
from tomotui.formats.views import view_words
from tomotui.records import Alignment, Ctf, TiltSeries


def write_etomo(
    folder: Path | str,
    series: TiltSeries,
    alignment: Alignment,
    ctf: Ctf | None = None,
    *,
    stack: Path,
    thickness_px: int,
    binning: int = 1,
) -> list[Path]:
    """Write one series as etomo keeps it, its alignment done and its tomogram not yet made.

    The stack is linked to.

    Parameters
    ----------
    folder
        The folder of the series.
    stack
        The image stack.
    thickness_px
        Of the tomogram, in pixels of the raw images.
    binning
        Pixels of the raw images for one of the aligned stack's.

    Returns
    -------
    The files; the ``.edf`` first.
    """
    folder, name = Path(folder), file_name(series.name)
    folder.mkdir(parents=True, exist_ok=True)
    suffix = stack.suffix if stack.suffix.lower() in (".tif", ".tiff") else ".st"
    linked = put_file(stack, folder / f"{name}{suffix}")
    base = folder / name
    tables = write_imod(
        alignment,
        base,
        image_size_px=(series.width_px, series.height_px),
        pixel_size_angstrom=series.pixel_size_angstrom,
    )
    raw, mdoc, edf = (folder / f"{name}{end}" for end in (".rawtlt", f"{suffix}.mdoc", ".edf"))
    write_angles(raw, [tilt.nominal_tilt_deg for tilt in series.tilts])
    write_mdoc(mdoc, series.replace(stack_path=linked.name))
    edf.write_text(_edf(series, alignment, suffix, binning), encoding="utf-8")
    written = [edf, linked, *tables, raw, mdoc]
    written += write_commands(
        folder, name, suffix, series, alignment, thickness_px=thickness_px, binning=binning
    )
    if ctf is not None:
        angles = [tilt.tilt_deg for tilt in alignment.tilts]
        written.append(write_imod_defocus(ctf, folder / f"{name}.defocus", tilt_deg=angles))
    return written


def write_commands(
    folder: Path,
    name: str,
    suffix: str,
    series: TiltSeries,
    alignment: Alignment,
    *,
    thickness_px: int,
    binning: int = 1,
) -> list[Path]:
    """Write ``newst.com`` and ``tilt.com`` for the tables called ``name``."""
    width, height = series.width_px, series.height_px
    lies_across = abs(np.sin(np.deg2rad(alignment.axis_deg))) > np.sqrt(0.5)
    full = (height, width) if lies_across else (width, height)
    left_out = view_words(tilt.index + 1 for tilt in alignment.tilts if tilt.excluded)
    newst = [
        "# Command file to make the aligned stack",
        "$newstack -StandardInput",
        f"InputFile\t{name}{suffix}",
        f"OutputFile\t{name}.ali",
        f"TransformFile\t{name}.xf",
        "TaperAtFill\t1,0",
        "AdjustOrigin",
        "OffsetsInXandY\t0.0,0.0",
        "ImagesAreBinned\t1.0",
        f"BinByFactor\t{binning}",
        f"SizeToOutputInXandY\t{full[0] // binning},{full[1] // binning}",
    ]
    tilt = [
        "# Command file to run Tilt",
        "$tilt -StandardInput",
        f"InputProjections {name}.ali",
        f"OutputFile {name}_full.rec",
        f"IMAGEBINNED {binning}",
        f"TILTFILE {name}.tlt",
        f"XTILTFILE {name}.xtilt",
        f"THICKNESS {thickness_px}",
        "RADIAL 0.35 0.035",
        "FalloffIsTrueSigma 1",
        "XAXISTILT 0.0",
        "SCALE 0.0 0.002",
        "PERPENDICULAR",
        "MODE 2",
        f"FULLIMAGE {full[0]} {full[1]}",
        "SUBSETSTART 0 0",
        "AdjustOrigin",
        "OFFSET 0.0",
        "SHIFT 0.0 0.0",
        "ActionIfGPUFails 1,2",
        *([f"EXCLUDELIST2 {left_out}"] if left_out else []),
    ]
    paths = []
    for file, lines in (("newst.com", newst), ("tilt.com", tilt)):
        lines.append("$if (-e ./savework) ./savework")
        (folder / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
        paths.append(folder / file)
    return paths


def _edf(series: TiltSeries, alignment: Alignment, suffix: str, binning: int) -> str:
    left_out = view_words(tilt.index + 1 for tilt in alignment.tilts if tilt.excluded)
    axis = (
        alignment.axis_deg
        if series.nominal_tilt_axis_deg is None
        else (series.nominal_tilt_axis_deg)
    )
    entries = {
        "Setup.RevisionNumber": "1.12",
        "Setup.DatasetName": series.name,
        "Setup.DataSource": "CCD",
        "Setup.BackupDirectory": "",
        "Setup.AxisType": "Single Axis",
        "Setup.ViewType": "Single View",
        "Setup.PixelSize": f"{series.pixel_size_angstrom / 10:.6g}",
        "Setup.FiducialDiameter": "0.0",
        "Setup.FiducialessAlignmentA": "true",
        "Setup.ImageRotationA": f"{axis:.4f}",
        "Setup.Binning": "1.0",
        "Setup.FinalStackBinningA": str(binning),
        "Setup.RawImageStackExt": suffix[1:],
        "Setup.OrigRawImageStackExt": suffix[1:],
        "Setup.AxisA.TiltAngle.Type": "File",
        "Setup.AxisA.TiltAngle.TiltAngleFilename": f"{series.name}.rawtlt",
        "Setup.AxisA.ExcludeProjections": left_out,
        "Setup.A.SizeToOutputInXandY": "/",
        "Setup.UseLocalAlignmentsA": "false",
        "ReconstructionState.A.AdjustOrigin": "true",
        "ProcessTrack.RevisionNumber": "2.0",
        "ProcessTrack.Setup": "Complete",
        "ProcessTrack.PreProcessing-A": "Complete",
        "ProcessTrack.CoarseAlignment-A": "Complete",
        "ProcessTrack.FiducialModel-A": "Complete",
        "ProcessTrack.FineAlignment-A": "Complete",
        "ProcessTrack.TomogramPositioning-A": "Complete",
        "ProcessTrack.FinalAlignedStack-A": "Not started",
        "ProcessTrack.TomogramGeneration-A": "Not started",
        "ProcessTrack.PostProcessing": "Not started",
        "ProcessTrack.CleanUp": "Not started",
    }
    return "".join(f"{name}={value}\n" for name, value in entries.items())
