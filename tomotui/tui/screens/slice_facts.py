"""What is said about the picture of a slice."""

from __future__ import annotations

from tomotui.tui.raster.volume import PLANES, SliceSource
from tomotui.tui.widgets.slice_view import SliceView


def slice_facts(picture: SliceView, source: SliceSource) -> dict[str, str]:
    """Return facts of the picture by what they are about; empty ones do not apply."""
    view = picture.view
    z, y, x = source.shape
    voxel = source.pixel_size_angstrom
    window = picture.window
    contrast = ""
    if window is not None:
        how = "auto" if view.window is None else "set"
        contrast = f"{window.low:.3g}..{window.high:.3g} {how}"
        contrast += " inverted" if view.inverted else ""
    per_sub_pixel = picture.sub_pixel_voxels()
    zoom = "fit" if view.zoom is None else f"{per_sub_pixel:.3g} voxel"
    n_averaged = 2 * view.slab + 1
    # The remark on every slice is part of the label already.
    where = source.describe(view.axis, view.index).removesuffix(getattr(source, "remark", ""))
    depth = picture.artist.palette().depth
    return {
        "size": f"{x} x {y} x {z}",
        "pixel": f"{voxel:.4g} Å",
        "where": where.rstrip(),
        "plane": "" if source.is_stack else PLANES[view.axis],
        "slab": f"slab {n_averaged}" if view.slab else "",
        "thick": f"{n_averaged * voxel / 10:.3g} nm" if view.slab else "",
        "filter": "" if view.filter_name == "none" else view.filter_name,
        "zoom": zoom,
        "view": ("aligned" if view.aligned else "raw") if source.is_stack else "",
        "contrast": contrast,
        "drawn": f"{depth}/{view.glyphs} {picture.n_bytes / 1000:.0f} kB",
    }
