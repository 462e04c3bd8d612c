from __future__ import annotations

from pathlib import Path

import pytest

from tomotui.tui import keymap
from tomotui.tui.actions import ACTIONS, bindings
from tomotui.tui.keymap import BUILT_IN, FORBIDDEN, KeymapError, conflicts, read_keymap
from tomotui.tui.screens.help import SECTIONS
from tomotui.tui.screens.slice_keys import SliceKeysScreen
from tomotui.tui.screens.slices import SlicesScreen

STACKS = {
    "datasets": ("app", "mode", "pane", "list", "dataset"),
    "jobs": ("app", "mode", "pane", "list", "job"),
    "live": ("app", "mode", "pane", "list", "live"),
    "slices": (
        *("mode", "pane", "slice", "tilt", "app.help", "app.command", "app.quit", "app.shell"),
        *("app.undo", "app.redo", "app.quality"),
    ),
    "picks": (
        *("pane", "slice.yank", "pick", "app.help", "app.command", "app.quit"),
        *("app.back", "app.palette", "app.toggle_last", "app.shell", "app.redraw", "app.quality"),
    ),
    "gallery": (
        *("pane", "gallery", "app.help", "app.command", "app.quit", "app.back", "app.palette"),
        *("app.toggle_last", "app.shell", "app.redraw", "app.quality"),
    ),
    "maps": ("app", "mode", "pane", "list", "map"),
    "surface": (
        *("mode", "pane", "map", "surface", "app.help", "app.command", "app.quit", "app.back"),
        *("app.undo", "app.redo", "app.quality", "app.palette", "app.shell", "app.redraw"),
    ),
    "ortho": (
        *("mode", "pane", "map", "ortho", "app.help", "app.command", "app.quit", "app.back"),
        *("app.undo", "app.redo", "app.quality", "app.palette", "app.shell", "app.redraw"),
    ),
    "drift": (
        *("mode", "pane", "map", "drift", "app.help", "app.command", "app.quit", "app.back"),
        *("app.undo", "app.redo", "app.quality", "app.palette", "app.shell", "app.redraw"),
    ),
    "variation": ("app", "mode", "pane", "list", "vary"),
    "shape": (
        *("mode", "pane", "vary", "surface", "app.help", "app.command", "app.quit", "app.back"),
        *("app.undo", "app.redo", "app.quality", "app.palette", "app.shell", "app.redraw"),
    ),
    "plane": (
        *("mode", "pane", "vary", "plane", "app.help", "app.command", "app.quit", "app.back"),
        *("app.undo", "app.redo", "app.quality", "app.palette", "app.shell", "app.redraw"),
    ),
    "classes": (
        *("mode", "pane", "vary", "class", "app.help", "app.command", "app.quit", "app.back"),
        *("app.undo", "app.redo", "app.quality", "app.palette", "app.shell", "app.redraw"),
    ),
    "quality": ("app", "mode", "pane", "quality", "tilt.exclude", "tilt.launch"),
    "copy": ("yank", "dialog.close", "dialog.help"),
    "log": ("log",),
    "form": ("form", "dialog.close", "dialog.help"),
    "question": ("dialog.yes", "dialog.no", "dialog.close", "dialog.help"),
    "error": ("dialog.copy", "dialog.close", "dialog.help"),
}
"""Scopes whose keys work at the same time."""

KEYMAPS = sorted(path.stem for path in BUILT_IN.glob("*.toml"))


def in_force(name: str) -> dict[str, tuple[str, ...]]:
    return {**keymap.default_keys(), **read_keymap(BUILT_IN / f"{name}.toml")}


def members(scopes: tuple[str, ...]) -> list[str]:
    return [a.id for a in ACTIONS.values() if a.scope in scopes or a.id in scopes]


def test_there_are_the_promised_keymaps() -> None:
    assert set(KEYMAPS) >= {"default", "vim", "emacs"}


@pytest.mark.parametrize("name", KEYMAPS)
@pytest.mark.parametrize("stack", STACKS)
def test_no_key_has_two_meanings_in_one_place(name: str, stack: str) -> None:
    assert conflicts(members(STACKS[stack]), in_force(name)) == []


@pytest.mark.parametrize("name", KEYMAPS)
def test_keymaps_name_only_actions_that_exist_and_keys_that_terminals_send(name: str) -> None:
    keys = read_keymap(BUILT_IN / f"{name}.toml")
    assert set(keys) <= set(ACTIONS)
    used = {key for listed in keys.values() for key in listed}
    assert not used & FORBIDDEN
    assert not {key for key in used if key.startswith("shift+") and len(key) == len("shift+x")}


@pytest.mark.parametrize("name", KEYMAPS)
def test_function_and_alt_keys_are_only_aliases(name: str) -> None:
    for action, listed in read_keymap(BUILT_IN / f"{name}.toml").items():
        plain = [key for key in listed if not key.startswith(("f1", "f2", "f5", "alt+"))]
        assert plain or action == "dialog.help", f"{action} has no plain key"


def test_every_action_has_an_id_of_its_scope_a_title_and_help() -> None:
    for name, action in ACTIONS.items():
        assert action.id == name
        assert action.scope
        assert action.title
        assert action.help.endswith(".")


def test_the_help_has_a_heading_for_every_action_with_a_key() -> None:
    assert {ACTIONS[name].scope for name in keymap.default_keys()} <= set(SECTIONS)


def test_every_key_of_the_default_keymap_belongs_to_an_action_that_is_bound() -> None:
    assert set(keymap.default_keys()) <= set(ACTIONS)
    for name in keymap.default_keys():
        assert [binding.id for binding in bindings(name)] == [name]  # type: ignore[union-attr]


def test_slice_keys_have_ids_and_forbidden_keys_are_absent() -> None:
    for binding in SliceKeysScreen.BINDINGS:
        assert binding.id  # type: ignore[union-attr]
        assert not set(binding.key.split(",")) & FORBIDDEN  # type: ignore[union-attr]


def test_keys_of_single_tilts_are_free_among_those_of_slices() -> None:
    bound = [*SlicesScreen.BINDINGS, *SliceKeysScreen.BINDINGS]
    taken = {key for binding in bound for key in binding.key.split(",")}  # type: ignore[union-attr]
    wanted = [a for a in ACTIONS.values() if a.scope == "tilt"]
    wanted += [ACTIONS["app.undo"], ACTIONS["app.redo"], ACTIONS["app.quality"]]
    assert not taken & {key for action in wanted for key in action.keys}


def test_keys_of_reviews_are_free_among_those_of_slices() -> None:
    taken = {key for binding in SliceKeysScreen.BINDINGS for key in binding.key.split(",")}  # type: ignore[union-attr]
    wanted = [a for a in ACTIONS.values() if a.scope == "pick"]
    assert not taken & {key for action in wanted for key in action.keys}


def test_a_forbidden_key_is_refused_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[keys]\n"app.help" = ["ctrl+h"]\n')
    with pytest.raises(KeymapError, match=r"mine\.toml: app\.help cannot be on ctrl\+h"):
        read_keymap(path)


@pytest.mark.parametrize("words", ["keys = 3", "[keys]\nx = 3", "not toml at all ["])
def test_a_broken_keymap_is_refused_with_its_file(tmp_path: Path, words: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(words)
    with pytest.raises(KeymapError, match=r"mine\.toml"):
        read_keymap(path)


def test_an_unknown_keymap_is_refused_with_what_there_is() -> None:
    with pytest.raises(KeymapError, match=r"no keymap qwerty.*emacs"):
        keymap.overrides("qwerty")


def test_overrides_name_only_what_is_different() -> None:
    changed = keymap.overrides("emacs")
    assert changed["list.down"] == "down,ctrl+n"
    assert "app.help" not in changed
    assert keymap.overrides("default") == {}
