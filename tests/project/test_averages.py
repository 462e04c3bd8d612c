"""Sets and maps that averaging makes, and which of them a stage gets."""

from __future__ import annotations

import numpy as np
import pytest

from tomotui.project import InputWish, MissingInput, Project
from tomotui.records import Landscape, Map, ParticleSet, SetOrigin, Tomogram
from tomotui.records.particle_table import Candidates, ParticleTable


def _set(name: str, made_by: SetOrigin = "picks", parent: ParticleSet | None = None) -> ParticleSet:
    return ParticleSet(name=name, made_by=made_by, parent_uid=parent.uid if parent else None)


def _map(name: str, of: ParticleSet | None = None) -> Map:
    uid = of.uid if of else None
    return Map(
        name=name, path="m.mrc", size_xyz=(8, 8, 8), pixel_size_angstrom=4.0, particle_set_uid=uid
    )


def test_particles_know_what_they_were_made_from(project: Project, tomogram: Tomogram) -> None:
    picks = _set("ribosome")
    refined = _set("ribosome-refined", "refine", picks)
    project.add_records([picks, refined])
    table = ParticleTable.of(tomogram.uid, [[0, 0, 0], [500, 0, 0]], set_uid=picks.uid)
    moved = table.descendants(refined.uid, positions_angstrom=table.positions_angstrom + 3.0)
    project.add_particle_tables([table, moved])
    back = project.particle_table([refined.uid])
    assert back.origins.tolist() == table.uids.tolist()
    assert not set(back.uids) & set(table.uids)
    np.testing.assert_allclose(back.positions_angstrom, table.positions_angstrom + 3.0)
    assert project.particle_table([picks.uid]).origins.tolist() == ["", ""]
    assert project.particles(refined.uid)[1].origin_uid == table.uids[1]


def test_a_name_that_is_taken_gets_a_number(project: Project) -> None:
    first = _set("ribosome")
    project.add_records([first, _set("ribosome-2")])
    fresh = [_set("ribosome"), _set("other"), _set("other"), _map("ribosome")]
    named = project.with_free_names(fresh)
    assert [getattr(one, "name", "") for one in named] == [
        "ribosome-3",
        "other",
        "other-2",
        "ribosome",
    ]
    assert [one.uid for one in named] == [one.uid for one in fresh]


def test_sets_made_from_others_are_worked_on_only_when_named(project: Project) -> None:
    picks = _set("ribosome")
    refined = _set("ribosome-refined", "refine", picks)
    project.add_records([picks, refined])
    takes = ["particle_set"]
    everything = project.resolve_inputs(takes, [], "sample", InputWish(sets=()))
    assert everything == {"particle_set": [picks]}
    named = project.resolve_inputs(takes, [], "sample", InputWish(sets=("ribosome-refined",)))
    assert named == {"particle_set": [refined]}
    assert project.particle_sets(picks_only=True) == [picks]
    assert project.particle_sets() == [picks, refined]


def test_a_landscape_comes_with_the_particles_that_stand_in_it(project: Project) -> None:
    picks = _set("ribosome")
    refined, spikes = _set("ribosome-refined", "refine", picks), _set("spike-refined", "refine")
    first, second, other = (
        Landscape(
            name=name, method="mixture", particle_set_uid=of.uid, path="l.npz", n_coordinates=2
        )
        for name, of in (("first", refined), ("second", refined), ("other", spikes))
    )

    def found(name: str = "", *sets: str) -> list[str]:
        takes = ["particle_set", "landscape"]
        wish = InputWish(sets=sets, landscape=name)
        inputs = project.resolve_inputs(takes, [], "sample", wish)
        return [getattr(one, "name", "") for kind in takes for one in inputs[kind]]

    project.add_records([picks, refined, spikes])
    with pytest.raises(MissingInput, match=r"sample has no landscape\. Run the stage"):
        found()
    project.add_records([first, second, other])
    assert found() == ["spike-refined", "other"]
    assert found("first") == ["ribosome-refined", "first"]
    assert found("", "ribosome-refined") == ["ribosome-refined", "second"]
    assert found("first", "ribosome-refined") == ["ribosome-refined", "first"]
    with pytest.raises(MissingInput, match=r"no landscape thrid.*There are first, second, other"):
        found("thrid")
    with pytest.raises(MissingInput, match="of spike-refined: first is of ribosome-refined"):
        found("first", "spike-refined")
    with pytest.raises(MissingInput, match="no particle set nobody"):
        found("first", "nobody")


def test_a_search_never_goes_into_a_refined_set(project: Project, tomogram: Tomogram) -> None:
    refined = _set("ribosome", "refine")
    project.add_records([refined])
    table = ParticleTable.of(tomogram.uid, [[0, 0, 0]], scores=[0.5], source="match")
    for _ in range(2):
        project.take_candidates(Candidates(_set("ribosome"), tomogram.uid, table, 10.0))
        table = table.descendants("")
    assert project.n_particles(refined.uid) == 0
    beside = project.particle_set_named("ribosome-picks")
    assert beside is not None
    assert project.n_particles(beside.uid) == 1


def test_a_map_is_found_by_name_and_by_identity(project: Project) -> None:
    old, new, other = _map("ribosome"), _map("ribosome"), _map("spike")
    project.add_records([old, new, other])

    def found(*names: str) -> list[object]:
        wish = InputWish(references=names)
        return list(project.resolve_inputs([], ["map"], "sample", wish).get("map", []))

    assert found("ribosome") == [new]
    assert found(old.uid) == [old]
    assert found("spike", "ribosome") == [other, new]
    assert found("from/elsewhere.mrc") == []
    assert found("elsewhere.mrc", "spike") == [other]
    with pytest.raises(MissingInput, match=r"no map rybosome.*There are ribosome, spike"):
        found("rybosome")


def test_a_stage_that_takes_particles_gets_their_own_map(project: Project) -> None:
    picks, others = _set("ribosome"), _set("spike")
    aligned = _set("ribosome-aligned", "refine", picks)
    heads = _set("heads", "subparticles", aligned)
    project.add_records([picks, others, aligned, heads])
    first, newer = _map("first", aligned), _map("newer", aligned)
    project.add_records([first, newer, _map("head", heads), _map("from a file")])

    def found(name: str) -> list[object]:
        inputs = project.resolve_inputs([], ["map"], "sample", InputWish(sets=(name,)))
        return list(inputs.get("map", []))

    assert found("ribosome") == [newer]
    assert found("ribosome-aligned") == [newer]
    assert [getattr(one, "name", "") for one in found("heads")] == ["head"]
    assert found("spike") == []
