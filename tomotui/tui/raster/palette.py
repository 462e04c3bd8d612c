"""Colours a terminal can show: greys and roles as entries, each with its escape parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tomotui.tui.raster.sixteen import ANSI_16, nearest_of_16
from tomotui.tui.raster.tiers import ColourDepth

Rgb = tuple[int, int, int]

_CUBE_STEPS = (0, 95, 135, 175, 215, 255)


def _xterm_256() -> NDArray[np.int_]:
    """Return the colours of xterm's 256-colour table, shape ``[256, 3]``."""
    cube = [(r, g, b) for r in _CUBE_STEPS for g in _CUBE_STEPS for b in _CUBE_STEPS]
    greys = [(8 + 10 * i,) * 3 for i in range(24)]
    return np.array([*ANSI_16, *cube, *greys], dtype=np.int_)


XTERM_256 = _xterm_256()
_GREYS_256 = (16, *range(232, 256), 231)
"""The 26 neutral colours of the table: black, 24 greys, white."""
_GREYS_16 = (0, 8, 7, 15)
"""Black, dark grey, light grey and white; terminals' themes move them, their order stays."""

_LUT_ANCHORS: dict[str, tuple[Rgb, ...]] = {
    "grey": ((0, 0, 0), (255, 255, 255)),
    "ice": ((2, 6, 16), (22, 52, 92), (70, 124, 168), (160, 205, 224), (244, 252, 255)),
    "fire": ((0, 0, 0), (92, 10, 28), (196, 52, 22), (246, 158, 40), (255, 250, 214)),
    "gold": ((10, 7, 2), (84, 56, 14), (176, 128, 42), (236, 200, 112), (255, 248, 226)),
    "viridis": ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)),
}
_LUT_DEPTHS: dict[str, ColourDepth] = {"ansi": "16", "none": "mono"}
"""Tables of greys that go into no more colours than these, whatever the terminal can show."""
LUT_NAMES = (*_LUT_ANCHORS, *_LUT_DEPTHS)
"""Names of the colour look-up tables."""

DEFAULT_ROLES: dict[str, Rgb] = {
    "outside": (0, 0, 0),
    "text": (238, 238, 238),
    "dim": (138, 138, 138),
    "accent": (135, 215, 255),
    "accepted": (95, 215, 135),
    "rejected": (255, 135, 95),
    "unsure": (255, 215, 95),
    "undecided": (215, 215, 255),
    "shade": (18, 18, 18),
    "cursor": (48, 64, 80),
}
"""Colours of what is drawn over an image; ``shade`` is the ground under text, ``cursor`` that
under the text of what is chosen. The nine classes of particles follow, ``class1`` to ``class9``."""

CLASS_COLOURS: tuple[Rgb, ...] = (
    (95, 175, 255),
    (95, 215, 135),
    (255, 215, 95),
    (175, 175, 255),
    (255, 135, 95),
    (95, 215, 215),
    (215, 135, 215),
    (175, 215, 95),
    (238, 238, 238),
)
DEFAULT_ROLES |= {f"class{n}": colour for n, colour in enumerate(CLASS_COLOURS, start=1)}


def lut(name: str) -> NDArray[np.uint8]:
    """Return a colour look-up table, shape ``[256, 3]``, dark first.

    Raises
    ------
    ValueError
        When no table has this name.
    """
    if name in _LUT_DEPTHS:
        name = "grey"
    if name not in _LUT_ANCHORS:
        raise ValueError(f"no colour table {name!r}; choose from {', '.join(LUT_NAMES)}")
    anchors = np.array(_LUT_ANCHORS[name], dtype=np.float64)
    at = np.linspace(0, 255, len(anchors))
    channels = [np.interp(np.arange(256), at, anchors[:, c]) for c in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


@dataclass(frozen=True)
class Palette:
    """A numbered list of colours.

    Attributes
    ----------
    depth
        What the terminal can do.
    quantise
        Entry of each grey level, shape ``[256]``.
    rgb
        Colour of each entry as a terminal shows it.
    numbers
        Number of each entry in the 16 or 256 colours; -1 in true colour.
    roles
        Entries of the colours that are no greys of the image, by role.
    foreground, background
        SGR parameters of each entry, such as ``38;5;240``; empty in mono.
    """

    depth: ColourDepth
    quantise: NDArray[np.intp] = field(repr=False, compare=False)
    rgb: tuple[Rgb, ...]
    numbers: tuple[int, ...]
    roles: Mapping[str, int]
    foreground: tuple[str, ...] = field(repr=False)
    background: tuple[str, ...] = field(repr=False)

    @property
    def is_mono(self) -> bool:
        """True when no colour at all may be sent."""
        return self.depth == "mono"

    def role(self, name: str) -> int:
        """Return the entry of a role; unknown roles are drawn as text."""
        return self.roles.get(name, self.roles["text"])

    def levels(self) -> int:
        """Return how many different entries the image can have."""
        return len(np.unique(self.quantise))


def make_palette(
    depth: ColourDepth,
    table: str = "grey",
    roles: Mapping[str, Rgb] | None = None,
    max_levels: int = 256,
    exact_roles: bool = False,
) -> Palette:
    """Make the palette of an image.

    Parameters
    ----------
    depth
        What the terminal can show.
    table
        Name of the colour look-up table.
    roles
        Colours that replace those of ``DEFAULT_ROLES``.
    max_levels
        Use at most so many tones: fewer tones cost fewer bytes, for pictures in motion.
    exact_roles
        Send roles in true colour beside numbered greys, so that they match the theme.
    """
    wanted = {**DEFAULT_ROLES, **(roles or {})}
    if table in _LUT_DEPTHS:
        depth = depth if depth in ("mono", _LUT_DEPTHS[table]) else _LUT_DEPTHS[table]
        table, exact_roles = "grey", False
    return _make(depth, table, tuple(sorted(wanted.items())), max_levels, exact_roles)


@lru_cache(maxsize=32)
def _make(
    depth: ColourDepth,
    table: str,
    roles: tuple[tuple[str, Rgb], ...],
    max_levels: int,
    exact_roles: bool,
) -> Palette:
    colours = lut(table).astype(np.int_)
    if depth == "mono":
        rgb, numbers, quantise = [(255, 255, 255)], [-1], np.zeros(256, np.intp)
    elif depth == "truecolor":
        rgb, numbers, quantise = _truecolor(colours, max_levels)
    else:
        candidates = _candidates(depth, table, max_levels)
        rgb, numbers, quantise = _indexed(colours, candidates, even=depth == "16")
    by_role: dict[str, int] = {}
    for role, colour in roles:
        by_role[role] = len(rgb) if depth != "mono" else 0
        if depth == "mono":
            continue
        exact = exact_roles or depth == "truecolor"
        number = -1 if exact else _nearest(colour, depth)
        rgb.append(colour if number < 0 else _rgb(number))
        numbers.append(number)
    pairs = list(zip(rgb, numbers, strict=True))
    return Palette(
        depth=depth,
        quantise=quantise,
        rgb=tuple(rgb),
        numbers=tuple(numbers),
        roles=by_role,
        foreground=tuple(_sgr(depth, c, n, ground=False) for c, n in pairs),
        background=tuple(_sgr(depth, c, n, ground=True) for c, n in pairs),
    )


_Entries = tuple[list[Rgb], list[int], NDArray[np.intp]]


def _truecolor(colours: NDArray[np.int_], max_levels: int) -> _Entries:
    n_levels = min(256, max_levels)
    at = np.rint(np.linspace(0, 255, n_levels)).astype(np.intp)
    quantise = np.rint(np.arange(256) * (n_levels - 1) / 255).astype(np.intp)
    rgb = [(int(r), int(g), int(b)) for r, g, b in colours[at]]
    return rgb, [-1] * n_levels, quantise


def _candidates(depth: ColourDepth, table: str, max_levels: int) -> tuple[int, ...]:
    """Return the numbered colours that an image may use."""
    if depth == "16":
        greys: tuple[int, ...] = _GREYS_16
        return greys if table == "grey" else tuple(range(16))
    if table != "grey":
        return tuple(range(16, 256))
    if max_levels >= len(_GREYS_256):
        return _GREYS_256
    chosen = np.rint(np.linspace(0, len(_GREYS_256) - 1, max_levels)).astype(int)
    return tuple(_GREYS_256[i] for i in chosen)


def _indexed(colours: NDArray[np.int_], candidates: tuple[int, ...], even: bool) -> _Entries:
    """Assign each level the nearest candidate; ``even`` spreads them by order instead."""
    palette = XTERM_256[list(candidates)]
    if even and len(candidates) == len(_GREYS_16):
        nearest = np.arange(256) * len(candidates) // 256
    else:
        distance = ((colours[:, None, :] - palette[None]) ** 2).sum(axis=2)
        nearest = distance.argmin(axis=1)
    used, quantise = np.unique(nearest, return_inverse=True)
    numbers = [candidates[i] for i in used]
    return [_rgb(n) for n in numbers], numbers, quantise.astype(np.intp)


def _rgb(number: int) -> Rgb:
    r, g, b = (int(v) for v in XTERM_256[number])
    return r, g, b


def _nearest(colour: Rgb, depth: ColourDepth) -> int:
    """Return the number of the nearest colour that terminals' themes leave alone, if possible."""
    if depth == "16":
        return nearest_of_16(colour)
    numbers = range(16, 256)
    distance = ((XTERM_256[list(numbers)] - np.array(colour)) ** 2).sum(axis=1)
    return numbers[int(distance.argmin())]


def _sgr(depth: ColourDepth, colour: Rgb, number: int, ground: bool) -> str:
    if depth == "mono":
        return ""
    if number < 0:
        return f"{48 if ground else 38};2;{colour[0]};{colour[1]};{colour[2]}"
    if depth == "256":
        return f"{48 if ground else 38};5;{number}"
    base = (40 if ground else 30) if number < 8 else (92 if ground else 82)
    return str(base + number)
