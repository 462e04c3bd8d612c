from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tomotui.records import (
    RECORD,
    Alignment,
    Ctf,
    Map,
    Network,
    ParticleSet,
    Record,
    Status,
    Tilt,
    TiltAlignment,
    TiltCtf,
    TiltSeries,
    Tomogram,
    new_uid,
)

TILT_ALIGNMENT = TiltAlignment(
    index=0, tilt_deg=-3.0, axis_deg=85.0, shift_x_angstrom=1.5, shift_y_angstrom=-2.0,
    verdict="poor", score=0.3, note="dim",
)  # fmt: skip
SERIES: dict[str, Any] = {
    "name": "a",
    "stack_path": "a.mrc",
    "width_px": 64,
    "height_px": 48,
    "pixel_size_angstrom": 10.0,
}
RECORDS: list[Record] = [
    TiltSeries(**SERIES, tilts=(Tilt(index=0, nominal_tilt_deg=-3, dose_e_per_a2=3.0),)),
    Alignment(series_uid="s", tilts=(TILT_ALIGNMENT,), residual_angstrom=4.0, verdict="poor"),
    Ctf(
        series_uid="s",
        tilts=(TiltCtf(index=0, defocus_u_angstrom=30000, defocus_v_angstrom=29000),),
        handedness=-1,
    ),
    Tomogram(
        series_uid="s", alignment_uid="a", path="t.mrc", size_xyz=(64, 48, 32),
        pixel_size_angstrom=20.0, half_paths=("e.mrc", "o.mrc"), half_kind="tilts",
        window_low=-1.0, window_high=1.0,
    ),
    ParticleSet(name="ribosomes", diameter_angstrom=250.0),
    Map(name="m", path="m.mrc", size_xyz=(64, 64, 64), pixel_size_angstrom=5.0),
    Network(name="n", purpose="picking", path="n.pt", metrics={"f1": 0.9}),
]  # fmt: skip


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.kind)
def test_every_kind_survives_json_and_keeps_its_identity(record: Any) -> None:
    back = RECORD.validate_json(RECORD.dump_json(record))
    assert type(back) is type(record)
    assert back == record
    assert back.uid == record.uid
    assert RECORD.validate_python(record.model_dump(mode="json")) == record


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.kind)
def test_unknown_fields_are_refused_and_records_are_immutable(record: Any) -> None:
    with pytest.raises(ValidationError, match="surprise"):
        RECORD.validate_python({**record.model_dump(), "surprise": 1})
    with pytest.raises(ValidationError, match="frozen"):
        record.uid = "other"


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValidationError, match="kind"):
        RECORD.validate_python({"kind": "sandwich", "uid": "1"})


@pytest.mark.parametrize("indices", [[1, 2], [0, 2], [1, 0], [0, 0]])
def test_tilts_are_numbered_as_the_sections_of_the_stack(indices: list[int]) -> None:
    tilts = [Tilt(index=i, nominal_tilt_deg=3.0 * i) for i in indices]
    with pytest.raises(ValidationError, match="numbered 0, 1, 2"):
        TiltSeries(**SERIES, tilts=tilts)


def test_a_series_has_tilts_and_positive_sizes() -> None:
    with pytest.raises(ValidationError, match="at least one tilt"):
        TiltSeries(**SERIES, tilts=())
    tilts = (Tilt(index=0, nominal_tilt_deg=0),)
    for name in ("pixel_size_angstrom", "width_px", "height_px"):
        with pytest.raises(ValidationError, match=name):
            TiltSeries(**{**SERIES, name: 0}, tilts=tilts)


def test_replace_validates_and_leaves_the_original_alone() -> None:
    tilt = Tilt(index=0, nominal_tilt_deg=10)
    assert tilt.replace(excluded=True).excluded
    assert not tilt.excluded
    with pytest.raises(ValidationError, match="nominal_tilt_deg"):
        tilt.replace(nominal_tilt_deg=200)


def test_what_a_series_and_an_alignment_say_of_themselves() -> None:
    tilts = tuple(Tilt(index=i, nominal_tilt_deg=a) for i, a in enumerate((0, -57, 60)))
    series = TiltSeries(**SERIES, tilts=tilts)
    assert (series.n_tilts, series.tilt_range_deg) == (3, (-57, 60))
    other = TILT_ALIGNMENT.replace(index=1, axis_deg=87.0, excluded=True)
    alignment = Alignment(series_uid="s", tilts=(TILT_ALIGNMENT, other))
    assert alignment.axis_deg == 86.0
    assert alignment.included == (TILT_ALIGNMENT,)


def test_identities_are_unique() -> None:
    uids = {new_uid() for _ in range(1000)}
    assert len(uids) == 1000
    assert {len(uid) for uid in uids} == {16}


def test_every_status_is_waiting_active_or_finished() -> None:
    assert {s for s in Status if s.is_active} == {Status.STARTING, Status.RUNNING}
    assert {s for s in Status if not s.is_active and not s.is_finished} == {Status.QUEUED}
