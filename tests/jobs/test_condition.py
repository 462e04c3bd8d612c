from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomotui.jobs.condition import ConditionError, parse_condition

FOUND = {
    "align": {"residual_angstrom": 12.5, "verdict": "poor", "score": None, "local": False},
    "series": {"n_tilts": 41, "dataset": "lamella 2"},
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("align.residual_angstrom < 20", True),
        ("align.residual_angstrom < 2 nm", True),
        ("align.residual_angstrom<1nm", False),
        ("align.residual_angstrom < 12.5 A", False),
        ("align.residual_angstrom <= 12.5 Å", True),
        ("20 > align.residual_angstrom", True),
        ("align.residual_angstrom >= 1.25e1", True),
        ("align.residual_angstrom > -1", True),
        ("align.verdict != 'bad'", True),
        ('align.verdict == "poor" and series.n_tilts >= 41', True),
        ("align.verdict == 'good' or series.n_tilts == 41", True),
        ("not align.verdict == 'poor'", False),
        ("not (align.verdict == 'good' or series.n_tilts < 20)", True),
        ("series.dataset == 'lamella 2'", True),
        ("not align.local", True),
        ("align.local == false", True),
        # Nothing is known of these: no statement about them holds, nor its opposite.
        ("align.score < 1", False),
        ("not align.score < 1", False),
        ("align.score < 1 or series.n_tilts > 3", True),
        ("align.nothing == 3", False),
        ("ctf.defocus > 3", False),
        ("align.verdict < 3", False),
        ("align.verdict == 3", False),
    ],
)
def test_a_condition_is_weighed_by_what_was_found(text: str, holds: bool) -> None:
    assert parse_condition(text).weigh(FOUND).holds is holds


def test_the_reason_names_what_was_found() -> None:
    verdict = parse_condition("align.residual_angstrom < 5 and align.score > 0 and a.b").weigh(
        FOUND
    )
    assert verdict.reason == (
        "align.residual_angstrom is 12.5, align.score was not measured, a.b is not known"
    )


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "a value or STEP.NAME is expected at the end"),
        ("align.residual <", "a value or STEP.NAME is expected at the end"),
        ("residual < 3", "a value or STEP.NAME is expected at 'residual' (character 1)"),
        ("align.residual < 3 4", "and, or, or the end is expected at '4' (character 20)"),
        ("align.residual < 3 parsec", "expected at 'parsec'"),
        ("(align.residual < 3", "a closing parenthesis is expected at the end"),
        ("3", "a comparison such as < is expected at the end"),
        ("align.residual = 3", "cannot be understood from '= 3' on"),
        ("align.a.b < 3", "a value or STEP.NAME is expected at 'align.a.b'"),
        ("__import__('os').system('x')", "cannot be understood from"),
        ("(" * 50 + "a.b < 3" + ")" * 50, "is nested too deeply"),
        ("not " * 50 + "a.b", "is nested too deeply"),
        ("a.b < 3 and " * 200 + "a.b < 3", "is longer than 1000 characters"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text: str, wrong: str) -> None:
    with pytest.raises(ConditionError) as raised:
        parse_condition(text)
    assert wrong in str(raised.value)


@given(st.text(alphabet="ab.<>=!()'\" 0129eE+-%nmÅandortfls\n", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        condition = parse_condition(text)
    except ConditionError:
        return
    condition.weigh(FOUND)
