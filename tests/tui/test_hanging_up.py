"""Terminals that go without a word, or take no more."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tomotui.tui.hanging_up import Outlet, is_gone

RUN = """
import sys
from pathlib import Path
from tomotui.tui.app import TomotuiApp

app = TomotuiApp(Path(sys.argv[1]), start_agents=False)
app.run()
raise SystemExit(app.return_code)
"""


@contextmanager
def started(folder: Path, state: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The app in a terminal that is not its controlling one: nobody tells it of its end."""
    master, slave = os.openpty()
    environment = {**os.environ, "XDG_STATE_HOME": str(state), "XDG_CONFIG_HOME": str(state)}
    environment.update(TERM="xterm-256color", TOMOTUI_GLYPHS="half")
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(folder)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
        start_new_session=True,
    )
    os.close(slave)
    try:
        seen, deadline = b"", time.monotonic() + 60
        while b"ts_005" not in seen and time.monotonic() < deadline:
            if select.select([master], [], [], 0.2)[0]:
                seen += os.read(master, 1 << 16)
        assert b"ts_005" in seen
        yield process, master
    finally:
        process.kill()
        process.wait()


def test_the_app_ends_with_a_terminal_that_went_without_a_word(
    folder: Path, tmp_path: Path
) -> None:
    with started(folder, tmp_path) as (process, master):
        os.close(master)
        assert process.wait(60) == 128 + signal.SIGHUP


def test_the_app_ends_on_a_signal_while_its_terminal_reads_nothing(
    folder: Path, tmp_path: Path
) -> None:
    with started(folder, tmp_path) as (process, master):
        # More than a terminal takes that nobody reads.
        for key in b"?\x1b" * 40:
            os.write(master, bytes([key]))
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
        os.close(master)


def test_what_is_written_to_a_terminal_that_is_gone_is_dropped() -> None:
    class Gone:
        n_tried = 0

        def write(self, text: str) -> int:
            self.n_tried += 1
            raise OSError(5, "Input/output error")

        def flush(self) -> None:
            self.n_tried += 1

    file, told = Gone(), []
    outlet = Outlet(file, lambda: told.append(True))  # type: ignore[arg-type]
    assert outlet.write("a picture") == 9
    outlet.write("another")
    outlet.flush()
    assert (file.n_tried, told) == (1, [True])


def test_a_closed_pseudo_terminal_is_gone_and_a_file_is_none(tmp_path: Path) -> None:
    master, slave = os.openpty()
    assert not is_gone(slave)
    os.close(master)
    assert is_gone(slave)
    os.close(slave)
    with (tmp_path / "input").open("w") as file:
        assert not is_gone(file.fileno())
