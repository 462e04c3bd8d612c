"""The page of conventions."""

from __future__ import annotations

import textwrap

WIDTH = 96


def conventions() -> int:
    """Tell axes, origins, units, angles and signs, here and in every format read or written.

    Example: `tomotui conventions`
    """
    from tomotui.formats.conventions import conventions as page

    for line in page().splitlines():
        print("\n".join(textwrap.wrap(line, WIDTH, subsequent_indent="    ")))
    return 0
