"""A self-test of the stages on simulated truth."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tomotui.cli.errors import WrongWords
from tomotui.cli.options import JsonOption, print_json, print_table


def bench(
    *,
    stages: str = "",
    folder: Path | None = None,
    json: JsonOption = False,
) -> int:
    """Run the stages on simulated data, and compare what comes out with the truth.

    Everything runs as the jobs that users run, in a temporary project. Exit code 1 when a stage
    fails or is worse than expected.

    Example: `tomotui bench --stages align,ctf`

    Parameters
    ----------
    stages
        Stages to judge, with commas between them; those they need run too. All by default.
    folder
        Where to make the temporary project; the system's place for such things by default.
    json
        Print JSON for scripts.
    """
    # Imported late: they bring the simulation.
    from tomotui.bench.checks import STAGES, run_bench
    from tomotui.bench.report import HEADER

    names = [word.strip() for word in stages.split(",") if word.strip()]
    unknown = [name for name in names if name not in STAGES]
    if unknown:
        raise WrongWords(f"--stages {unknown[0]}: there are {', '.join(STAGES)}")
    began = time.perf_counter()

    def tell(words: str) -> None:
        print(words, file=sys.stderr, flush=True)

    place = folder.expanduser() if folder is not None else None
    try:
        with _stopped_by_signals():
            checks = list(run_bench(names, place, tell))
    except (_Stopped, KeyboardInterrupt) as stopped:
        print("stopped; the temporary project is gone", file=sys.stderr)
        return 128 + getattr(stopped, "number", int(signal.SIGINT))
    passes = all(check.passes for check in checks)
    seconds = time.perf_counter() - began
    if json:
        found = [check.to_json() for check in checks]
        print_json({"passes": passes, "seconds": seconds, "checks": found})
        return 0 if passes else 1
    print_table(HEADER, [row for check in checks for row in check.rows()])
    failed = [check.stage for check in checks if not check.passes]
    words = f"not as expected: {', '.join(failed)}" if failed else "all as expected"
    print(f"\n{words}; {seconds:.0f} s")
    return 0 if passes else 1


class _Stopped(BaseException):
    """A signal asked for the end; no mistake of a stage, so that none takes it for one."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let ctrl+c, a polite kill and a closed terminal end the work, but not the cleaning up."""
    asking = [
        each
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(each) is not signal.SIG_IGN
    ]

    def stop(number: int, frame: FrameType | None) -> None:
        for each in asking:
            signal.signal(each, signal.SIG_IGN)
        os.write(2, b"\nstopping; the temporary project is taken away\n")
        raise _Stopped(number)

    before = {each: signal.signal(each, stop) for each in asking}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
