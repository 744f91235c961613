from __future__ import annotations

import pytest

from edgeclip.progress import Bars


def test_in_a_log_each_stage_is_one_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([100.0, 100.2, 161.0])
    with Bars(clock=lambda: next(times)) as bars:
        advance = bars.add("opening images", 72)
        for _ in range(72):
            advance(1)
        bars.add("encoding train, [odd] \u00e9", 50_000)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == ("[0 s] opening images: 72\n[61 s] encoding train, [odd] \u00e9: 50000\n")


def test_where_nothing_was_to_be_shown_nothing_is(capsys: pytest.CaptureFixture[str]) -> None:
    with Bars(quiet=True) as bars:
        bars.add("opening images", 72)(72)
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_there_are_bars_and_no_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # what rich takes for a terminal
    monkeypatch.setenv("TERM", "xterm")
    with Bars() as bars:
        bars.add("opening images", 72)(72)
    shown = capsys.readouterr().err
    assert "72/72" in shown
    assert " s] opening images" not in shown
