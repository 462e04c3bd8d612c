"""Damaged files are read or refused in words of our own, whatever is wrong with them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.formats import fuzzing

HERE = Path(__file__).resolve().parent
INTEROP = HERE.parents[2] / "shared" / "data" / "interop"


MANY, SOME = 200, 20
"""Inputs for each reader; some libraries take milliseconds for a file."""

TARGETS = fuzzing.targets(INTEROP)


@pytest.fixture
def quiet() -> Iterator[None]:
    """What libraries log of damaged files is of no interest."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("target", TARGETS, ids=[one.name for one in TARGETS])
def test_damaged_files_are_read_or_refused(target: Any, tmp_path: Path, quiet: None) -> None:
    path = tmp_path / f"file{target.suffix}"

    n_inputs = SOME if target.is_slow else MANY
    with fuzzing.limits(seconds=60.0):
        for number in range(n_inputs):
            verdict = fuzzing.judge(target, path, target.input(number))
            assert verdict.outcome != "wrong", f"input {number}: {verdict.words}"


@pytest.mark.parametrize("target", TARGETS, ids=[one.name for one in TARGETS])
def test_the_undamaged_files_of_this_program_are_read(target: Any, tmp_path: Path) -> None:
    """The damage starts from something that is read, else it would test little."""
    path = tmp_path / f"file{target.suffix}"
    if not target.seeds:
        pytest.skip("the shared test data are not beside this checkout")
    outcomes = [fuzzing.judge(target, path, seed).outcome for seed in target.seeds]
    assert "wrong" not in outcomes
    assert "read" in outcomes
