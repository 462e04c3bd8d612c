from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.dom import DOMNode

import tomotui.tui
from tomotui.tui import keymap
from tomotui.tui.actions import ACTIONS, bindings
from tomotui.tui.keymap import BUILT_IN, FORBIDDEN, KeymapError, conflicts, read_keymap
from tomotui.tui.screens.help import SECTIONS
from tomotui.tui.slice_actions import VIEW_ACTIONS

STACKS = {
    "datasets": ("app", "mode", "pane", "list", "dataset"),
    "jobs": ("app", "mode", "pane", "list", "job"),
    "live": ("app", "mode", "pane", "list", "live"),
    "slices": (
        *("mode", "pane", "slice", "tilt", "app.help", "app.command", "app.quit", "app.shell"),
        *("app.undo", "app.redo", "app.quality"),
    ),
    "picks": (
        *(
            "pane",
            *(action.id for action in VIEW_ACTIONS),
            "pick",
            "app.help",
            "app.command",
            "app.quit",
        ),
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
    "form": (
        *("form.submit", "form.default", "form.next", "form.previous"),
        *("dialog.close", "dialog.help"),
    ),
    "choice": (
        *("form.submit", "form.default", "form.next", "form.previous"),
        *("form.choice_before", "form.choice_after", "form.choice_done"),
        *("dialog.close", "dialog.help"),
    ),
    "typing": ("line",),
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


def classes_that_bind() -> list[type[DOMNode]]:
    """Return every screen, widget and app of the package."""
    for found in pkgutil.walk_packages(tomotui.tui.__path__, f"{tomotui.tui.__name__}."):
        importlib.import_module(found.name)
    waiting, known = [DOMNode], set[type[DOMNode]]()
    while waiting:
        for each in waiting.pop().__subclasses__():
            if each not in known:
                known.add(each)
                waiting.append(each)
    return sorted((c for c in known if c.__module__.startswith("tomotui.")), key=repr)


def test_every_binding_anywhere_is_that_of_a_registered_action() -> None:
    bound = set()
    for owner in classes_that_bind():
        for binding in Binding.make_bindings(owner.__dict__.get("BINDINGS", ())):
            where = f"{owner.__qualname__}: {binding.key}"
            assert binding.id in ACTIONS, f"{where} does {binding.action}, which is not registered"
            action = ACTIONS[binding.id]
            assert binding.action == action.method, where
            assert (binding.description, binding.tooltip) == (action.title, action.help), where
            bound.add(binding.id)
    assert set(keymap.default_keys()) <= bound, "keys that no screen or widget takes"


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
