"""End in order: after a signal a run stops where the same command can resume it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from sgdj.errors import Interrupted
from sgdj.runtime.early import SIGNALS


class Stop:
    """Handle the signals of this process.

    Attributes
    ----------
    received
        Number of the first signal that came, or None.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._active = self._patient = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        first = self.received is None
        self.received = self.received or number
        if not (first and self._patient):  # a second signal stops at once
            raise Interrupted(number)

    def install(self) -> None:
        """Install the handlers (again: Lightning puts in its own, which end with other exit codes)."""
        if self._active:
            for number in SIGNALS:
                signal.signal(number, self._handle)

    @contextmanager
    def obeyed(self) -> Iterator[None]:
        """Raise `Interrupted` on a signal within the context; afterwards the former handlers are back."""
        if self._active or threading.current_thread() is not threading.main_thread():
            yield
            return
        self.received, self._active = None, True
        former = {number: signal.getsignal(number) for number in SIGNALS}
        self.install()
        try:
            yield
        finally:
            self._active = False
            for number, handler in former.items():
                signal.signal(number, handler)

    @contextmanager
    def patiently(self) -> Iterator[None]:
        """Note the first signal within the context only for `check`, and raise nothing."""
        former, self._patient = self._patient, True
        try:
            yield
        finally:
            self._patient = former

    def check(self) -> None:
        """Stop here if a signal came.

        Raises
        ------
        Interrupted
            If a signal came.
        """
        if self.received is not None:
            raise Interrupted(self.received)


stop = Stop()
