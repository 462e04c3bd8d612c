"""Characters of ASCII in the place of those that the program writes beyond it.

Each character becomes one other, for a line must stay as wide as it was. Letters of other scripts,
which only come from names that users give, are left as they are.
"""

from __future__ import annotations

_ACROSS = "─━┄┅┈┉╌╍╴╶╸╺╼╾═▔▁‐‑‒–—−⎺⎻⎼⎽"
_DOWN = "│┃┆┇┊┋╎╏╵╷╹╻╽╿║▏▎▍▌▋▊▉▐▕"
_SINGLE = {
    **dict(zip("▂▃▄▅▆▇█▀■□░▒▓", ".:-=+*##oo.:#", strict=True)),
    **dict(zip("✓✗●○◌◆◇▲△▼▽▾▴▸▶►◀◂•·…∙", "+x*ooo*^^vvv^>>><<*...", strict=True)),
    **dict(zip("→←↑↓⇒›‹»«", "><^v>><><", strict=True)),
    **dict(zip("Å°µμσΔ±×÷²³¹⁻⁰⁺∞≤≥≈≠√∑", "AduusD~x/231-0+8<>~#vS", strict=True)),
    **dict(zip("’‘“”′″", "''\"\"'\"", strict=True)),
}
_OTHER_RANGES = (
    (0x2500, 0x257F, "+"),  # corners and crossings of frames
    (0x2580, 0x259F, "#"),  # quadrants
    (0x2800, 0x28FF, "*"),  # braille
    (0x1CC00, 0x1CEBF, "#"),  # octants
    (0x1FB00, 0x1FBFF, "#"),  # sextants
    (0x231C, 0x231F, "+"),  # corners around a mark
)


def _table() -> dict[int, str]:
    table = {code: sign for low, high, sign in _OTHER_RANGES for code in range(low, high + 1)}
    table |= dict.fromkeys(map(ord, _ACROSS), "-") | dict.fromkeys(map(ord, _DOWN), "|")
    table |= {ord(character): sign for character, sign in _SINGLE.items()}
    table[0x2800] = table[0xA0] = " "
    return table


_TABLE = _table()


def in_ascii(words: str) -> str:
    """Return words with what the program itself writes beyond ASCII in characters of ASCII."""
    return words if words.isascii() else words.translate(_TABLE)
