"""The whole loop of curation by script, with an oracle in the person's place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tomotui.project import Project
from tomotui.records import Alignment, ParticleSet, TiltAlignment, Tomogram
from tomotui.records.particle_table import Candidates, ParticleTable

SET = ParticleSet(name="ribosome", diameter_angstrom=200)


def _tomogram(project: Project, name: str) -> Tomogram:
    from fake_stages import series

    one = series(name)
    tilt = TiltAlignment(index=0, tilt_deg=0, axis_deg=0, shift_x_angstrom=0, shift_y_angstrom=0)
    alignment = Alignment(series_uid=one.uid, tilts=(tilt,))
    tomogram = Tomogram(
        series_uid=one.uid,
        alignment_uid=alignment.uid,
        path="t.mrc",
        size_xyz=(9, 9, 9),
        pixel_size_angstrom=10,
        window_low=0,
        window_high=1,
    )
    project.add_records([one, alignment, tomogram])
    return tomogram


@pytest.fixture
def found(folder: Path, with_fake_stages: None, tmp_path: Path) -> Path:
    """Two tomograms; of thirty candidates each the ten best are right."""
    rows = ["tomogram,x,y,z,class"]
    with Project.open(folder) as project:
        for name in ("ts_1", "ts_2"):
            tomogram = _tomogram(project, name)
            places = np.stack([np.arange(30) * 400.0, np.zeros(30), np.zeros(30)], axis=1)
            scores = 1 - np.arange(30) / 30
            table = ParticleTable.of(
                tomogram.uid, places, scores=scores, priorities=-scores, source="find"
            )
            project.take_candidates(Candidates(SET, tomogram.uid, table, 50.0))
            rows += [f"{name},{400 * i + 20},0,0,1" for i in range(10)]
            rows += [f"{name},{400 * i},0,0,2" for i in range(10, 30)]
    (tmp_path / "truth.csv").write_text("\n".join(rows) + "\n")
    return folder


def _lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_script_decides_and_the_project_knows(call: Any, found: Path, tmp_path: Path) -> None:
    script = tmp_path / "acts.txt"
    script.write_text(
        """\
# by hand
accept #1
{"do": "reject", "particle": "nearest ts_2 410 0 0"}
["unsure", "#3"]
class 2 #4
insert ts_1 0 3000 0
insert ts_1 0 3500 0
undo
redo
undo
threshold 0.9 apply
"""
    )
    said = call.well("curate", "ribosome", "--script", script, "--json", "-p", found)
    lines = _lines(said.out)
    assert lines[0]["did"] == "accept"
    assert (lines[1]["tomogram"], lines[1]["x"], lines[1]["decision"]) == ("ts_2", 400, "rejected")
    # Of the eight that reach it one was accepted, one rejected, and one left unsure.
    assert (lines[-2]["accepted"], lines[-2]["rejected"]) == (5, 52)
    summary = lines[-1]["summary"]
    assert summary["counts"] == {"accepted": 7, "rejected": 53, "unsure": 1, "undecided": 0}
    with Project.open(found, read_only=True) as project:
        held = project.particle_set_named("ribosome")
        accepted = project.particles(held.uid, decisions=["accepted"])
        assert [p.y_angstrom for p in accepted if p.source == "hand"] == [3000]
        assert len(accepted) == summary["counts"]["accepted"]


def test_an_oracle_answers_by_the_queue(call: Any, found: Path, tmp_path: Path) -> None:
    words = ["curate", "ribosome", "--oracle", tmp_path / "truth.csv", "--truth-class", 1]
    words += ["--decisions", 30, "--queue", "score", "--json", "-p", found]
    lines = _lines(call.well(*words).out)
    assert [line["decision"] for line in lines[:-1]] == ["accepted"] * 20 + ["rejected"] * 10
    summary = lines[-1]["summary"]
    assert summary["counts"]["undecided"] == 30
    assert summary["threshold_for_precision"]["0.9"] == pytest.approx(0.67, abs=0.1)
    again = _lines(call.well(*words, "--on", "ts_1").out)
    assert {line["tomogram"] for line in again[:-1]} == {"ts_1"}
    assert len(again) == 16


def test_from_nothing_to_marks_and_an_audit(call: Any, found: Path, tmp_path: Path) -> None:
    script = tmp_path / "acts.txt"
    script.write_text("mark 6 3 5\n")
    truth = ["--oracle", tmp_path / "truth.csv"]
    said = call.well(
        *("curate", "proteasome", "--new", "--diameter", 120, "--script", script, "--json"),
        *(*truth, "--truth-class", 2, "-p", found),
    )
    marks = _lines(said.out)[:-1]
    assert len(marks) == 6
    assert {mark["decision"] for mark in marks} == {"accepted"}
    assert all(abs(mark["y"]) < 30 and mark["y"] != 0 for mark in marks)

    script.write_text("threshold 0.5\naudit 20 1\n")
    said = call.well(
        *("curate", "ribosome", "--script", script, "--truth-class", 1, *truth, "-p", found)
    )
    assert "precision" in said.out
    report = json.loads(call.well("curate", "ribosome", "--summary", "--json", "-p", found).out)[
        "summary"
    ]["audit"]
    assert (report["n_asked"], report["n_judged"]) == (20, 20)
    assert report["precision"]["low"] <= 20 / 32 <= report["precision"]["high"]


def test_the_summary_only_looks(call: Any, found: Path) -> None:
    said = call.well("curate", "ribosome", "-p", found)
    assert said.out.startswith("ribosome: 0 accepted, 0 rejected, 0 unsure, 60 undecided")
    assert call("curate", "ribosome", "--summary", "--decisions", 3, "-p", found).code == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("accept #99", "there is no row #99; there are #1 to #60; it is: accept [PARTICLE]"),
        ("acept #1", "there is no command acept"),
        ("insert ts_9 0 0 0", "there is no tomogram ts_9; there are ts_1, ts_2"),
        ("insert ts_1 0 0", "it takes four words"),
        ("next 5", "next needs --oracle TRUTH.csv"),
        ("accept nearest 0 0 0", "there are several tomograms: say which"),
        ("threshold high", "high is not a number"),
        ('{"do": "accept", "uid": 3}', "accept has no uid"),
        ("{nothing", "this is no JSON"),
        ("queue best", "there is no order best"),
    ],
)
def test_a_wrong_line_is_named_and_what_was_before_stays(
    call: Any, found: Path, tmp_path: Path, line: str, words: str
) -> None:
    script = tmp_path / "acts.txt"
    script.write_text(f"accept #1\n{line}\n")
    said = call("curate", "ribosome", "--script", script, "-p", found)
    assert said.code == 2
    assert words in said.err
    assert "acts.txt, line 2" in said.err


def test_what_is_not_there(call: Any, found: Path, tmp_path: Path) -> None:
    said = call("curate", "spliceosome", "-p", found)
    assert (said.code, "There are: ribosome." in said.err) == (1, True)
    said = call("curate", "ribosome", "--script", tmp_path / "none.txt", "-p", found)
    assert (said.code, "none.txt cannot be read" in said.err) == (1, True)
    (tmp_path / "acts.txt").write_text("insert ts_1 10 0 0\n")
    said = call("curate", "ribosome", "--script", tmp_path / "acts.txt", "-p", found)
    assert (said.code, "10 Å from here already" in said.err) == (1, True)
