from __future__ import annotations

from pathlib import Path

import pytest

from tomotui.formats import FormatError
from tomotui.formats.acquisition import acquisition_order
from tomotui.formats.tilts import read_angles, write_angles


def test_round_trip(tmp_path: Path) -> None:
    write_angles(tmp_path / "a.rawtlt", [-60.013, 0, 59.987])
    assert read_angles(tmp_path / "a.rawtlt", 3) == (-60.013, 0, 59.987)


def test_further_columns_comments_and_empty_lines(tmp_path: Path) -> None:
    (tmp_path / "a.tlt").write_text("# tilt dose\n-57.00 117\r\n\n 3.5,12\n")
    assert read_angles(tmp_path / "a.tlt") == (-57.0, 3.5)


def test_wrong_length_names_file_and_counts(tmp_path: Path) -> None:
    (tmp_path / "a.tlt").write_text("1\n2\n3\n")
    with pytest.raises(FormatError, match=r"a\.tlt has 3 angles, the stack has 41 images; give"):
        read_angles(tmp_path / "a.tlt", 41)


def test_bad_line_and_missing_file(tmp_path: Path) -> None:
    (tmp_path / "a.tlt").write_text("1\nsteep\n")
    with pytest.raises(FormatError, match=r"a\.tlt, line 2: 'steep' is not an angle"):
        read_angles(tmp_path / "a.tlt")
    with pytest.raises(FormatError, match=r"b\.tlt does not exist"):
        read_angles(tmp_path / "b.tlt")


def test_real_two_column_file(shared_data: Path) -> None:
    angles = read_angles(shared_data / "interop/cets_imod/test_data/tilt_series/TS_03.tlt", 40)
    assert angles[:2] == (-57, -54)


@pytest.mark.parametrize(
    ("scheme", "order"),
    [
        ("stack-order", (0, 1, 2, 3, 4)),
        ("continuous", (4, 3, 2, 1, 0)),
        ("dose-symmetric", (3, 1, 0, 2, 4)),
        ("bidirectional", (2, 1, 0, 3, 4)),
    ],
)
def test_schemes(scheme: str, order: tuple[int, ...]) -> None:
    assert acquisition_order([6, 3, 0, -3, -6], scheme) == order  # type: ignore[arg-type]
