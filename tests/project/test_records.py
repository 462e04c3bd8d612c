from __future__ import annotations

from collections.abc import Callable

import pytest

from tomotui.project import InputWish, MissingInput, Project, ProjectError, RefusedChange
from tomotui.records import Alignment, Ctf, Map, Network, ParticleSet, TiltCtf, TiltSeries, Tomogram

Maker = Callable[..., TiltSeries]
Aligner = Callable[[TiltSeries], Alignment]


def _tomogram(series: TiltSeries, alignment: Alignment) -> Tomogram:
    return Tomogram(
        series_uid=series.uid,
        alignment_uid=alignment.uid,
        path=f"{series.name}.mrc",
        size_xyz=(64, 48, 20),
        pixel_size_angstrom=10.0,
        window_low=-1.0,
        window_high=1.0,
        half_paths=("a.mrc", "b.mrc"),
        restored=True,
    )


def test_every_kind_of_record_comes_back_as_it_was(
    project: Project, make_series: Maker, make_alignment: Aligner
) -> None:
    series = make_series("ts_01")
    alignment = make_alignment(series)
    ctf = Ctf(
        series_uid=series.uid,
        tilts=(TiltCtf(index=0, defocus_u_angstrom=3e4, defocus_v_angstrom=2.9e4),),
        handedness=-1,
    )
    particles = ParticleSet(name="ribosomes", species="ribosome", diameter_angstrom=300)
    records = [
        series,
        alignment,
        ctf,
        _tomogram(series, alignment),
        particles,
        Map(name="ribo", path="m.mrc", size_xyz=(8, 8, 8), pixel_size_angstrom=4.0),
        Network(name="denoise", purpose="denoise", path="n.pt", metrics={"loss": 0.1}),
    ]
    project.add_records(records)
    with Project.open(project.folder) as other:
        assert [other.record(record.uid) for record in records] == records
        assert [other.records(record.kind) for record in records] == [[r] for r in records]


def test_records_are_found_by_kind_and_series(
    project: Project, make_series: Maker, make_alignment: Aligner
) -> None:
    one, two = make_series("one"), make_series("two", dataset="other")
    first, second, foreign = make_alignment(one), make_alignment(one), make_alignment(two)
    project.add_records([one, two, first, foreign, second])
    assert project.records("alignment", one.uid) == [first, second]
    assert project.latest("alignment", one.uid) == second
    assert project.latest("ctf", one.uid) is None
    assert project.records("tilt_series", two.uid) == [two]
    assert project.datasets() == ["default", "other"]
    assert project.series_named("three") is None
    with pytest.raises(ProjectError, match="has no record 1234"):
        project.record("1234")


def test_all_records_are_added_or_none(
    project: Project, make_series: Maker, make_alignment: Aligner
) -> None:
    one, stranger = make_series("one"), make_series("stranger")
    with pytest.raises(RefusedChange):
        project.add_records([one, make_alignment(stranger)])
    with pytest.raises(RefusedChange):
        project.add_records([one, one])
    with pytest.raises(RefusedChange):
        project.add_records([one], parents=["nobody"])
    assert project.tilt_series() == []
    assert project.datasets() == []


def test_a_series_imported_again_takes_the_place_of_the_first(
    project: Project, make_series: Maker, make_alignment: Aligner
) -> None:
    old, new = make_series("ts_01"), make_series("ts_01")
    project.add_records([old, make_alignment(old), new])
    assert project.tilt_series() == [new]
    assert project.series_named("ts_01") == new
    assert project.records("tilt_series") == [old, new]
    assert "align" not in project.matrix()[0].cells
    with pytest.raises(MissingInput, match="ts_01 has no alignment"):
        project.resolve_inputs(["alignment"], [], "ts_01")


def test_a_tilt_is_left_out_and_taken_in_again(project: Project, make_series: Maker) -> None:
    series = make_series("ts_01")
    project.add_records([series])
    project.set_tilt_excluded(series.uid, 1, True)
    changed = project.series_named("ts_01")
    assert changed is not None
    assert [tilt.excluded for tilt in changed.tilts] == [False, True, False]
    assert [tilt.excluded for tilt in project.tilt_series()[0].tilts] == [False, True, False]
    with Project.open(project.folder) as other:
        assert other.series_named("ts_01") == changed
        other.set_tilt_excluded(series.uid, 1, False)
    assert project.series_named("ts_01") == series
    with pytest.raises(ProjectError, match="has no tilt 3"):
        project.set_tilt_excluded(series.uid, 3, True)


def test_provenance_reaches_back_to_the_data(
    project: Project, make_series: Maker, make_alignment: Aligner
) -> None:
    series = make_series("ts_01")
    alignment = make_alignment(series)
    tomogram = _tomogram(series, alignment)
    average = Map(name="ribo", path="m.mrc", size_xyz=(8, 8, 8), pixel_size_angstrom=4.0)
    project.add_records([series])
    project.add_records([alignment], parents=[series.uid])
    project.add_records([tomogram], parents=[series.uid, alignment.uid])
    project.add_records([average], parents=[tomogram.uid])
    assert [(a.parent_uid, a.kind) for a in project.provenance(average.uid)] == [
        (tomogram.uid, "tomogram"),
        (alignment.uid, "alignment"),
        (series.uid, "tilt_series"),
    ]
    assert project.provenance(series.uid) == []


def test_inputs_are_the_newest_of_the_target(
    project: Project, make_series: Maker, make_alignment: Aligner
) -> None:
    one, two = make_series("one"), make_series("two")
    old, new, other = make_alignment(one), make_alignment(one), make_alignment(two)
    networks = [Network(name=n, purpose="denoise", path=f"{n}.pt") for n in ("ours", "theirs")]
    project.add_records([one, two, old, new, other, *networks])
    assert project.resolve_inputs(["tilt_series", "alignment"], ["ctf"], "one") == {
        "tilt_series": [one],
        "alignment": [new],
    }
    assert project.resolve_inputs(["alignment"], ["network"], "everything") == {
        "alignment": [new, other],
        "network": [networks[1]],
    }
    assert project.resolve_inputs(["network"], [], "ours") == {"network": [networks[0]]}
    with pytest.raises(MissingInput, match="one has no ctf"):
        project.resolve_inputs(["ctf"], [], "one")


def test_restored_tomograms_are_given_to_nobody_who_does_not_ask(
    project: Project, make_series: Maker, make_alignment: Aligner
) -> None:
    series = make_series("one")
    alignment = make_alignment(series)
    plain = _tomogram(series, alignment).replace(restored=False)
    restored = plain.replace(uid="f" * 16, restored=True)
    project.add_records([series, alignment, plain, restored])
    assert project.latest("tomogram", series.uid) == restored
    assert project.resolve_inputs(["tomogram"], [], "one") == {"tomogram": [plain]}
    asked = InputWish(restored=True)
    assert project.resolve_inputs(["tomogram"], [], "one", asked) == {"tomogram": [restored]}


def test_the_alignment_is_that_of_the_tomogram(
    project: Project, make_series: Maker, make_alignment: Aligner
) -> None:
    series = make_series("one")
    used, newer = make_alignment(series), make_alignment(series)
    tomogram = _tomogram(series, used).replace(restored=False)
    project.add_records([series, used, tomogram, newer])
    found = project.resolve_inputs(["tomogram", "alignment"], [], "one")
    assert found["alignment"] == [used]
    assert project.resolve_inputs(["alignment"], [], "one") == {"alignment": [newer]}


def test_a_sample_is_some_series_or_all(
    project: Project, make_series: Maker, make_alignment: Aligner
) -> None:
    series = [make_series(name) for name in ("one", "two", "three")]
    alignments = [make_alignment(one) for one in series]
    tomograms = [
        _tomogram(s, a).replace(restored=False)
        for s, a in zip(series[:2], alignments[:2], strict=True)
    ]
    project.add_records([*series, *alignments, *tomograms])
    takes = ["tilt_series", "tomogram"]
    some = project.resolve_inputs(takes, [], "sample", InputWish(of_series=("three", "one")))
    assert {one.name for one in some["tilt_series"]} == {"one", "three"}
    assert some["tomogram"] == [tomograms[0]]
    everything = project.resolve_inputs(takes, [], "sample", InputWish(of_series=()))
    assert everything == {"tilt_series": series, "tomogram": tomograms}
    with pytest.raises(MissingInput, match="no tilt series four"):
        project.resolve_inputs(takes, [], "sample", InputWish(of_series=("four",)))


def test_a_network_is_the_newest_of_its_purpose_or_the_one_named(project: Project) -> None:
    ours, theirs, picker = (
        Network(name=name, purpose=purpose, path=f"{name}.pt")
        for name, purpose in (("ours", "restore"), ("theirs", "restore"), ("picker", "find"))
    )
    project.add_records([ours, theirs, picker])

    def found(wish: InputWish) -> object:
        return project.resolve_inputs([], ["network"], "ts_01", wish).get("network")

    assert found(InputWish(network_purpose="restore")) == [theirs]
    assert found(InputWish(network_purpose="restore", network="ours")) == [ours]
    assert found(InputWish(network_purpose="restore", network="picker")) is None
    assert found(InputWish(network_purpose="classify")) is None
