from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tomotui.formats import ome_zarr
from tomotui.formats.errors import FormatError
from tomotui.formats.mrc import write_volume
from tomotui.formats.ome_zarr import read_ome_zarr, write_ome_zarr


def a_volume(folder: Path) -> tuple[Path, np.ndarray]:
    values = np.random.default_rng(0).normal(size=(70, 150, 131)).astype(np.float32)
    path = folder / "volume.mrc"
    write_volume(path, values, 10.0)
    return path, values


def test_the_pyramid_holds_the_volume(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    path, values = a_volume(tmp_path)
    folder = write_ome_zarr(tmp_path / "volume.ome.zarr", path)
    group = zarr.open_group(str(folder), mode="r")
    (multiscale,) = group.attrs["multiscales"]
    assert multiscale["version"] == "0.4"
    assert [axis["name"] for axis in multiscale["axes"]] == ["z", "y", "x"]
    np.testing.assert_array_equal(group["0"][:], values)
    half = values[:70, :150, :130].reshape(35, 2, 75, 2, 65, 2).mean((1, 3, 5))
    np.testing.assert_allclose(group["1"][:], half, atol=1e-6)
    for level, dataset in enumerate(multiscale["datasets"]):
        scale, place = (each for each in dataset["coordinateTransformations"])
        assert scale["scale"] == [10.0 * 2**level] * 3
        assert max(group[dataset["path"]].shape) == 150 // 2**level
        # The middle of the finest voxels that a coarse one is made of.
        expected = [10.0 * ((2**level - 1) / 2 - n // 2) for n in values.shape]
        assert place["translation"] == pytest.approx(expected)
    assert json.loads((folder / ".zgroup").read_text())["zarr_format"] == 2
    assert not list(tmp_path.glob("*.partial"))
    assert write_ome_zarr(folder, path) == folder


def test_the_missing_package_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ome_zarr, "zarr_is_there", lambda: False)
    path, _ = a_volume(tmp_path)
    with pytest.raises(FormatError, match="zarr is not installed"):
        write_ome_zarr(tmp_path / "volume.ome.zarr", path)


def test_the_finest_level_is_read_again(tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    path, values = a_volume(tmp_path)
    folder = write_ome_zarr(tmp_path / "volume.ome.zarr", path)
    found, voxel = read_ome_zarr(folder)
    np.testing.assert_array_equal(found, values)
    assert voxel == 10.0
    (folder / ".zattrs").write_text("{}")
    assert read_ome_zarr(folder)[1] == 0.0
    (folder / "0" / ".zarray").write_text("[")
    with pytest.raises(FormatError, match=r"volume.ome.zarr cannot be read as OME-Zarr"):
        read_ome_zarr(folder)
    with pytest.raises(FormatError, match=r"none.zarr cannot be read as OME-Zarr"):
        read_ome_zarr(tmp_path / "none.zarr")
