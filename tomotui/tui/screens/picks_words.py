"""What the screen of a review says in words."""

from __future__ import annotations

import math

from tomotui.project.audits import AuditReport
from tomotui.tui.review import Review
from tomotui.tui.theme import Look
from tomotui.tui.widgets.candidate_list import score_words, verdict_glyph
from tomotui.tui.widgets.cells import Content, Span
from tomotui.tui.widgets.facts import Facts
from tomotui.tui.wording import counted

SOURCES = {
    "hand": "by hand",
    "match": "template",
    "find": "network",
    "curve": "along a curve",
    "import": "from a file",
}


def place_words(review: Review | None) -> str:
    """Return what the list is of."""
    if review is None:
        return " no candidates"
    if review.in_audit:
        return f" audit {review.n_open}/{len(review)} to go"
    what = "" if review.show == "all" else f" {review.show}"
    return f" {review.n_open} open/{len(review)}{what} by {review.order}"


def status_words(review: Review | None) -> str:
    """Return where one is in the list, what that candidate is, and how long the rest takes."""
    if review is None:
        return "no set: S begins one"
    row = review.row
    if row is None:
        return f"{review.curation.particle_set.name}: {review.why_empty}"
    table = review.curation.table
    parts = [
        f"#{review.place + 1} of {len(review)}",
        f"score {score_words(float(table.scores[row]))}",
        str(table.decisions[row]),
    ]
    if left := review.time_left():
        parts.append(f"{left} left")
    return "  ".join(parts)


def facts_of(review: Review | None, look: Look, ascii_only: bool) -> Facts:
    """Return what is known of a candidate."""
    facts = Facts(look, 9)
    if review is None:
        facts.heading("no particle set")
        facts.line("S", "begins one")
        return facts
    held = review.curation.particle_set
    size = f"{held.diameter_angstrom:.0f}" if held.diameter_angstrom else "unknown"
    row = review.row
    facts.heading(f"{held.name}  ({size} Å across)")
    counts = review.curation.counts()
    facts.line(
        "decided",
        "  ".join(
            f"{verdict_glyph(word, ascii_only)} {counts[word]}"
            for word in ("accepted", "rejected", "unsure")
        ),
    )
    if row is None:
        return facts
    table = review.curation.table
    verdict, number = str(table.decisions[row]), int(table.classes[row])
    facts.heading(f"pick {review.place + 1}")
    facts.line("is", f"{verdict_glyph(verdict, ascii_only)} {verdict}", role=verdict)
    if number >= 0:
        facts.line("class", str(number), role=f"class{number}")
    facts.line("score", score_words(float(table.scores[row])))
    if math.isfinite(table.uncertainties[row]):
        facts.line("doubt", f"{table.uncertainties[row]:.2f}")
    x, y, z = table.positions_angstrom[row]
    facts.line("x y z", f"{x:.0f} {y:.0f} {z:.0f}", "Å")
    if math.isfinite(table.angles_deg[row, 0]):
        facts.line("angles", " ".join(f"{angle:.0f}" for angle in table.angles_deg[row]), "°")
    facts.line("found", SOURCES.get(str(table.sources[row]), ""))
    return facts


def panel_lines(review: Review | None, ascii_only: bool) -> tuple[tuple[Content, ...], list[str]]:
    """Return the lines below the histogram, and those of the audit."""
    if review is None:
        return (), []
    curation = review.curation
    if not curation.has_scores:
        n = curation.counts()["accepted"]
        return (
            (Span("no search has given scores yet", "dim"),),
            (Span(f"{counted(n, 'particle')} marked"),),
        ), []
    keep, drop = review.cut()
    lines: list[Content] = [
        (Span("keep ", "dim"), Span(str(keep)), Span("  drop ", "dim"), Span(str(drop)))
    ]
    curve = curation.curve()
    if curve is not None:
        found = curve.precision(review.threshold)
        words = "-" if math.isnan(found.estimate) else f"{found.estimate:.0%}"
        recall = f"{curve.recall(review.threshold):.0%}"
        lines.append(
            (
                Span("expect precision ", "dim"),
                Span(words),
                Span("  recall ", "dim"),
                Span(recall),
            )
        )
        likely = f"{found.low:.0%} to {found.high:.0%}"
        lines.append((Span("       likely between ", "dim"), Span(likely)))
    report = curation.audit_report()
    return tuple(lines), [] if report is None else audit_words(report)


def audit_words(report: AuditReport) -> list[str]:
    """Return what an audit says so far."""
    found = report.precision
    lines = [
        f"audit of scores from {score_words(report.threshold)}",
        f"{report.n_judged} of {report.n_asked} judged, {report.n_accepted} right",
    ]
    if math.isnan(found.estimate):
        return [*lines, f"precision {found.low:.0%} to {found.high:.0%}"]
    return [*lines, f"precision {found.estimate:.1%}", f"95 %: {found.low:.1%} to {found.high:.1%}"]
