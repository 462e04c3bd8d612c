"""Doing what the commands of curation say, one act each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tomotui.cli.curate_oracle import Oracle
from tomotui.cli.curate_script import Command
from tomotui.cli.errors import WorkFailed, WrongWords
from tomotui.project.curation import ORDERS, Curation, Order, Rows
from tomotui.project.decisions import Entry
from tomotui.records import Verdict

Tell = Callable[[dict[str, Any]], None]

_VERDICTS: dict[str, Verdict] = {
    "accept": "accepted",
    "reject": "rejected",
    "unsure": "unsure",
    "reset": "undecided",
}


class CurationRun:
    """Works through commands.

    Parameters
    ----------
    series_of
        Name of the tilt series of each tomogram.
    homes
        The tomogram of each series that particles are put into.
    tell
        Takes what was done, as a dictionary for a line of JSON.
    """

    def __init__(
        self,
        curation: Curation,
        series_of: dict[str, str],
        homes: dict[str, str],
        tell: Tell,
        oracle: Oracle | None = None,
        order: Order = "priority",
    ) -> None:
        self.curation = curation
        self.oracle = oracle
        self.threshold: float | None = None
        self._series_of = series_of
        self._homes = homes
        self._tell = tell
        self._order: Order = order
        self._seed = 0
        self._queue: Rows | None = None
        self._at = 0
        self._acts: dict[str, Callable[[Command], None]] = {
            **dict.fromkeys(_VERDICTS, self._judge),
            "class": self._classify,
            "move": self._move,
            "insert": self._insert,
            "mark": self._mark,
            "next": self._next,
            "queue": self._use_order,
            "threshold": self._cut,
            "audit": self._audit,
            "undo": self._take_back,
            "redo": self._take_back,
        }

    def run(self, commands: Iterable[Command]) -> None:
        """Do what the commands say.

        Raises
        ------
        WrongWords
            When a command means nothing here.
        ProjectError
            When the project refuses; what was done before stays.
        """
        for command in commands:
            self._acts[command.name](command)

    # ---- which one

    def _current(self) -> int | None:
        """Return the first undecided candidate of the queue; ``None`` when all were judged."""
        if self._queue is None:
            self._queue, self._at = self.curation.order(self._order, self._seed), 0
        is_open = self.curation.is_open
        while self._at < len(self._queue):
            row = int(self._queue[self._at])
            if is_open[row]:
                return row
            self._at += 1
        return None

    def _meant(self, command: Command, place: int) -> int:
        """Return the row of the particle that a command names."""
        words = command.words[place:]
        if not words:
            current = self._current()
            if current is None:
                raise WorkFailed(f"{command.where}: nothing is left to judge")
            return current
        if words[0] == "nearest":
            return self._nearest(command, place + 1)
        if words[0].startswith("#"):
            n = len(self.curation.table)
            if not words[0][1:].isdigit() or not 1 <= int(words[0][1:]) <= n:
                raise command.wrong(f"there is no row {words[0]}; there are #1 to #{n}")
            return int(words[0][1:]) - 1
        row = self.curation.row(words[0])
        if row is None:
            raise command.wrong(f"there is no particle {words[0]} in this set")
        return row

    def _nearest(self, command: Command, place: int) -> int:
        words = command.words[place:]
        names = list(self._homes)
        if len(words) == 4:
            names, place = [self._known(command, words[0])], place + 1
        elif len(names) != 1:
            raise command.wrong("there are several tomograms: say which")
        at = command.position(place)
        uids = [uid for uid, name in self._series_of.items() if name in names]
        found = self.curation.nearest(uids, at)
        if found is None:
            raise WorkFailed(f"{command.where}: there is no particle in {names[0]}")
        return found[0]

    def _known(self, command: Command, name: str) -> str:
        if name not in self._homes:
            there = ", ".join(self._homes) or "none"
            raise command.wrong(f"there is no tomogram {name}; there are {there}")
        return name

    # ---- acts

    def _judge(self, command: Command) -> None:
        row = self._meant(command, 0)
        self._say(command.name, self.curation.decide([row], _VERDICTS[command.name]))

    def _classify(self, command: Command) -> None:
        row = self._meant(command, 1)
        self._say("class", self.curation.classify([row], command.count(0)))

    def _move(self, command: Command) -> None:
        row = self._meant(command, 3)
        self._say("move", self.curation.move(row, command.position(0)))

    def _insert(self, command: Command) -> None:
        if len(command.words) != 4:
            raise command.wrong("it takes four words")
        name = self._known(command, command.words[0])
        self._put_in("insert", name, command.position(1))

    def _put_in(self, did: str, name: str, position: tuple[float, float, float]) -> None:
        row = self.curation.insert(self._homes[name], position)
        self._tell({"did": did, **self._about(row)})

    def _mark(self, command: Command) -> None:
        oracle = self._asked(command)
        wanted = oracle.some(
            command.count(0), command.count(1, 0), command.number(2, 0.0), list(self._homes)
        )
        for name, at in wanted:
            self._put_in("mark", name, (float(at[0]), float(at[1]), float(at[2])))

    def _next(self, command: Command) -> None:
        oracle = self._asked(command)
        for _ in range(command.count(0, 1)):
            row = self._current()
            if row is None:
                return
            self._ask(oracle, row, "next")

    def _ask(self, oracle: Oracle, row: int, did: str) -> None:
        table = self.curation.table
        series = self._series_of[str(table.tomogram_uids[row])]
        right = oracle.is_right(series, table.positions_angstrom[row])
        self._say(did, self.curation.decide([row], "accepted" if right else "rejected"))

    def _asked(self, command: Command) -> Oracle:
        if self.oracle is None:
            raise WrongWords(f"{command.where}: {command.name} needs --oracle TRUTH.csv")
        return self.oracle

    def _use_order(self, command: Command) -> None:
        word = command.words[0] if command.words else ""
        orders: dict[str, Order] = {one: one for one in ORDERS}
        if word not in orders:
            raise command.wrong(f"there is no order {word}; there are {', '.join(ORDERS)}")
        self._order, self._seed = orders[word], command.count(1, 0)
        self._queue = None

    def _cut(self, command: Command) -> None:
        self.threshold = command.number(0)
        told: dict[str, Any] = {"did": "threshold", "threshold": self.threshold}
        above, below = self.curation.split(self.threshold)
        told |= {"undecided_above": len(above), "undecided_below": len(below)}
        if command.words[1:] == ("apply",):
            self.curation.apply_threshold(self.threshold)
            told |= {"accepted": len(above), "rejected": len(below)}
        elif command.words[1:]:
            raise command.wrong(f"what is {command.words[1]}?")
        self._tell(told)

    def _audit(self, command: Command) -> None:
        scores = self.curation.table.scores
        lowest = float(np.nanmin(scores)) if self.curation.has_scores else -math.inf
        threshold = lowest if self.threshold is None else self.threshold
        made = self.curation.start_audit(
            command.count(0), threshold, seed=command.count(1, 0), n_strata=command.count(2, 1)
        )
        self._tell({"did": "audit", "threshold": threshold, "particles": list(made.uids)})
        if self.oracle is not None:
            for row in self.curation.audit_rows().tolist():
                self._ask(self.oracle, row, "audited")

    def _take_back(self, command: Command) -> None:
        act = self.curation.undo if command.name == "undo" else self.curation.redo
        for _ in range(command.count(0, 1)):
            self._say(command.name, act())
        self._queue = None

    # ---- words

    def _say(self, did: str, decisions: Sequence[Entry]) -> None:
        if not decisions:
            self._tell({"did": did, "particle": None})
        for decision in decisions:
            row = self.curation.row(decision.particle_uid)
            if row is not None:
                self._tell({"did": did, **self._about(row)})

    def _about(self, row: int) -> dict[str, Any]:
        table = self.curation.table
        score = float(table.scores[row])
        x, y, z = (round(float(v), 2) for v in table.positions_angstrom[row])
        class_number = int(table.classes[row])
        return {
            "particle": str(table.uids[row]),
            "row": row + 1,
            "tomogram": self._series_of[str(table.tomogram_uids[row])],
            "x": x,
            "y": y,
            "z": z,
            "score": score if math.isfinite(score) else None,
            "decision": str(table.decisions[row]),
            "class": class_number if class_number >= 0 else None,
        }
