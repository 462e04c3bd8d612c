from __future__ import annotations

import os
from pathlib import Path

import pytest

from tomotui.records import Status
from tomotui.resources import themes_folder
from tomotui.tui import theme
from tomotui.tui.raster.palette import LUT_NAMES
from tomotui.tui.status import ASCII_GLYPHS, GLYPHS, MOODS, SIGNS
from tomotui.tui.theme import FALLBACK, Look, ThemeError, ThemeShelf, contrast, read_theme

FILES = sorted(themes_folder().glob("*.toml"))


def test_the_built_in_themes_are_there_and_whole() -> None:
    shelf = ThemeShelf((themes_folder(),))
    assert shelf.problems == {}
    assert set(shelf.looks) >= {
        *("vitreous", "lamella", "deuter", "carbon", "gold", "hicontrast"),
        *("vellum", "ansi16", "nocolor"),
    }
    assert shelf.named("no such theme").name == "vitreous"
    assert not shelf.looks["lamella"].dark


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_all_text_can_be_read_on_all_grounds(path: Path) -> None:
    look = read_theme(path)
    for ground_name, ground in look.grounds.items():
        for ink_name, ink in (look.inks | look.marks).items():
            found = contrast(ground, ink)
            assert found >= 4.5, f"{ink_name} on {ground_name}: {found:.2f}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_textual_gets_has_no_mixed_colours_for_text(path: Path) -> None:
    variables = read_theme(path).to_textual().variables
    for name in ("text", "text-muted", "text-disabled", "button-color-foreground"):
        assert variables[name].startswith("#")
    look = read_theme(path)
    # Focused buttons are written in the ground's colour on the primary one.
    assert contrast(look.background, look.primary) >= 4.5


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_themes_name_colour_tables_that_exist(path: Path) -> None:
    assert read_theme(path).image.lut in LUT_NAMES


def test_contrast_of_black_and_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#777777") == pytest.approx(1.0)


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_a_word_and_a_glyph_of_one_cell(status: Status) -> None:
    word, mood = SIGNS[status]
    assert word
    assert len(GLYPHS[mood]) == 1
    assert ASCII_GLYPHS[mood].isascii()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_moods_differ_in_glyph_and_not_only_in_colour(path: Path) -> None:
    look = read_theme(path)
    assert len({look.glyph(mood) for mood in MOODS}) == len(MOODS)
    assert len({look.glyph(mood, ascii_only=True) for mood in MOODS}) == len(MOODS)


def test_a_wrong_theme_is_refused_with_file_and_place(tmp_path: Path) -> None:
    text = FILES[0].read_text()
    path = tmp_path / "mine.toml"
    path.write_text(text.replace('dim = "#', 'dim = "#zz'))
    with pytest.raises(ThemeError, match=r"mine\.toml: dim"):
        read_theme(path)
    path.write_text("name = ")
    with pytest.raises(ThemeError, match=r"mine\.toml cannot be read"):
        read_theme(path)


def test_a_theme_that_forgets_a_state_is_refused(tmp_path: Path) -> None:
    lines = [line for line in FILES[0].read_text().splitlines() if not line.startswith("queued")]
    path = tmp_path / "mine.toml"
    path.write_text("\n".join(lines))
    with pytest.raises(ThemeError, match="queued"):
        read_theme(path)


def test_a_saved_file_is_read_again_and_a_broken_one_leaves_the_theme(tmp_path: Path) -> None:
    path = tmp_path / "vitreous.toml"
    text = (themes_folder() / "vitreous.toml").read_text()
    path.write_text(text)
    shelf = ThemeShelf((tmp_path,))
    assert shelf.refresh() == []
    path.write_text(text.replace('primary = "#7fc4ea"', 'primary = "#ffffff"'))
    os.utime(path, ns=(1, 1))
    assert shelf.refresh() == ["vitreous"]
    assert shelf.named("vitreous").primary == "#ffffff"
    path.write_text("broken")
    os.utime(path, ns=(2, 2))
    assert shelf.refresh() == []
    assert shelf.named("vitreous").primary == "#ffffff"
    assert "cannot be read" in shelf.problems[path]


def test_without_any_theme_file_the_program_still_has_colours(tmp_path: Path) -> None:
    assert ThemeShelf((tmp_path,)).named("vitreous") is FALLBACK


def test_a_start_reads_the_theme_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own"
    own.mkdir()
    reads: list[Path] = []

    def read(path: Path) -> Look:
        reads.append(path)
        return read_theme(path)

    monkeypatch.setattr(theme, "read_theme", read)
    shelf = ThemeShelf((themes_folder(), own))
    assert shelf.named("carbon").name == "carbon"
    assert [path.stem for path in reads] == ["carbon"]
    assert list(shelf.looks) == [path.stem for path in FILES]
    assert len(reads) == len(FILES)
    # Another file may hold a theme of that name: the user's wins.
    text = (themes_folder() / "carbon.toml").read_text().replace('"Carbon', '"Mine')
    (own / "mine.toml").write_text(text)
    assert ThemeShelf((themes_folder(), own)).named("carbon") == read_theme(own / "mine.toml")
