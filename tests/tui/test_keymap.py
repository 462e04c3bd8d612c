from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.pilot import Pilot

import tomotui.tui
from tests.tui.conftest import AppMaker, until
from tomotui.tui import command_line, keymap
from tomotui.tui.actions import ACTIONS, bindings
from tomotui.tui.keyboard import FORBIDDEN, name_of, why_not
from tomotui.tui.keymap import BUILT_IN, KeymapError, conflicts, read_keymap
from tomotui.tui.navigation import MODES
from tomotui.tui.screens.help import SECTIONS
from tomotui.tui.slice_actions import VIEW_ACTIONS
from tomotui.tui.widgets.table import Table

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
        *("app.back", "app.palette", "app.shell", "app.redraw", "app.quality"),
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


@cache
def in_force(name: str) -> dict[str, tuple[str, ...]]:
    return keymap.load(name, (BUILT_IN,)).keys


def members(scopes: tuple[str, ...]) -> list[str]:
    return [a.id for a in ACTIONS.values() if a.scope in scopes or a.id in scopes]


def test_there_are_the_promised_keymaps() -> None:
    assert set(KEYMAPS) >= {"default", "vim", "emacs", "eman2", "imod", "onehand"}


@pytest.mark.parametrize("name", KEYMAPS)
@pytest.mark.parametrize("stack", STACKS)
def test_no_key_has_two_meanings_in_one_place(name: str, stack: str) -> None:
    assert conflicts(members(STACKS[stack]), in_force(name)) == []


@pytest.mark.parametrize("name", KEYMAPS)
def test_keymaps_name_only_actions_that_exist_and_keys_that_terminals_send(name: str) -> None:
    found = read_keymap(BUILT_IN / f"{name}.toml")
    keys = found.keys
    assert found.problems == ()
    assert keymap.load(name, (BUILT_IN,)).problems == ()
    assert set(keys) <= set(ACTIONS)
    used = {key for listed in keys.values() for key in listed}
    assert not used & FORBIDDEN
    assert not {key for key in used if key.startswith("shift+") and len(key) == len("shift+x")}


@pytest.mark.parametrize("name", KEYMAPS)
def test_function_and_alt_keys_are_only_aliases(name: str) -> None:
    for action, listed in read_keymap(BUILT_IN / f"{name}.toml").keys.items():
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


def hidden_keys(chain: list[list[str]], keys: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Return the actions that lose a key to another, along the places that a key passes."""
    taken: dict[str, str] = {}
    hidden = set[str]()
    for place in chain:
        assert conflicts(place, keys) == []
        mine = {name_of(key): action for action in place for key in keys.get(action, ())}
        hidden |= {action for key, action in mine.items() if key in taken}
        taken = mine | taken
    return hidden


async def test_no_keymap_hides_a_key_of_the_screen_around_the_focus(make_app: AppMaker) -> None:
    app = make_app()
    chains = {}
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, lambda: app.current_mode == "datasets")
        for mode in MODES:
            app.go_to_mode(mode)
            await until(pilot, lambda: app.screen.is_mounted)
            around = [ids_of(app.screen), ids_of(app)]
            chains[mode] = around
            for widget in app.screen.query("*"):
                if widget.can_focus and (own := ids_of(widget)):
                    chains[f"{mode}: {type(widget).__name__}"] = [own, *around]
    assert len(chains) >= 2 * len(MODES)
    for name in KEYMAPS:
        for where, chain in chains.items():
            meant = hidden_keys(chain, keymap.default_keys())
            assert hidden_keys(chain, in_force(name)) <= meant, f"{name}, {where}"


def ids_of(node: DOMNode) -> list[str]:
    return list(
        dict.fromkeys(b.id for _, b in node._bindings if b.id is not None and b.id in ACTIONS)
    )


def test_a_key_that_never_arrives_is_told_with_file_line_and_remedy(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[keys]\n"app.help" = ["ctrl+h", "f1"]\n"list.up" = "w"\n"list.down" = ["shift+x"]\n'
        '"list.lost" = "x"\n"list.mark" = []\n"list.open" = "hyper+x"\n'
    )
    found = keymap.load("mine", (BUILT_IN, tmp_path))
    assert found.keys["app.help"] == ("f1",)
    assert found.keys["list.up"] == ("w",)
    assert found.keys["list.down"] == keymap.default_keys()["list.down"]
    told = "\n".join(found.problems)
    assert f"{path}, line 2: app.help: ctrl+h does not arrive from all terminals" in told
    assert f"{path}, line 4: list.down: terminals send shift+x as X; write that" in told
    assert f"{path}, line 5: there is no action list.lost; did you mean list.last?" in told
    assert f"{path}, line 6: list.mark: give a key" in told
    assert "line 7: list.open: there is no key hyper+x" in told


def test_a_file_of_the_user_changes_the_keymap_of_its_name_or_its_base(tmp_path: Path) -> None:
    (tmp_path / "vim.toml").write_text('[keys]\n"list.mark" = "M"\n')
    (tmp_path / "mine.toml").write_text('base = "vim"\n[keys]\n"list.open" = "o"\n')
    folders = (BUILT_IN, tmp_path)
    vim, mine = keymap.load("vim", folders).keys, keymap.load("mine", folders).keys
    assert vim["list.mark"] == mine["list.mark"] == ("M",)
    assert vim["app.quit"] == mine["app.quit"] == ("q", "Z")
    assert mine["list.open"] == ("o",)
    (tmp_path / "lost.toml").write_text('base = "qwerty"\n[keys]\n')
    with pytest.raises(KeymapError, match=r"lost\.toml: base: there is no keymap qwerty"):
        keymap.load("lost", folders)


def test_two_actions_of_one_scope_on_one_key_are_told() -> None:
    keys = {**keymap.default_keys(), "list.mark": ("j",)}
    assert keymap.conflicts_by_scope(keys) == ["j: list.down and list.mark"]
    assert keymap.conflicts_by_scope(keymap.default_keys()) == []


@pytest.mark.parametrize("key", ["[", "left_square_bracket", "ctrl+w", "f5", "shift+up", "alt+x"])
def test_keys_that_arrive_are_taken(key: str) -> None:
    assert why_not(key) == ""


@pytest.mark.parametrize("words", ["keys = 3", "base = 3\n[keys]", "not toml at all ["])
def test_a_broken_keymap_is_refused_with_its_file(tmp_path: Path, words: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(words)
    with pytest.raises(KeymapError, match=r"mine\.toml"):
        keymap.load("mine", (BUILT_IN, tmp_path))


def test_an_unknown_keymap_is_refused_with_what_there_is() -> None:
    with pytest.raises(KeymapError, match=r"no keymap qwerty.*emacs"):
        keymap.overrides("qwerty")


def test_overrides_name_only_what_is_different() -> None:
    changed = keymap.overrides("emacs")
    assert changed["list.down"] == "down,ctrl+n"
    assert "app.help" not in changed
    assert keymap.overrides("default") == {}


async def test_every_action_can_be_typed_by_its_id(make_app: AppMaker) -> None:
    app = make_app()
    async with app.run_test(size=(120, 32)) as pilot:
        table = await table_of(pilot, app)
        assert "list.mark_all" in command_line.complete(app, "list.")
        app.run_command_line("list.mark_all")
        await until(pilot, lambda: len(table.selection.marks) == 6)
        app.run_command_line("list.unmark")
        await until(pilot, lambda: not table.selection.marks)


async def test_a_keymap_with_a_bad_line_works_and_says_so(
    make_app: AppMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = keymap.user_folder() / "mine.toml"
    mine.parent.mkdir(parents=True)
    mine.write_text('base = "eman2"\n[keys]\n"list.down" = "w"\n"list.up" = "ctrl+h"\n')
    app = make_app()
    said: list[str] = []
    async with app.run_test(size=(120, 32)) as pilot:
        table = await table_of(pilot, app)
        monkeypatch.setattr(app, "say", lambda words, *_: said.append(words))
        app.use_keymap("mine")
        await until(pilot, lambda: any(f"{mine}, line 4: list.up: ctrl+h" in one for one in said))
        first = table.cursor_key
        await pilot.press("w")
        assert table.cursor_key != first
        await pilot.press("k")
        assert table.cursor_key == first
        await pilot.press("4")
        await until(pilot, lambda: app.current_mode == "jobs")
        await pilot.press("9")
        await until(pilot, lambda: app.current_mode == "datasets")


async def table_of(pilot: Pilot[Any], app: App[int]) -> Table:
    """Wait for the list of tilt series."""
    await until(pilot, lambda: app.screen.query_one(Table).total == 6)
    table: Table = app.screen.query_one(Table)
    return table
