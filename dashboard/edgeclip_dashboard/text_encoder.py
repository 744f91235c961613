"""Words -> text features, by `edgeclip words` in a process beside the server.

torch stays out of the server: the child is started by the first search, speaks JSON lines over
pipes, gets no secret of the server's environment, and ends with it.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from edgeclip.errors import SetupError
from edgeclip_dashboard.config_search import SearchSettings

log = logging.getLogger(__name__)

MOST_LETTERS = 200
_SECRETS = "EDGECLIP_DASHBOARD_"
_REMEMBERED = 256
_AGAIN_S = 20.0  # a child that failed is not started again at once
_END_S = 3.0
_INSTALL = "install it where the dashboard runs (pip install 'edgeclip[train]'), or name the"
_NOT_HERE = f"the text encoder is not installed here: {_INSTALL} program in [search].program"


class Encoder(BaseModel):
    """Which encoder answers, as its first line says."""

    arch: str
    pretrained: str
    weights_sha256: str
    embed_dim: int


class _Greeting(BaseModel):
    encoder: Encoder


class _Answer(BaseModel):
    features: str = ""
    error: str = ""


@dataclass
class _Child:
    """A running process, and what it says."""

    process: subprocess.Popen[str]
    lines: queue.SimpleQueue[str | None] = field(default_factory=queue.SimpleQueue)
    complaints: deque[str] = field(default_factory=lambda: deque(maxlen=20))
    followers: list[threading.Thread] = field(default_factory=list)

    def follow(self) -> None:
        """Read what it says, in threads that end with it."""
        for follow in (_follow_answers, _follow_complaints):
            follower = threading.Thread(target=follow, args=(self,), name="words", daemon=True)
            follower.start()
            self.followers.append(follower)

    def end(self) -> None:
        """Kill it and wait until all that it said is read."""
        self.process.kill()
        self.process.wait(_END_S)
        for follower in self.followers:
            follower.join(_END_S)
        with suppress(OSError):  # what was not sent to it any more
            _pipe(self.process.stdin).close()

    def read(self, patience_s: float) -> str:
        """Return its next line.

        Raises:
            SetupError: It ended, or said nothing for so long.
        """
        try:
            line = self.lines.get(timeout=patience_s)
        except queue.Empty as error:
            raise SetupError(f"the text encoder said nothing for {patience_s:g} s") from error
        if line is None:
            self.end()
            raise SetupError(_why(list(self.complaints)))
        return line


class TextEncoder:
    """Answers one question after the other; from any thread.

    Args:
        settings: The table `[search]`.
        monotonic: Seconds, of a clock that never steps.
    """

    def __init__(
        self, settings: SearchSettings, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._encoder: Encoder | None = None
        self._known: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._failed: tuple[float, str] | None = None
        self._is_over = False

    def ask(self, words: str) -> tuple[Encoder, NDArray[np.float32]]:
        """Return the encoder and the `(E,)` float32 unit features of words; may take a minute.

        Args:
            words: 1 to 200 letters.

        Raises:
            SetupError: There is no encoder, or it failed; the message says what to do.
        """
        with self._lock:
            self._refuse_for_now()
            try:
                return self._ask(words.strip())
            except SetupError as error:
                self._end()
                self._failed = (self._monotonic(), str(error))
                log.warning("search by words: %s", error)
                raise

    def start(self) -> None:
        """Nothing: the first search starts it."""

    def stop(self) -> None:
        """End the child, also one that is being asked."""
        self._is_over = True
        child = self._child
        if child is not None:
            child.process.kill()
        with self._lock:
            self._end()

    def _refuse_for_now(self) -> None:
        if self._is_over or not self._settings.enabled:
            raise SetupError("search by words is switched off: see [search].enabled")
        if self._failed and self._monotonic() - self._failed[0] < _AGAIN_S:
            raise SetupError(self._failed[1])
        self._failed = None

    def _ask(self, words: str) -> tuple[Encoder, NDArray[np.float32]]:
        if self._child is not None and self._child.process.poll() is not None:
            self._end()  # it is gone, for want of memory for example
        if self._encoder is None or self._child is None:
            self._child = _started(self._settings)
            self._encoder = _greeted(self._child.read(self._settings.start_s))
        if words not in self._known:
            self._known[words] = self._answered(self._child, self._encoder, words)
        self._known.move_to_end(words)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return self._encoder, self._known[words]

    def _answered(self, child: _Child, encoder: Encoder, words: str) -> NDArray[np.float32]:
        question = _Question(id=1, text=words).model_dump_json()
        try:
            _pipe(child.process.stdin).write(question + "\n")
            _pipe(child.process.stdin).flush()
        except OSError as error:
            child.end()
            raise SetupError(_why(list(child.complaints))) from error
        try:
            answer = _Answer.model_validate_json(child.read(self._settings.answer_s))
            vector = np.frombuffer(base64.b64decode(answer.features, validate=True), "<f4")
        except (ValidationError, binascii.Error, ValueError) as error:
            raise SetupError("the text encoder gave no answer that can be read") from error
        if answer.error or vector.shape != (encoder.embed_dim,) or not np.isfinite(vector).all():
            raise SetupError(f"the text encoder gave no features: {answer.error or vector.shape}")
        return vector.astype(np.float32)

    def _end(self) -> None:
        child, self._child, self._encoder = self._child, None, None
        self._known.clear()
        if child is None:
            return
        child.end()


class _Question(BaseModel):
    id: int
    text: str


def _started(settings: SearchSettings) -> _Child:
    program = settings.program
    command = [str(program)] if program else [sys.executable, "-m", "edgeclip.cli"]
    command += ["words", "--backbone", settings.backbone]
    command += ["--pretrained", settings.pretrained] if settings.pretrained else []
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env={k: v for k, v in os.environ.items() if not k.startswith(_SECRETS)},
        )
    except OSError as error:
        raise SetupError(
            f"{command[0]} cannot be started ({error.strerror}): check [search].program"
        ) from error
    child = _Child(process)
    child.follow()
    return child


def _follow_answers(child: _Child) -> None:
    with _pipe(child.process.stdout) as answers:
        for line in answers:
            child.lines.put(line)
    child.lines.put(None)


def _follow_complaints(child: _Child) -> None:
    with _pipe(child.process.stderr) as complaints:
        for line in complaints:
            child.complaints.append(line.strip())


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise ValueError("the process has no such pipe")
    return pipe


def _greeted(line: str) -> Encoder:
    try:
        return _Greeting.model_validate_json(line).encoder
    except ValidationError as error:
        raise SetupError(
            "what [search].program names does not answer as `edgeclip words` does: check the path"
        ) from error


def _why(complaints: list[str]) -> str:
    """Return why the child ended, in one line."""
    last = next((line for line in reversed(complaints) if line), "")
    if "ModuleNotFoundError" in last or "No module named" in last:
        return _NOT_HERE
    return f"the text encoder ended: {last.removeprefix('error: ')[:300] or 'it said nothing'}"
