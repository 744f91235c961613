"""The chaos run, small: everything is killed, cut and misled twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import chaos
from benchmarks.chaos_case.counting import Arrived, committed_twice, years_of
from benchmarks.chaos_case.plan import FAULTS, plan


@pytest.mark.broker
@pytest.mark.slow
def test_whatever_is_killed_cut_or_misled_nothing_is_lost_or_there_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "chaos.json"
    words = ["--detections", "60", "--repeats", "2", "--rate", "12", "--held", "0.8"]
    code = chaos.main([*words, "--out", str(out)])
    result = json.loads(out.read_text())
    assert code == 0, result
    assert result["faults"] == dict.fromkeys(FAULTS, 2)
    assert (result["lost"], result["twice"], result["gaps_left"]) == (0, 0, 0)
    assert result["gap_is_shown"]
    years = result["years"]
    assert years[-1] - years[0] >= 20  # the clock was ten years back, and ten ahead
    assert "network silent" in capsys.readouterr().out


def test_the_plan_is_the_same_for_the_same_seed_and_strikes_while_there_are_detections() -> None:
    strikes = plan(3, 100, 2, 1.0)
    assert strikes == plan(3, 100, 2, 1.0) != plan(4, 100, 2, 1.0)
    assert [strike.at for strike in strikes] == sorted(strike.at for strike in strikes)
    assert strikes[-1].at < 100


def test_what_is_missing_and_what_is_there_twice_is_counted() -> None:
    arrived = Arrived(["a", "b", "x"], rows=[1, 2, 2], snapshots=0, snapshots_missing=0)
    assert arrived.lost({"a", "b", "c", "d"}) == 2
    assert arrived.twice({"a", "b", "c", "d"}) == 2  # a stranger, and a row under two ids


def test_a_row_that_is_committed_again_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "committed"
    file.write_text("1 a 2026\n2 b 2036\n2 b 2036\n3 c 2026\n")
    assert committed_twice(file) == 1
    assert years_of(file) == [2026, 2036]
