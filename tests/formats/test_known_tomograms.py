from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tomotui.formats import FormatError
from tomotui.formats.known_tomograms import KnownTomogram, meant_name, meant_names


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("TS_01", "TS_01"),
        ("rec_TS_01", "TS_01"),
        ("Tomograms/job006/tomograms/rec_TS_01_half1.mrc", "TS_01"),
        ("tomograms/TS_01__bin4.hdf", "TS_01"),
        ("info/TS_01_info.json", "TS_01"),
        ("tomo_ts02.mrc_15.00Apx.mrc", "ts02"),
        ("C:\\data\\ts_01.mrc", "TS_01"),
        ("jobs/0007-reconstruct/TS_01/TS_01_tomogram.mrc", "TS_01"),
        ("TS_01.tomostar", "TS_01"),
        ("rec_odd", "rec_odd"),
        ("TS_01_2", None),
        ("TS_1", None),
        ("", None),
    ],
)
def test_dressed_names(said: str, meant: str | None) -> None:
    assert meant_name(said, ["TS_01", "ts02", "rec_odd", "TS_03"]) == meant


def test_unknown_names_are_told() -> None:
    assert meant_names(Path("p"), ["rec_a", "a"], ["a"]) == ["a", "a"]
    with pytest.raises(FormatError, match="p has particles of b, which the project does not have"):
        meant_names(Path("p"), ["a", "b"], ["a"])


def test_voxels_count_from_the_corner_and_positions_from_the_middle() -> None:
    tomogram = KnownTomogram("t", (100, 81, 20), 10.0)
    np.testing.assert_allclose(tomogram.positions([60, 40, 5]), [[100, 0, -50]])
    np.testing.assert_allclose(tomogram.voxels([[100, 0, -50]]), [[60, 40, 5]])
    assert tomogram.sampled(20.0).size_xyz == (50, 40, 10)
