from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tomotui.jobs.board import BoardRow, per_hour, read_board, totals
from tomotui.jobs.figures import outliers
from tomotui.project import Project
from tomotui.records import Ctf, TiltCtf, Tomogram

if TYPE_CHECKING:
    from conftest import Bench


def test_the_board_tells_of_each_series_where_it_is(bench: Bench) -> None:
    fake = bench.request("fake", "ts_1", "ts_2", "ts_3", "ts_4")
    measure = bench.request(
        "measure", "ts_1", "ts_2", "ts_3", after=(fake.id,), failing=["ts_2"], poor=["ts_3"]
    )
    bench.run()
    bench.request("next", "ts_2", after=(measure.id,))
    bench.run()
    waiting = bench.request("next", "ts_3", act="wait")
    coming = bench.request("import", "ts_9", stack="/nowhere/ts_9.mrc")
    rows = {row.name: row for row in read_board(bench.project)}
    assert next(iter(rows)) == "ts_9"
    assert {name: (row.state, row.stage) for name, row in rows.items()} == {
        "ts_9": ("queued", "import"),
        "ts_1": ("done", "measure"),
        "ts_2": ("failed", "measure"),
        "ts_3": ("queued", "next"),
        "ts_4": ("done", "fake"),
    }
    assert rows["ts_2"].note == "ts_2 is all ice. Take another."
    assert rows["ts_1"].residual_angstrom == 4.0
    assert rows["ts_1"].axis_deg == 85.0
    assert rows["ts_1"].finished_at is not None
    assert rows["ts_1"].n_tilts == 3
    assert rows["ts_9"].n_tilts is None
    bench.project.request_cancel(waiting.id)
    bench.project.request_cancel(coming.id)
    rows = {row.name: row for row in read_board(bench.project)}
    assert rows["ts_3"].state == "held"
    assert rows["ts_3"].note == "cancelled before it began"


def test_a_failure_that_was_done_without_is_noted_and_no_more(bench: Bench) -> None:
    fake = bench.request("fake", "ts_1")
    measure = bench.request("measure", "ts_1", after=(fake.id,), failing=["ts_1"])
    bench.run()
    (row,) = read_board(bench.project)
    assert row.state == "failed"
    bench.request("next", "ts_1")
    bench.run()
    (row,) = read_board(bench.project)
    assert (row.state, row.stage, row.odd) == ("done", "next", {"measure"})
    assert row.note == "measure failed: ts_1 is all ice. Take another."
    assert totals([row], row.arrived_at).n_odd == 1
    bench.project.retry(measure.id)
    (row,) = read_board(bench.project)
    assert (row.state, row.note) == ("queued", "")


def test_defocus_hand_and_thickness_come_from_the_later_stages(project: Project) -> None:
    from fake_stages import alignment, series

    one = series("ts_1")
    aligned = alignment(one).replace(thickness_angstrom=1500.0, verdict="poor")
    tilts = tuple(
        TiltCtf(index=i, defocus_u_angstrom=3e4 + 1e3 * i, defocus_v_angstrom=3.1e4 + 1e3 * i)
        for i in range(3)
    )
    ctf = Ctf(series_uid=one.uid, tilts=tilts, handedness=-1)
    tomogram = Tomogram(
        series_uid=one.uid, alignment_uid=aligned.uid, path="t.mrc", size_xyz=(4, 4, 4),
        pixel_size_angstrom=10.0, thickness_angstrom=1840.0, window_low=0, window_high=1,
    )  # fmt: skip
    project.add_records([one, aligned, ctf])
    (row,) = read_board(project)
    assert (row.thickness_angstrom, row.defocus_angstrom, row.handedness) == (1500.0, 31500.0, -1)
    assert (row.verdict, row.state) == ("poor", "done")
    project.add_records([tomogram])
    (row,) = read_board(project)
    assert row.thickness_angstrom == 1840.0


def test_values_far_from_the_others_are_marked() -> None:
    values = [3.0, 3.1, None, 2.9, 3.2, 9.0, 0.1]
    assert outliers(values, 0.2) == [5, 6]
    assert outliers(values, 0.2, only_high=True) == [5]
    assert outliers([3.0, 3.0, 3.0, 3.0, 3.1], 0.2) == []
    assert outliers([3.0, 99.0], 0.2) == []
    assert outliers([float("nan"), 3.0, 3.0, 3.0, 3.0, 3.0], 0.2) == []


@pytest.mark.parametrize(("odd_hand", "marked"), [(1, True), (3, False)])
def test_a_hand_against_the_others_is_marked(project: Project, odd_hand: int, marked: bool) -> None:
    from fake_stages import series

    for number in range(6):
        one = series(f"ts_{number}")
        tilt = TiltCtf(index=0, defocus_u_angstrom=3e4, defocus_v_angstrom=3e4)
        hand = -1 if number < odd_hand else 1
        project.add_records([one, Ctf(series_uid=one.uid, tilts=(tilt,), handedness=hand)])
    odd = [row.name for row in read_board(project) if "hand" in row.odd]
    assert odd == (["ts_0"] if marked else [])


def test_totals_count_states_and_rates() -> None:
    now = 100_000.0
    rows = [
        BoardRow("a", now - 7000, "done", finished_at=now - 5000),
        BoardRow("b", now - 3000, "done", finished_at=now - 1000, odd=frozenset({"residual"})),
        BoardRow("c", now - 2000, "failed", finished_at=now - 900, verdict="bad"),
        BoardRow("d", now - 1000, "running"),
    ]
    found = totals(rows, now)
    assert found.by_state == {"running": 1, "queued": 0, "done": 2, "held": 0, "failed": 1}
    assert (found.n_series, found.n_odd) == (4, 2)
    assert found.arrived_per_hour == 3.0
    assert found.done_per_hour == 1.0


def test_a_rate_is_that_of_the_time_there_was() -> None:
    assert per_hour([], 1000.0) is None
    assert per_hour([990.0], 1000.0) is None
    assert per_hour([100.0, 600.0, 700.0], 1000.0) == 12.0
    assert per_hour([0.0], 90_000.0) == 0.0
