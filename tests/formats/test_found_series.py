"""What is found in a folder before anybody imports: series, gains, traces of other programs."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from tests.formats.series_folders import make_sample
from tomotui.formats.aretomo_folder import write_aretomo_folder
from tomotui.formats.found_series import scout
from tomotui.formats.known_tomograms import KnownTomogram
from tomotui.formats.mrc import write_volume
from tomotui.formats.portal_writing import WrittenRun, write_portal_run


def stack(path: Path, n: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with mrcfile.new(path) as file:
        file.set_data(np.zeros((n, 4, 4), dtype=np.float32))
    return path


def movies(folder: Path, name: str) -> Path:
    """Write the mdoc of a series of two movies."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["PixelSpacing = 2.0", ""]
    for z, tilt in enumerate((0.0, 3.0)):
        lines += [f"[ZValue = {z}]", f"TiltAngle = {tilt}", f"SubFramePath = {name}_{z}.tif", ""]
    path = folder / f"{name}.mdoc"
    path.write_text("\n".join(lines))
    return path


def test_stacks_movies_gains_and_traces_are_found(tmp_path: Path) -> None:
    raw = [stack(tmp_path / "raw" / f"ts_{i}.mrc") for i in (1, 2)]
    (tmp_path / "raw" / "ts_1.xf").write_text("1 0 0 1 0 0\n")
    stack(tmp_path / "raw" / "ts_1_rec.mrc")
    stack(tmp_path / "raw" / "sum.mrc", n=1)
    mdoc = movies(tmp_path / "session" / "mdocs", "pos_1")
    gain = stack(tmp_path / "session" / "gain_ref.mrc", n=1)
    stack(tmp_path / "far" / "gain_old.mrc", n=1)
    (tmp_path / "session" / "frames").mkdir()
    for z in range(3):
        (tmp_path / "session" / "frames" / f"pos_1_{z}.tif").touch()

    found = scout(tmp_path)

    stacks, of_movies = found.places
    assert (stacks.kind, stacks.files) == ("stacks", tuple(raw))
    assert (of_movies.kind, of_movies.files, of_movies.gain) == ("movies", (mdoc,), gain)
    assert [(trace.program, trace.n_files) for trace in found.traces] == [("IMOD", 1)]
    assert not found.cut_short


def test_projects_hidden_folders_and_what_lies_deep_are_left_alone(tmp_path: Path) -> None:
    stack(tmp_path / "project" / "jobs" / "ts_1.mrc")
    (tmp_path / "project" / "project.sqlite").touch()
    stack(tmp_path / ".trash" / "ts_1.mrc")
    stack(tmp_path / "a" / "b" / "c" / "ts_1.mrc")
    assert scout(tmp_path, depth=2).places == ()
    (place,) = scout(tmp_path, depth=3).places
    assert place.folder == tmp_path / "a" / "b" / "c"


@pytest.mark.parametrize(
    ("bounds", "why"),
    [({"seconds": -1.0}, "not the time"), ({"most_entries": 1}, "too many files")],
)
def test_a_search_that_is_cut_short_says_so(
    tmp_path: Path, bounds: dict[str, float], why: str
) -> None:
    stack(tmp_path / "a" / "ts_1.mrc")
    stack(tmp_path / "b" / "ts_2.mrc")
    assert why in scout(tmp_path, **bounds).cut_short  # type: ignore[arg-type]


def test_a_search_that_is_no_longer_wanted_ends(tmp_path: Path) -> None:
    for name in "abc":
        stack(tmp_path / name / "ts_1.mrc")
    asked: list[bool] = []

    def is_wanted() -> bool:
        asked.append(True)
        return len(asked) < 4

    found = scout(tmp_path, is_wanted)
    assert found.cut_short == "stopped"
    assert len(found.places) < 3


def test_a_data_set_of_the_portal_is_one_place_without_its_tomograms(tmp_path: Path) -> None:
    sample = make_sample(tmp_path / "raw")
    write_volume(tmp_path / "raw/t.mrc", np.zeros((6, 9, 12), np.float32), 5.0)
    known = KnownTomogram("t" * 16, (12, 9, 6), 5.0, path=str(tmp_path / "raw/t.mrc"))
    root = tmp_path / "all/10001"
    write_portal_run(root, WrittenRun(sample.series, sample.stack, sample.alignment, None, known))
    found = scout(tmp_path / "all")
    (place,) = found.places
    assert (place.folder, place.kind) == (root, "stacks")
    assert place.files == (root / "TS_1/TiltSeries/100/TS_1.mrc",)
    assert [trace.program for trace in found.traces] == ["CryoET data portal"]


def test_mdocs_beside_alignments_of_aretomo_are_of_its_stacks(tmp_path: Path) -> None:
    sample = make_sample(tmp_path / "raw")
    place = tmp_path / "aretomo"
    write_aretomo_folder(
        place, sample.series, sample.alignment, stack=sample.stack, thickness_px=64
    )  # fmt: skip
    mdoc = place / "TS_1.mdoc"
    mdoc.write_text(mdoc.read_text().replace("TiltAngle", "SubFramePath = x\\f.tif\nTiltAngle"))
    found = {one.folder: one.kind for one in scout(place).places}
    assert found == {place: "stacks"}
