"""Where only ASCII is wished, nothing else is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.segment import Segment
from textual.color import Color

import tomotui
from tests.tui.conftest import AppMaker, until
from tests.tui.sights import AT_THE_LISTS, AT_THE_PICTURES, Sight
from tests.tui.whole_project import make_whole
from tomotui.tui.app import TomotuiApp
from tomotui.tui.ascii_filter import AsciiOnly
from tomotui.tui.raster.ascii_twins import in_ascii
from tomotui.tui.raster.capability import Capability

PLAIN = Capability(glyphs="ascii")
USERS_OWN = "ö漢"


def strange(app: TomotuiApp) -> set[str]:
    """Return the characters on the screen that are no ASCII."""
    rows = app.screen._compositor.render_strips()
    return {letter for row in rows for letter in row.text if not letter.isascii()}


def test_every_character_of_the_program_has_one_in_its_place() -> None:
    folder = Path(tomotui.__file__).parent
    sources = [*folder.rglob("*.py"), *folder.rglob("*.toml"), *folder.rglob("*.tcss")]
    written = {letter for path in sources for letter in path.read_text(encoding="utf-8")}
    unknown = {one for one in written if not in_ascii(one).isascii()}
    # Of names of persons, and of scripts that are spoken of.
    assert all(one.isalpha() or one.isspace() for one in unknown), unknown
    drawn = "".join(map(chr, range(0x2500, 0x25A0))) + "▸▾◌○●✓✗·…Å°µσΔ±×²⌜⌝⌞⌟"
    assert in_ascii(drawn).isascii()
    assert len(in_ascii(drawn)) == len(drawn)


def test_names_are_left_as_they_are() -> None:
    line = AsciiOnly().apply([Segment(f"│ {USERS_OWN} 3 Å")], Color(0, 0, 0))
    assert line[0].text == f"| {USERS_OWN} 3 A"


@pytest.mark.slow
async def test_lists_and_forms_are_ascii(make_app: AppMaker) -> None:
    app = make_app(capability=PLAIN)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.snapshot.rows)
        for keys in (("L",), ("escape", "4"), ("ctrl+p",)):
            assert strange(app) == set()
            await pilot.press(*keys)
        await until(pilot, lambda: type(app.screen).__name__ == "Palette")
        assert strange(app) == set()
        await pilot.press("escape")
        app.keep_glyphs("half")
        assert not app.has_class("-ascii")
        app.screen.refresh(layout=True)
        await until(pilot, lambda: "╭" in strange(app))


@pytest.mark.slow
@pytest.mark.parametrize("walk", [AT_THE_LISTS, AT_THE_PICTURES])
async def test_every_screen_is_ascii(walk: tuple[Sight, ...], tmp_path: Path) -> None:
    app: Any = TomotuiApp(make_whole(tmp_path / "cells"), start_agents=False, capability=PLAIN)
    found: dict[str, set[str]] = {}
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.current_mode == "datasets" and app.screen.snapshot.rows)
        for sight in walk:
            await pilot.press(*sight.keys)
            await until(pilot, lambda name=sight.screen: type(app.screen).__name__ == name)
            for _ in range(3):
                await pilot.pause(0.2)
                # The test card is there to show what the others look like.
                if sight.name != "calibrate" and (letters := strange(app)):
                    found[sight.name] = letters
            await pilot.press(*sight.leaves)
    assert found == {}
