"""What a camera's libraries print: into the log, without secrets, and never without end."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO

log = logging.getLogger(__name__)

_MOST_LINES = 20
_PER_S = 60.0
_LONGEST = 300
_LOGIN_IN_URL = re.compile(r"(://)[^/\s@]*@")


class Voice:
    """Passes lines on; argus is known to repeat one error hundreds of times a second.

    Args:
        name: The camera's, for the log.
        secrets: What is masked wherever it stands.
        clock: Seconds; tests give their own.
    """

    def __init__(
        self, name: str, secrets: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)
        self._clock = clock
        self._since_s = -float("inf")
        self._said = 0
        self._held = 0

    def follow(self, stream: IO[bytes]) -> threading.Thread:
        """Return a started thread that says the lines of a stream until its end."""

        def listen() -> None:
            with stream:
                while line := stream.readline(4096):
                    self.say(line.decode(errors="replace").strip())

        thread = threading.Thread(target=listen, name="camera's voice", daemon=True)
        thread.start()
        return thread

    def say(self, line: str) -> None:
        """Log a line, unless too many came in this minute: those are counted."""
        if not line:
            return
        now_s = self._clock()
        if now_s - self._since_s >= _PER_S:
            if self._held:
                log.warning("%s: %d more lines were not written", self._name, self._held)
            self._since_s, self._said, self._held = now_s, 0, 0
        if self._said >= _MOST_LINES:
            self._held += 1
            return
        self._said += 1
        log.info("%s: %s", self._name, self.masked(line)[:_LONGEST])

    def masked(self, line: str) -> str:
        """Return a line without the login of any URL, and without the secrets."""
        line = _LOGIN_IN_URL.sub(r"\1", line)
        for secret in self._secrets:
            line = line.replace(secret, "***")
        return line
