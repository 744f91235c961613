from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from edgeclip_dashboard.rounds import Rounds


def test_a_round_that_raises_is_logged_and_the_next_one_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    went = threading.Semaphore(0)

    def go_round(_go_on: Callable[[], bool]) -> None:
        went.release()
        raise RuntimeError("out of order")

    rounds = Rounds("telling", go_round)
    with caplog.at_level(logging.ERROR):
        rounds.start()
        assert went.acquire(timeout=20)
        rounds.wake()
        assert went.acquire(timeout=20)
        rounds.stop()
    assert "telling failed; it goes on with the next round" in caplog.text


def test_a_round_hears_that_it_is_to_stop() -> None:
    asked = threading.Event()
    answers: list[bool] = []

    def go_round(go_on: Callable[[], bool]) -> None:
        answers.append(go_on())
        asked.set()
        while go_on():
            threading.Event().wait(0.01)
        answers.append(go_on())

    rounds = Rounds("telling", go_round)
    rounds.start()
    assert asked.wait(20)
    rounds.stop()
    assert answers == [True, False]
