"""Keys by action id, from TOML files: the built-in keymaps and the user's own."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import platformdirs

from tomotui.tui.keyboard import name_of, why_not

Keys = dict[str, tuple[str, ...]]

BUILT_IN = Path(__file__).with_name("keymaps")
DEFAULT_KEYMAP = "default"
_DEFAULT_FILE = BUILT_IN / f"{DEFAULT_KEYMAP}.toml"


class KeymapError(ValueError):
    """A keymap file cannot be used; says which file and why."""


@dataclass(frozen=True)
class KeymapFile:
    """What a keymap file says.

    Attributes
    ----------
    keys
        Keys by action, without what cannot be used.
    base
        The keymap that it changes.
    problems
        What cannot be used: where it stands, why, and what to do.
    """

    keys: Keys
    base: str = DEFAULT_KEYMAP
    problems: tuple[str, ...] = ()


def read_keymap(path: Path) -> KeymapFile:
    """Read a keymap file: a table ``[keys]`` with a key or a list of keys for each action id.

    What is wrong with single lines is told in ``problems``; the other lines hold.

    Raises
    ------
    KeymapError
        When the file cannot be read or is no keymap at all.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise KeymapError(f"{path} cannot be read: {error}") from error
    table = values.get("keys")
    if not isinstance(table, dict):
        raise KeymapError(f"{path} has no table [keys]")
    base = values.get("base", path.stem)
    if not isinstance(base, str):
        raise KeymapError(f'{path}: base must be the name of a keymap, such as "vim"')
    keys: Keys = {}
    problems = []
    for action, given in table.items():
        listed = [given] if isinstance(given, str) else given
        if isinstance(listed, list) and listed and all(isinstance(key, str) for key in listed):
            reasons = [reason for key in listed if (reason := why_not(key))]
            if good := tuple(key for key in listed if not why_not(key)):
                keys[action] = good
        else:
            reasons = ['give a key or a list of keys, such as ["j", "down"]']
        problems += [
            f"{path}, line {_line_of(text, action)}: {action}: {reason}" for reason in reasons
        ]
    return KeymapFile(keys, base, tuple(problems))


def _line_of(text: str, action: str) -> int:
    """Return the line, counted from 1, in which an action gets its keys."""
    spelling = re.compile(rf"""^\s*["']?{re.escape(action)}["']?\s*=""")
    lines = text.splitlines()
    return next((at for at, line in enumerate(lines, 1) if spelling.match(line)), 1)


def _read(path: Path) -> KeymapFile:
    """Read a keymap file; the default keymap, which every other rests on, is read once."""
    return _read_default() if path == _DEFAULT_FILE else read_keymap(path)


@cache
def _read_default() -> KeymapFile:
    return read_keymap(_DEFAULT_FILE)


def default_keys() -> Mapping[str, tuple[str, ...]]:
    """Return the keys of the default keymap, by action id."""
    return _read(_DEFAULT_FILE).keys


def user_folder() -> Path:
    """Return where users keep keymaps of their own."""
    return platformdirs.user_config_path("tomotui") / "keymaps"


def available(folders: Iterable[Path] | None = None) -> dict[str, Path]:
    """Return the keymap files by name; the user's win over built-in ones."""
    if folders is None:
        folders = (BUILT_IN, user_folder())
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


class Keymap(NamedTuple):
    """The keys of a keymap, all of them, and what of its files could not be used."""

    keys: Keys
    problems: tuple[str, ...] = ()

    def overrides(self) -> dict[str, str]:
        """Return what is different from the default keymap, in the form Textual takes."""
        before = default_keys()
        return {
            action: ",".join(map(name_of, keys))
            for action, keys in self.keys.items()
            if keys != before.get(action)
        }


def load(name: str, folders: Sequence[Path] | None = None) -> Keymap:
    """Return a keymap: a built-in one, and the user's file of that name over it.

    A file of another name changes the default keymap, or the one that it names as ``base``.

    Raises
    ------
    KeymapError
        When there is no such keymap, or a file is no keymap at all.
    """
    folders = (BUILT_IN, user_folder()) if folders is None else folders
    files = _files(name, folders)
    if not files:
        raise KeymapError(f"there is no keymap {name}; there are {', '.join(available(folders))}")
    keys, problems = dict(default_keys()), list[str]()
    for path in files:
        found = _read(path)
        problems += found.problems
        for action, listed in found.keys.items():
            if action in default_keys():
                keys[action] = listed
            else:
                problems.append(f"{path}, {_unknown(path, action)}")
    return Keymap(keys, tuple(problems))


def overrides(name: str) -> dict[str, str]:
    """Return what a keymap changes, in the form Textual takes.

    Raises
    ------
    KeymapError
        When there is no such keymap, or a file is no keymap at all.
    """
    return load(name).overrides()


def _file(folder: Path, name: str) -> Path | None:
    path = folder / f"{name}.toml"
    return path if path.is_file() else None


def _files(name: str, folders: Sequence[Path], seen: tuple[str, ...] = ()) -> list[Path]:
    """Return the files that make a keymap, the first to be read first."""
    own = [path for folder in folders if (path := _file(folder, name))]
    bases = [_read(path).base for path in own]
    base = next((each for each in bases if each != name), "")
    if not base or base in seen:
        return own
    under = _files(base, folders, (*seen, name))
    if not under:
        raise KeymapError(f"{own[-1]}: base: there is no keymap {base}")
    return under + own


def _unknown(path: Path, action: str) -> str:
    near = difflib.get_close_matches(action, default_keys(), 1)
    remedy = f"did you mean {near[0]}?" if near else "the default keymap lists all"
    line = _line_of(path.read_text(encoding="utf-8"), action)
    return f"line {line}: there is no action {action}; {remedy}"


def conflicts(actions: Iterable[str], keys: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the keys that two of the given actions share."""
    owner: dict[str, str] = {}
    found = []
    for action in actions:
        for key in map(name_of, keys.get(action, ())):
            if key in owner and owner[key] != action:
                found.append(f"{key}: {owner[key]} and {action}")
            owner[key] = action
    return found


def conflicts_by_scope(keys: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the keys that two actions of one scope share: one of the two would never work.

    Dialogs are left out: each of them has a few of the actions of their scope only.
    """
    scopes = dict.fromkeys(action.partition(".")[0] for action in keys)
    return [
        conflict
        for scope in scopes
        if scope != "dialog"
        for conflict in conflicts([a for a in keys if a.startswith(f"{scope}.")], keys)
    ]
