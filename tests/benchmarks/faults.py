"""Kill agents, workers and screens at random moments, and count what that loses.

    python tests/benchmarks/faults.py --rounds 50

Each round runs six tasks in two jobs that depend on each other, kills one kind of process up to
three times, retries what failed, and then compares the project file with what the workers wrote.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
JOBS = HERE.parent / "jobs"
sys.path[:0] = [str(JOBS), str(HERE.parents[1])]


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--rounds", type=int, default=50)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--screens-every", type=int, default=5, help="0: never")
    chosen = words.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(JOBS), str(HERE.parents[1])])
    os.environ["TOMOTUI_EXTRA_STAGES"] = "fake_stages:FakeStage,fake_stages:NextStage"
    os.environ["TOMOTUI_CPU_SLOTS"] = "2"
    os.environ["TERM"] = "xterm-256color"
    from kill_rounds import end_agent, kill_rounds

    from tomotui.project import Project

    rounds: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    retried: Counter[str] = Counter()
    wrong: list[str] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "project"
        Project.create(folder).close()
        try:
            for one in kill_rounds(folder, chosen.rounds, chosen.seed, chosen.screens_every):
                rounds[one.victim] += 1
                hits[one.victim] += one.hits
                retried[one.victim] += one.retried
                wrong += one.wrong
                for line in one.wrong:
                    print(f"round {rounds.total()}, {one.victim}: {line}", flush=True)
        finally:
            end_agent(folder)
    print(f"{'killed':<12} {'rounds':>7} {'kills':>7} {'tasks retried':>14}")
    for victim in rounds:
        print(f"{victim:<12} {rounds[victim]:>7} {hits[victim]:>7} {retried[victim]:>14}")
    print(
        f"{rounds.total()} rounds, {hits.total()} kills, {len(wrong)} losses or doubles, "
        f"{time.monotonic() - began:.0f} s"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
