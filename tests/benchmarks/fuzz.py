"""Give every reader damaged files, and count what it makes of them.

    python tests/benchmarks/fuzz.py --inputs 10000

A reader must read a file or refuse it in words of our own that name it: within seconds, without
another error, and with no more memory than the file deserves.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "formats"), str(HERE.parents[1])]
INTEROP = HERE.parents[2] / "shared" / "data" / "interop"


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--inputs", type=int, default=10_000, help="for each format")
    words.add_argument("--first", type=int, default=0, help="number of the first input")
    words.add_argument("--only", default="", help="formats whose names hold this")
    words.add_argument("--keep", type=Path, help="folder for the files that went wrong")
    words.add_argument("--seconds", type=float, default=10.0, help="for one file")
    chosen = words.parse_args()
    from fuzzing import judge, limits, targets

    logging.disable(logging.CRITICAL)
    print(f"{'format':<18} {'inputs':>7} {'refused':>8} {'read':>7} {'wrong':>6} {'worst s':>8}")
    n_wrong = 0
    with tempfile.TemporaryDirectory() as place:
        for target in targets(INTEROP):
            if chosen.only.lower() not in target.name.lower():
                continue
            counts: Counter[str] = Counter()
            seen: Counter[str] = Counter()
            worst = 0.0
            path = Path(place) / f"{target.name}{target.suffix}".replace(" ", "-")
            for number in range(chosen.first, chosen.first + chosen.inputs):
                content = target.input(number)
                with limits(chosen.seconds):
                    verdict = judge(target, path, content)
                counts[verdict.outcome] += 1
                worst = max(worst, verdict.seconds)
                if verdict.outcome == "wrong":
                    words_said = verdict.words.replace(place, "")[:160]
                    if not seen[words_said[:40]]:
                        print(f"  {target.name} {number}: {words_said}", flush=True)
                        if chosen.keep:
                            chosen.keep.mkdir(parents=True, exist_ok=True)
                            name = f"{target.name.replace(' ', '-')}-{number}{target.suffix}"
                            (chosen.keep / name).write_bytes(content)
                    seen[words_said[:40]] += 1
            n_wrong += counts["wrong"]
            print(
                f"{target.name:<18} {chosen.inputs:>7} {counts['refused']:>8} "
                f"{counts['read']:>7} {counts['wrong']:>6} {worst:>8.3f}",
                flush=True,
            )
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
