"""Never send a picture before the terminal has shown the last: flow control by cursor reports.

A slow link swallows megabytes before anybody notices that it is slow. So each picture is followed
by a question that the terminal answers when it has got that far (``CSI 6n``); until then no other
picture is sent, and the answer starts the newest one.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from textual import events
from textual.timer import Timer
from textual.widget import Widget

from tomotui.tui.raster.control import write_to_terminal

if TYPE_CHECKING:
    from textual.app import App

    Base = App[Any]
else:
    Base = object

CURSOR_REPORT = "\x1b[6n"


class Acknowledged(Protocol):
    """Somebody who waits for the terminal's answer."""

    def frame_acknowledged(self) -> None:
        """Take note that the terminal has shown everything sent before the question."""


class FrameAcknowledgements(Base):
    """Mixin for the app: asks the terminal and hands the answers to those who asked, in order."""

    _waiting_for_report: deque[Acknowledged]

    def ask_for_acknowledgement(self, asker: Acknowledged) -> bool:
        """Ask behind everything sent so far; tell whether there is a terminal to answer."""
        if not write_to_terminal(self, CURSOR_REPORT):
            return False
        self._queue().append(asker)
        return True

    def forget_acknowledgements(self, asker: Acknowledged) -> None:
        """Expect no answers for someone who has given up or gone."""
        queue = self._queue()
        while asker in queue:
            queue.remove(asker)

    def on_cursor_position(self, event: events.CursorPosition) -> None:
        """Hand an answer to whoever asked first."""
        queue = self._queue()
        if queue:
            queue.popleft().frame_acknowledged()

    def _queue(self) -> deque[Acknowledged]:
        if not hasattr(self, "_waiting_for_report"):
            self._waiting_for_report = deque()
        return self._waiting_for_report


class FramePacer:
    """Decides when a picture may be sent and how much it may cost.

    Times are seconds of a monotonic clock, given by the caller.

    Attributes
    ----------
    answers
        Whether the terminal answers; ``None`` before the first answer or silence.
    """

    SLOW_PICTURE_SECONDS = 0.08
    """A picture that takes longer than this is drawn cheaply while it moves."""
    PATIENCE_SECONDS = 3.0
    """How long the answer to a picture may take before it is given up."""
    GREETING_SECONDS = 0.7
    """How long the answer to a bare question may take: the first picture waits for it."""
    BLIND_INTERVAL_SECONDS = 1 / 20
    """Time between pictures for terminals that do not answer."""

    def __init__(self) -> None:
        self.answers: bool | None = None
        self.in_flight = False
        self._sent_at = 0.0
        self._sent_bytes = 0
        self._silences = 0
        self._round_trip: float | None = None
        self._seconds_per_byte = 0.0

    @property
    def round_trip(self) -> float | None:
        """Seconds that the shortest question took; ``None`` before the first answer."""
        return self._round_trip

    def sent(self, now: float, n_bytes: int) -> None:
        """Note that a picture (or, with 0 bytes, a bare question) is on its way."""
        self.in_flight = True
        self._sent_at, self._sent_bytes = now, n_bytes

    def acknowledged(self, now: float) -> None:
        """Note the terminal's answer; late ones also tell that it does answer."""
        self.answers, self._silences = True, 0
        if not self.in_flight:
            return
        self.in_flight = False
        took = max(now - self._sent_at, 0.0)
        if self._round_trip is None or took < self._round_trip:
            self._round_trip = took
        if self._sent_bytes:
            measured = max(took - self._round_trip, 0.0) / self._sent_bytes
            self._seconds_per_byte += 0.5 * (measured - self._seconds_per_byte)

    def patience(self, n_bytes: int) -> float:
        """Return how long to wait for an answer."""
        return self.PATIENCE_SECONDS if n_bytes else self.GREETING_SECONDS

    def gave_up(self) -> None:
        """Note that no answer came in time: from here on pictures follow a clock.

        An answer that comes after all brings the questions back.
        """
        self.in_flight = False
        self._silences += 1
        if not self._sent_bytes or self._silences >= 2:
            self.answers = False

    def transfer_seconds(self, n_bytes: int) -> float:
        """Return how long so many bytes are expected to take, beyond the round trip."""
        return self._seconds_per_byte * n_bytes

    def is_slow(self, n_bytes: int) -> bool:
        """Return whether a picture of this size cannot keep up with a held key."""
        return self.transfer_seconds(n_bytes) > self.SLOW_PICTURE_SECONDS


class PacedPicture(Widget):
    """A widget that shows one large picture, redrawn no faster than the terminal shows it.

    A subclass makes the picture in ``make_picture``, calls ``picture_painted`` when its rows are
    sent, and ``redraw`` when its state has changed.

    Attributes
    ----------
    n_bytes, full_bytes
        Size of the last picture and of the last that was not cheap.
    is_cheap
        The picture on the screen is a cheap one.
    pictures
        How many were made.
    """

    REST_SECONDS = 0.12
    """Stillness after which a cheap picture is replaced by the full one."""

    expects_answers = True

    def __init__(
        self, *, name: str | None = None, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.pacer = FramePacer()
        self.n_bytes = 0
        self.full_bytes = 0
        self.is_cheap = False
        self.pictures = 0
        self._dirty = False
        self._scheduled = False
        self._in_motion = False
        self._painted = True
        self._answer_timer: Timer | None = None
        self._rest_timer: Timer | None = None

    def make_picture(self, cheap: bool) -> int | None:
        """Make the picture of the present state.

        Returns
        -------
        Its bytes; ``None`` when it cannot be made yet and ``redraw`` will be called again.
        """
        raise NotImplementedError

    def picture_made(self) -> None:
        """Take note that another picture was made; for subclasses."""

    def picture_painted(self) -> None:
        """Note that the rows of the picture are being sent to the terminal."""
        if not self._painted:
            # From here on it is on its way, and no other picture is made before the question.
            self._painted = self.pacer.in_flight = True
            # The rows are written before the next message is looked at, so the question is later.
            self.call_later(self._ask, self.n_bytes)

    def redraw(self) -> None:
        """Draw the present state as soon as the terminal is ready for it."""
        self._dirty = True
        if self.is_attached and not self._scheduled and not self.pacer.in_flight:
            self._scheduled = True
            # Later, so that all keys that have arrived by now lead to one picture.
            self.call_later(self._draw)

    @property
    def is_waiting(self) -> bool:
        """True when the picture on the screen is not the one of the present state."""
        return self._dirty

    def give_up_picture(self) -> None:
        """Show what there is without a picture."""
        self._dirty = False
        self.refresh()

    def _on_mount(self, event: events.Mount) -> None:
        super()._on_mount(event)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._theme_changed())
        self.take_colours()
        # Nothing is drawn before the layout is at rest: each picture sent before was for nothing.
        self.call_after_refresh(self._greet)

    def _theme_changed(self) -> None:
        self.take_colours()
        self.redraw()

    def take_colours(self) -> None:
        """Take the colours of the theme; for subclasses that draw by it."""

    def on_unmount(self) -> None:
        """Expect no answers any more."""
        if isinstance(self.app, FrameAcknowledgements):
            self.app.forget_acknowledgements(self)

    def on_resize(self) -> None:
        """Draw for the new size once the layout is at rest."""
        self._dirty = True
        self.call_after_refresh(self._draw_what_waits)

    def _greet(self) -> None:
        """Measure the round trip without a picture, then draw."""
        self._ask(0)
        self._draw_what_waits()

    def _draw_what_waits(self) -> None:
        if self._dirty:
            self.redraw()

    def _draw(self) -> None:
        self._scheduled = False
        if not self._dirty or self.pacer.in_flight or not self.is_attached or not self.size.area:
            return
        cheap = self._in_motion and self.pacer.is_slow(self.full_bytes)
        n_bytes = self.make_picture(cheap)
        if n_bytes is None:
            return
        self._dirty = False
        self.n_bytes, self.is_cheap = n_bytes, cheap
        self.pictures += 1
        if not cheap:
            self.full_bytes = n_bytes
        self._painted = False
        self.refresh()
        self.picture_made()

    def _ask(self, n_bytes: int) -> None:
        """Wait for the terminal: for its answer, or by the clock where it gives none."""
        app = self.app
        if app.is_headless:
            self._go_on()
            return
        hopeful = self.expects_answers and self.pacer.answers is not False
        asked = (
            hopeful and isinstance(app, FrameAcknowledgements) and app.ask_for_acknowledgement(self)
        )
        if asked:
            self.pacer.sent(time.monotonic(), n_bytes)
            self._answer_timer = self.set_timer(self.pacer.patience(n_bytes), self._gave_up)
        elif n_bytes:
            self.pacer.sent(time.monotonic(), n_bytes)
            self._answer_timer = self.set_timer(FramePacer.BLIND_INTERVAL_SECONDS, self._go_on)

    def frame_acknowledged(self) -> None:
        """Go on: the terminal has shown the last picture."""
        if self._answer_timer is not None:
            self._answer_timer.stop()
        self.pacer.acknowledged(time.monotonic())
        self._ready()

    def _gave_up(self) -> None:
        self.pacer.gave_up()
        self._ready()

    def _go_on(self) -> None:
        self.pacer.in_flight = False
        self._ready()

    def _ready(self) -> None:
        """Draw what has changed meanwhile; refine a cheap picture once all is still."""
        if self._rest_timer is not None:
            self._rest_timer.stop()
            self._rest_timer = None
        self._in_motion = self._dirty
        if self._dirty:
            self.redraw()
        elif self.is_cheap:
            self._rest_timer = self.set_timer(self.REST_SECONDS, self._refine)

    def _refine(self) -> None:
        if self.is_cheap and not self.pacer.in_flight:
            self._in_motion = False
            self.redraw()
