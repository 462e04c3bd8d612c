"""Keeping slices, and loading in a thread those that are or will be wanted."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]


class SliceError(Exception):
    """A slice cannot be had; the message says why and what helps."""


class ByteLru:
    """A dictionary of arrays that forgets the least recently used beyond so many bytes."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._entries: OrderedDict[Hashable, Image] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._entries

    @property
    def n_bytes(self) -> int:
        """Bytes held."""
        return self._bytes

    def get(self, key: Hashable) -> Image | None:
        """Return an entry and remember that it was used."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def put(self, key: Hashable, value: Image) -> None:
        """Keep an entry; the newest is kept even when it alone is too large."""
        with self._lock:
            old = self._entries.pop(key, None)
            if old is not None:
                self._bytes -= old.nbytes
            self._entries[key] = value
            self._bytes += value.nbytes
            while self._bytes > self.max_bytes and len(self._entries) > 1:
                _, dropped = self._entries.popitem(last=False)
                self._bytes -= dropped.nbytes


Loader = Callable[[], Image]
Loaded = Callable[[Hashable, Image | None, str], None]


class SliceLoader:
    """Loads pictures in one thread: what is wanted now first, then what may be wanted next.

    Parameters
    ----------
    on_loaded
        Called in the thread with the key, the picture (``None`` when it failed) and the error's
        message, for wanted pictures only.
    max_bytes
        Memory for finished pictures.
    """

    def __init__(self, on_loaded: Loaded, max_bytes: int = 192 * 2**20) -> None:
        self.cache = ByteLru(max_bytes)
        self._on_loaded = on_loaded
        self._wanted: tuple[Hashable, Loader] | None = None
        self._next: list[tuple[Hashable, Loader]] = []
        self._condition = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def get(self, key: Hashable) -> Image | None:
        """Return a finished picture, or ``None``."""
        return self.cache.get(key)

    def request(self, key: Hashable, load: Loader) -> None:
        """Ask for a picture; an earlier wish that was not begun yet is dropped."""
        with self._condition:
            self._wanted = (key, load)
            self._start()
            self._condition.notify()

    def prefetch(self, items: Sequence[tuple[Hashable, Loader]]) -> None:
        """Say what may be wanted next, nearest first; replaces what was said before."""
        fresh = [item for item in items if item[0] not in self.cache]
        with self._condition:
            self._next = fresh
            if fresh:
                self._start()
                self._condition.notify()

    def close(self) -> None:
        """Stop after the picture being loaded."""
        with self._condition:
            self._closed = True
            self._wanted, self._next = None, []
            self._condition.notify()

    def _start(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="slice-loader", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._condition:
                while not (self._closed or self._wanted or self._next):
                    self._condition.wait()
                if self._closed:
                    return
                wanted = self._wanted is not None
                key, load = self._wanted or self._next[0]
                if wanted:
                    self._wanted = None
                else:
                    self._next = self._next[1:]
            self._load(key, load, wanted)

    def _load(self, key: Hashable, load: Loader, wanted: bool) -> None:
        picture, message = self.cache.get(key), ""
        if picture is None:
            try:
                picture = load()
            except (SliceError, OSError, MemoryError) as error:
                message = str(error) or type(error).__name__
            else:
                self.cache.put(key, picture)
        if wanted and not self._closed:
            self._on_loaded(key, picture, message)
