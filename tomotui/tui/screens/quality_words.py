"""What the quality screen says in words: of the tilt under the cursor, and of the series."""

from __future__ import annotations

import statistics

from rich.text import Text

from tomotui.tui.quality_feed import QualitySnapshot
from tomotui.tui.theme import Look
from tomotui.tui.widgets.facts import Facts
from tomotui.tui.wording import one_line

_VERDICT_ROLES = {"good": "success", "poor": "warning", "bad": "error"}


def tilt_line(seen: QualitySnapshot, index: int, look: Look) -> Text:
    """Return the tilt under the cursor in one line."""
    words = Text(no_wrap=True, overflow="ellipsis")
    if seen.series is None:
        return words
    words.append(" tilt ", look.dim)
    words.append(f"{index + 1}/{seen.series.n_tilts}  {seen.angle(index):+.1f}°", look.foreground)
    if seen.is_excluded(index):
        words.append("  left out", look.warning)
    drift = seen.motion_of(index, "drift_angstrom")
    if drift is not None:
        _figure(words, "drift", f"{drift:.1f} Å", look)
    tilt = seen.aligned.get(index)
    if tilt is not None:
        if tilt.residual_angstrom is not None:
            _figure(words, "residual", f"{tilt.residual_angstrom:.2f} Å", look)
        if tilt.verdict != "good":
            words.append(f"  {tilt.verdict}", look.colour(_VERDICT_ROLES[tilt.verdict]))
    transfer = seen.transfer.get(index)
    if transfer is not None:
        mean = (transfer.defocus_u_angstrom + transfer.defocus_v_angstrom) / 2e4
        _figure(words, "defocus", f"{mean:.2f} µm", look)
        if transfer.fit_resolution_angstrom:
            _figure(words, "rings to", f"{transfer.fit_resolution_angstrom:.1f} Å", look)
    if tilt is not None and tilt.note:
        words.append(f"  {one_line(tilt.note)}", look.dim)
    return words


def _figure(words: Text, label: str, value: str, look: Look) -> None:
    words.append(f"  {label} ", look.dim)
    words.append(value, look.foreground)


def series_facts(seen: QualitySnapshot, index: int, look: Look) -> Facts:
    """Return the figures of the series, then those of the tilt under the cursor."""
    facts = Facts(look, label_cells=10)
    if seen.series is None:
        return facts
    _motion_lines(facts, seen)
    _alignment_lines(facts, seen)
    _ctf_lines(facts, seen)
    _tomogram_lines(facts, seen)
    _tilt_lines(facts, seen, index)
    return facts


def _motion_lines(facts: Facts, seen: QualitySnapshot) -> None:
    assert seen.series is not None
    drifts = [seen.motion_of(each, "drift_angstrom") for each in seen.order]
    known = [drift for drift in drifts if drift is not None]
    if not known:
        return
    bent = sum(bool(seen.motion_of(each, "local_accepted")) for each in seen.order)
    facts.line("drift", f"{statistics.median(known):.1f}", "Å")
    facts.line("local m.", f"in {bent} of {seen.series.n_tilts}", "tilts")


def _alignment_lines(facts: Facts, seen: QualitySnapshot) -> None:
    alignment = seen.alignment
    if alignment is None:
        facts.text("not aligned yet: L runs align", "dim")
        return
    if alignment.residual_angstrom is not None:
        facts.line("residual", f"{alignment.residual_angstrom:.2f}", "Å")
    facts.line("axis", f"{alignment.axis_deg:.2f}", "°")
    facts.line("used", f"{len(alignment.included)} of {len(alignment.tilts)}", "tilts")
    if alignment.local is not None:
        facts.line("local", f"{alignment.local.n_x} x {alignment.local.n_y}", "nodes")
    _verdict(facts, "alignment", alignment.verdict, alignment.note)
    if alignment.source != "tomotui":
        facts.line("from", alignment.source)


def _ctf_lines(facts: Facts, seen: QualitySnapshot) -> None:
    ctf = seen.ctf
    if ctf is None:
        return
    hand = {1: "+", -1: "-", None: "?"}[ctf.handedness]
    score = f" ({ctf.handedness_score:.1f})" if ctf.handedness_score is not None else ""
    facts.line("hand", f"{hand}{score}", role="warning" if hand == "?" else "foreground")
    if ctf.fit_resolution_angstrom is not None:
        facts.line("rings to", f"{ctf.fit_resolution_angstrom:.1f}", "Å")
    _verdict(facts, "CTF", ctf.verdict, ctf.note)


def _tomogram_lines(facts: Facts, seen: QualitySnapshot) -> None:
    tomogram = seen.tomogram
    if tomogram is None:
        return
    if tomogram.thickness_angstrom is not None:
        facts.line("thickness", f"{tomogram.thickness_angstrom / 10:.0f}", "nm")
    if seen.alignment is not None and tomogram.alignment_uid != seen.alignment.uid:
        facts.line("tomogram", "of an earlier alignment: L runs it again", role="warning")


def _verdict(facts: Facts, label: str, verdict: str, note: str) -> None:
    if verdict != "good":
        words = f"{verdict}, {one_line(note)}" if note else verdict
        facts.line(label, words, role=_VERDICT_ROLES[verdict])


def _tilt_lines(facts: Facts, seen: QualitySnapshot, index: int) -> None:
    assert seen.series is not None
    facts.heading(f"tilt {index + 1}, {seen.angle(index):+.1f}°")
    out = seen.is_excluded(index)
    facts.line("use", "left out: x takes it in" if out else "yes: x leaves it out")
    _tilt_motion_lines(facts, seen, index)
    tilt, transfer = seen.aligned.get(index), seen.transfer.get(index)
    if tilt is not None:
        if tilt.residual_angstrom is not None:
            facts.line("residual", f"{tilt.residual_angstrom:.2f}", "Å")
        if tilt.score is not None:
            facts.line("score", f"{tilt.score:.2f}")
        _verdict(facts, "verdict", tilt.verdict, tilt.note)
    if transfer is not None:
        u, v = transfer.defocus_u_angstrom, transfer.defocus_v_angstrom
        facts.line("defocus", f"{(u + v) / 2e4:.3f}", "µm")
        facts.line(
            "astigm.", f"{abs(u - v) / 2:.0f}", f"Å at {transfer.astigmatism_angle_deg:.0f}°"
        )
    dose = seen.series.tilts[index].prior_dose_e_per_a2
    if dose is not None:
        facts.line("dose", f"{dose:.0f}", "e/Å² before")


def _tilt_motion_lines(facts: Facts, seen: QualitySnapshot, index: int) -> None:
    drift = seen.motion_of(index, "drift_angstrom")
    if drift is None:
        return
    early = seen.motion_of(index, "early_angstrom")
    words = f"Å, {early:.1f} early" if early is not None else "Å"
    role = "warning" if seen.motion_of(index, "poor") else "foreground"
    facts.line("drift", f"{drift:.1f}", words, role=role)
    local = seen.motion_of(index, "local_rms_angstrom")
    if seen.motion_of(index, "local_accepted") and local is not None:
        facts.line("local m.", f"{local:.2f}", "Å taken")
    else:
        facts.line("local m.", "not taken")
