"""How every benchmark prints a figure: ``name value unit target``, aligned."""

from __future__ import annotations


def figure(name: str, value: float, unit: str, target: str = "-") -> None:
    print(f"{name:<44} {value:>10.4g} {unit:<10} {target}", flush=True)
