"""The process that turns words into features: the real one, and programs that behave badly."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edgeclip.errors import SetupError
from edgeclip_dashboard.config_search import SearchSettings
from edgeclip_dashboard.text_encoder import TextEncoder

GREETING = json.dumps(
    {"encoder": {"arch": "a", "pretrained": "p", "weights_sha256": "c" * 64, "embed_dim": 2}}
)
ANSWER = json.dumps({"id": 1, "features": "AACAPwAAAAA="})  # 1 and 0 as float32

Made = Callable[..., TextEncoder]


@dataclass
class HandClock:
    """Seconds that go on only when they are told to."""

    now_s: float = 100.0

    def __call__(self) -> float:
        """Return the reading."""
        return self.now_s


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Made]:
    """Makes encoders whose program is a few lines of Python."""
    with ExitStack() as stack:

        def made(*lines: str, clock: HandClock | None = None, **settings: float) -> TextEncoder:
            path = tmp_path / "program"
            path.write_text("\n".join([f"#!{sys.executable}", "import os, sys, time", *lines]))
            path.chmod(0o700)
            found = SearchSettings(program=path, **settings)  # type: ignore[arg-type]  # of figures
            encoder = TextEncoder(found, monotonic=clock or HandClock())
            stack.callback(encoder.stop)
            return encoder

        yield made


def _answering(*before: str) -> list[str]:
    return [
        *before,
        f"print({GREETING!r}, flush=True)",
        f"for line in sys.stdin: print({ANSWER!r}, flush=True)",
    ]


def test_the_demos_words_are_ranked_by_the_demos_text_tower() -> None:
    real = TextEncoder(SearchSettings())
    try:
        encoder, zebra = real.ask("a zebra")
        _, striped = real.ask("a striped animal")
        _, empty = real.ask("an empty scene, no animal")
    finally:
        real.stop()
    assert (encoder.arch, encoder.embed_dim) == ("demo", len(zebra))
    assert zebra @ striped > zebra @ empty


def test_the_same_words_are_asked_once(program: Made, tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    encoder = program(
        f"print({GREETING!r}, flush=True)",
        "for line in sys.stdin:",
        f"    open({str(noted)!r}, 'a').write(line)",
        f"    print({ANSWER!r}, flush=True)",
    )
    for words in ("fox", "fox ", "hare"):
        _, vector = encoder.ask(words)
        np.testing.assert_array_equal(vector, [1, 0])
    assert [json.loads(line)["text"] for line in noted.read_text().splitlines()] == ["fox", "hare"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["sys.exit('error: weights are not here')"], "ended: weights are not here"),
        (["import nothing_of_that_name"], r"pip install 'edgeclip\[train\]'"),
        (["print('hello', flush=True)", "time.sleep(60)"], "does not answer as `edgeclip words`"),
        (["sys.exit(0)"], "it said nothing"),
        (["time.sleep(60)"], "said nothing for 2 s"),
        ([f"print({GREETING!r}, flush=True)", "sys.stdin.readline()", "print('{')"], "be read"),
        ([f"print({GREETING!r})", "sys.stdin.readline()", "print('{\"error\": \"no\"}')"], "no"),
        (
            [f"print({GREETING!r})", "sys.stdin.readline()", "print('{\"features\": \"AAAA\"}')"],
            "be read",
        ),
    ],
    ids=[
        "its own error", "no torch", "another program", "silent end", "silent", "no JSON",
        "an error", "half a number",
    ],
)  # fmt: skip
def test_a_program_that_fails_says_why(program: Made, lines: list[str], message: str) -> None:
    with pytest.raises(SetupError, match=message):
        program(*lines, start_s=2.0).ask("fox")


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(SetupError, match=r"/nowhere/edgeclip cannot be started .*\[search\]"):
        TextEncoder(SearchSettings(program=Path("/nowhere/edgeclip"))).ask("fox")


def test_after_a_failure_it_is_not_started_again_at_once(program: Made, tmp_path: Path) -> None:
    clock, mended = HandClock(), tmp_path / "mended"
    encoder = program(
        f"os.path.exists({str(mended)!r}) or sys.exit('error: not yet')", *_answering(), clock=clock
    )
    with pytest.raises(SetupError, match="not yet"):
        encoder.ask("fox")
    mended.touch()
    with pytest.raises(SetupError, match="not yet"):
        encoder.ask("fox")
    clock.now_s += 21
    assert encoder.ask("fox")[0].embed_dim == 2


def test_one_that_is_killed_between_two_searches_is_started_again(
    program: Made, tmp_path: Path
) -> None:
    noted = tmp_path / "pid"
    encoder = program(*_answering(f"open({str(noted)!r}, 'w').write(str(os.getpid()))"))
    encoder.ask("fox")
    first = int(noted.read_text())
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert encoder.ask("hare")[0].embed_dim == 2
    assert int(noted.read_text()) != first


def test_no_secret_of_the_server_reaches_it(
    program: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = tmp_path / "environment"
    monkeypatch.setenv("EDGECLIP_DASHBOARD_MQTT_PASSWORD", "hunter2")
    program(*_answering(f"open({str(noted)!r}, 'w').write(str(dict(os.environ)))")).ask("fox")
    assert "PATH" in noted.read_text()
    assert "hunter2" not in noted.read_text()


def test_it_ends_with_the_server(program: Made, tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    encoder = program(*_answering(f"open({str(noted)!r}, 'w').write(str(os.getpid()))"))
    encoder.ask("fox")
    encoder.stop()
    assert not Path(f"/proc/{noted.read_text()}").exists()
    with pytest.raises(SetupError, match="switched off"):
        encoder.ask("fox")


def test_it_can_be_switched_off() -> None:
    with pytest.raises(SetupError, match=r"\[search\]\.enabled"):
        TextEncoder(SearchSettings(enabled=False)).ask("fox")
