"""Judging candidates by script, and what the judgements say."""

from __future__ import annotations

import json as json_format
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tomotui.cli.errors import WorkFailed, WrongWords
from tomotui.cli.options import (
    JsonOption,
    OnOption,
    ProjectOption,
    chosen_series,
    open_project,
    print_table,
)
from tomotui.records import ParticleSet, new_uid

if TYPE_CHECKING:
    from tomotui.cli.curate_oracle import Oracle
    from tomotui.cli.curate_run import CurationRun
    from tomotui.project import Project
    from tomotui.project.curation import Curation

PRECISIONS = (0.5, 0.7, 0.8, 0.9, 0.95)
"""For which the summary tells the threshold."""


def curate(
    name: str,
    /,
    *,
    script: Path | None = None,
    queue: Literal["priority", "score", "doubt", "random", "z", "neighbours"] = "priority",
    decisions: int = 0,
    oracle: Path | None = None,
    within: float | None = None,
    truth_class: int | None = None,
    new: bool = False,
    diameter: float | None = None,
    on: OnOption = None,
    session: str = "",
    summary: bool = False,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> int:
    """Judge the candidates of a particle set by script, and tell what the judgements say.

    Example: `tomotui curate ribosome --script acts.txt -p ~/data/cells`

    A script has one command a line, as words (`accept #3`) or JSON (`{"do": "accept",
    "particle": "#3"}`): accept, reject, unsure, reset [PARTICLE]; class NUMBER [PARTICLE];
    move X Y Z [PARTICLE]; insert TOMOGRAM X Y Z; threshold SCORE [apply]; queue ORDER [SEED];
    audit N [SEED [STRATA]]; undo, redo [N]; with an oracle also next [N] and
    mark N [SEED [ERROR]]. PARTICLE is an identity, #ROW, or nearest [TOMOGRAM] X Y Z; without
    it the first undecided one of the queue is meant. Every command is in the project before the
    next begins.

    Parameters
    ----------
    name
        The particle set.
    script
        File of commands.
    queue
        The order in which candidates are taken.
    decisions
        Let the oracle judge so many of the queue, after the script.
    oracle
        CSV of true positions (tomogram, x, y, z in Angstrom) that answers in a person's place.
    within
        How near a true position must be, Angstrom; by default a quarter of the diameter.
    truth_class
        Use only the true positions of this class.
    new
        Begin the set when there is none of this name.
    diameter
        Diameter of the species in a new set, Angstrom.
    on
        Only the candidates in these tilt series: names or patterns.
    session
        Go on under the name of an earlier session, whose acts undo takes back.
    summary
        Only tell what there is and what the judgements say.
    project
        Project folder; the present one by default.
    json
        Print one JSON object for each act, and the summary as the last.
    """
    from tomotui.project.curation import Curation, present_user

    works = script is not None or decisions > 0
    if works and summary:
        raise WrongWords(
            "--summary only looks: leave it out, or leave out --script and --decisions"
        )
    with open_project(project, read_only=not works) as opened:
        commands = _commands(script, decisions)
        particle_set = _set(opened, name, new and works, diameter)
        chosen = chosen_series(opened, on) if on else None
        series_of = _series_of(opened, None if chosen is None else [s.uid for s in chosen])
        curation = Curation(
            opened,
            particle_set,
            user=present_user(),
            session=session or new_uid(),
            tomogram_uids=None if on is None else list(series_of),
        )
        judge = _oracle(opened, particle_set, oracle, within, truth_class)
        run = _run(opened, curation, series_of, judge, queue, json)
        run.run(commands)
        _print_summary(run, json)
    return 0


def _commands(script: Path | None, decisions: int) -> list[Any]:
    from tomotui.cli.curate_script import Command, read_script

    commands = [] if script is None else read_script(script)
    return [*commands, Command("next", (str(decisions),), "--decisions")] if decisions else commands


def _set(project: Project, name: str, new: bool, diameter: float | None) -> ParticleSet:
    from tomotui.project.curation import particle_set_named

    if new and project.particle_set_named(name) is None:
        made = ParticleSet(name=name, species=name, diameter_angstrom=diameter)
        project.add_records([made])
    return particle_set_named(project, name)


def _series_of(project: Project, wanted: list[str] | None) -> dict[str, str]:
    """Return the name of the tilt series of each tomogram, of the wanted series only."""
    names = {one.uid: one.name for one in project.tilt_series()}
    tomograms: list[Any] = list(project.records("tomogram"))
    return {
        one.uid: names[one.series_uid]
        for one in tomograms
        if one.series_uid in names and (wanted is None or one.series_uid in wanted)
    }


def _oracle(
    project: Project,
    particle_set: ParticleSet,
    path: Path | None,
    within: float | None,
    truth_class: int | None,
) -> Oracle | None:
    if path is None:
        return None
    from tomotui.cli.curate_oracle import Oracle

    if within is None:
        if particle_set.diameter_angstrom is None:
            raise WrongWords(f"the diameter of {particle_set.name} is not known: give --within A")
        within = particle_set.diameter_angstrom / 4
    oracle = Oracle(path, within, [one.name for one in project.tilt_series()], truth_class)
    if not oracle.n_truths:
        raise WorkFailed(f"{path} holds no true position; check the file and --truth-class")
    return oracle


def _run(
    project: Project,
    curation: Curation,
    series_of: dict[str, str],
    oracle: Oracle | None,
    queue: Literal["priority", "score", "doubt", "random", "z", "neighbours"],
    json: bool,
) -> CurationRun:
    from tomotui.cli.curate_run import CurationRun

    homes: dict[str, str] = {}
    for one in project.tilt_series():
        uid = curation.home_of(one.uid)
        if uid is not None and uid in series_of:
            homes[one.name] = uid

    def tell(what: dict[str, Any]) -> None:
        print(json_format.dumps(what) if json else _line(what))

    return CurationRun(curation, series_of, homes, tell, oracle, queue)


def _line(what: dict[str, Any]) -> str:
    if what.get("particle"):
        score = "" if what["score"] is None else f"  score {what['score']:.3g}"
        place = f"{what['tomogram']}  {what['x']:.0f} {what['y']:.0f} {what['z']:.0f} Å"
        return f"{what['did']}: #{what['row']}  {place}{score}  {what['decision']}"
    if what["did"] == "audit":
        return f"audit: {len(what['particles'])} candidates, score {what['threshold']:.3g} or more"
    if what["did"] == "threshold":
        did = "accepted" if "accepted" in what else "would be accepted"
        return (
            f"threshold {what['threshold']:.3g}: {what['undecided_above']} {did}, "
            f"{what['undecided_below']} rejected"
        )
    return f"{what['did']}: nothing to do"


# ---- the summary


def _print_summary(run: CurationRun, json: bool) -> None:
    found = summary_of(run.curation)
    if json:
        print(json_format.dumps({"summary": found}))
        return
    counts = found["counts"]
    print(f"{found['set']}: " + ", ".join(f"{n} {word}" for word, n in counts.items()))
    if found["audit"]:
        one = found["audit"]
        print(
            f"audit at {one['threshold']:.3g}: {one['n_accepted']} of {one['n_judged']} right "
            f"(asked {one['n_asked']}); precision {_interval(one['precision'])}"
        )
    if found["thresholds"]:
        print_table(
            ["score from", "candidates", "expected precision", "expected recall"],
            [
                [
                    f"{one['threshold']:.3g}",
                    str(one["n_candidates"]),
                    _interval(one["precision"]),
                    f"{one['recall']:.0%}",
                ]
                for one in found["thresholds"]
            ],
        )
    for wanted, threshold in found["threshold_for_precision"].items():
        reached = "cannot be reached" if threshold is None else f"score {threshold:.3g} or more"
        print(f"precision {float(wanted):.0%}: {reached}")


def _interval(values: dict[str, float | None]) -> str:
    if values["estimate"] is None:
        return f"{values['low']:.0%} to {values['high']:.0%}"
    return f"{values['estimate']:.1%} ({values['low']:.0%} to {values['high']:.0%})"


def summary_of(curation: Curation) -> dict[str, Any]:
    """Return what there is of a set and what its judgements say, for JSON."""
    report, curve = curation.audit_report(), curation.curve()
    thresholds: list[dict[str, Any]] = []
    if curve is not None and len(curve.thresholds):
        places = {round((len(curve.thresholds) - 1) * part / 10) for part in range(1, 11)}
        for at in sorted(places):
            threshold = float(curve.thresholds[at])
            thresholds.append(
                {
                    "threshold": threshold,
                    "n_candidates": int(curve.n_above[at]),
                    "n_judged": int(curve.n_judged[at]),
                    "precision": _numbers(curve.precision(threshold)),
                    "recall": curve.recall(threshold),
                }
            )
    return {
        "set": curation.particle_set.name,
        "n_candidates": int(curation.is_there.sum()),
        "counts": curation.counts(),
        "audit": None
        if report is None
        else {
            "threshold": report.threshold,
            "n_asked": report.n_asked,
            "n_judged": report.n_judged,
            "n_accepted": report.n_accepted,
            "precision": _numbers(report.precision),
        },
        "thresholds": thresholds,
        "threshold_for_precision": {}
        if curve is None
        else {str(wanted): curve.threshold_for(wanted) for wanted in PRECISIONS},
        "recall_of_marked": _numbers(curation.recall_of_marked()),
    }


def _numbers(interval: Any) -> dict[str, float | None]:
    return {
        "estimate": None if math.isnan(interval.estimate) else interval.estimate,
        "low": interval.low,
        "high": interval.high,
    }
