"""What SIGTERM and SIGINT do."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable


def on_signals(react: Callable[[], None]) -> None:
    """Call `react` at SIGTERM and SIGINT, in a thread.

    Not in the handler: it may interrupt the main thread while that holds the very lock that
    `react` takes, of an Event or a Queue, and then neither goes on. The thread also hears a signal
    while the main thread is inside a driver or an engine.
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)

    def listen() -> None:
        while os.read(heard, 1):
            react()

    threading.Thread(target=listen, name="signals", daemon=True).start()
