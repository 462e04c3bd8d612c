"""Keys by action id, from TOML files: the built-in keymaps and the user's own."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import platformdirs

Keys = dict[str, tuple[str, ...]]

BUILT_IN = Path(__file__).with_name("keymaps")
DEFAULT_KEYMAP = "default"

FORBIDDEN = frozenset(
    {"ctrl+h", "ctrl+i", "ctrl+j", "ctrl+m", "ctrl+left_square_bracket", "ctrl+[", "ctrl+enter"}
    | {"ctrl+s", "ctrl+q", "ctrl+a", "ctrl+b"}
)
"""Keys that terminals send as others, that stop the flow of output, or that multiplexers take."""


class KeymapError(ValueError):
    """A keymap file cannot be used; says which file and why."""


def read_keymap(path: Path) -> Keys:
    """Read a keymap file: a table ``[keys]`` with a key or a list of keys for each action id.

    Raises
    ------
    KeymapError
        When the file cannot be read or holds something else.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise KeymapError(f"{path} cannot be read: {error}") from error
    table = values.get("keys")
    if not isinstance(table, dict):
        raise KeymapError(f"{path} has no table [keys]")
    keys: Keys = {}
    for action, given in table.items():
        listed = [given] if isinstance(given, str) else given
        if not isinstance(listed, list) or not all(isinstance(key, str) for key in listed):
            raise KeymapError(f"{path}: {action} must be a key or a list of keys")
        bad = [key for key in listed if key in FORBIDDEN]
        if bad:
            raise KeymapError(
                f"{path}: {action} cannot be on {', '.join(bad)}: terminals do not send such keys"
            )
        keys[action] = tuple(listed)
    return keys


@cache
def default_keys() -> Mapping[str, tuple[str, ...]]:
    """Return the keys of the default keymap, by action id."""
    return read_keymap(BUILT_IN / f"{DEFAULT_KEYMAP}.toml")


def user_folder() -> Path:
    """Return where users keep keymaps of their own."""
    return platformdirs.user_config_path("tomotui") / "keymaps"


def available(folders: Iterable[Path] | None = None) -> dict[str, Path]:
    """Return the keymap files by name; the user's win over built-in ones."""
    if folders is None:
        folders = (BUILT_IN, user_folder())
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


def overrides(name: str) -> dict[str, str]:
    """Return what a keymap changes, in the form Textual takes.

    Raises
    ------
    KeymapError
        When there is no such keymap, or its file is wrong.
    """
    if name == DEFAULT_KEYMAP and name not in available((user_folder(),)):
        return {}
    path = available().get(name)
    if path is None:
        raise KeymapError(f"there is no keymap {name}; there are {', '.join(available())}")
    changed = {a: keys for a, keys in read_keymap(path).items() if keys != default_keys().get(a)}
    return {action: ",".join(keys) for action, keys in changed.items()}


def conflicts(actions: Iterable[str], keys: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the keys that two of the given actions share."""
    owner: dict[str, str] = {}
    found = []
    for action in actions:
        for key in keys.get(action, ()):
            if key in owner and owner[key] != action:
                found.append(f"{key}: {owner[key]} and {action}")
            owner[key] = action
    return found
