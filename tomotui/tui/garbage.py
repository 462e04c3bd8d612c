"""Rests the garbage collector while the program starts.

What the imports and the first screen make stays until the end. The collector would look through it
a dozen times before the first picture is there, and once more, for longer than a frame may take,
whenever the heap has grown by a quarter.
"""

from __future__ import annotations

import gc


def rest() -> None:
    """Collect nothing for now."""
    gc.disable()


def resume() -> None:
    """Collect again what is made from now on, if the collector rests."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
