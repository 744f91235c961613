from __future__ import annotations

import io

from rich.console import Console

from edgeclip_export.progress import LINE_EVERY_S, BarProgress, LineProgress


def _build(progress: BarProgress | LineProgress) -> None:
    progress.phase_started("Building engine", None, 2)
    progress.phase_started("Optimizing graph", "Building engine", 3)
    progress.step_done("Optimizing graph", 2)
    progress.phase_finished("Optimizing graph")
    progress.step_done("Building engine", 0)
    progress.phase_finished("Building engine")


def _shown() -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80)
    with BarProgress(console) as progress:
        progress.phase_started("Building engine", None, 2)
        progress.step_done("Building engine", 0)
        progress.phase_started("Optimizing graph", "Building engine", 3)
        progress.waiting()
    return stream.getvalue()


def test_phases_are_bars_under_their_parents_on_a_terminal() -> None:
    text = _shown()
    assert "Building engine" in text
    assert "  Optimizing graph" in text
    assert "1/2" in text


def test_without_a_terminal_a_line_comes_every_few_seconds_even_if_nothing_happens() -> None:
    now = [100.0]
    lines: list[str] = []
    progress = LineProgress(lines.append, lambda: now[0])
    for elapsed_s in range(12):
        now[0] = 100.0 + elapsed_s
        progress.waiting()
        if elapsed_s == 6:
            progress.phase_started("Building engine", None, 12)
            progress.step_done("Building engine", 2)
    assert LINE_EVERY_S == 5
    assert lines == [
        "building for 5 s: reading the graph",
        "building for 10 s: Building engine 3/12",
    ]


def test_lines_name_the_outer_phases_and_forget_those_that_ended() -> None:
    now = [0.0]
    lines: list[str] = []
    progress = LineProgress(lines.append, lambda: now[0])
    _build(progress)
    progress.step_done("unknown", 4)
    for name in ("a", "b", "c", "d"):
        progress.phase_started(name, None, 2)
    now[0] = 5.0
    progress.waiting()
    assert lines == ["building for 5 s: a 0/2, b 0/2, c 0/2"]


def test_phases_that_were_never_started_are_taken_without_complaint() -> None:
    with BarProgress(Console(file=io.StringIO(), force_terminal=True)) as progress:
        progress.step_done("unknown", 4)
        progress.phase_finished("unknown")
        _build(progress)


def test_deep_phases_get_no_bar() -> None:
    stream = io.StringIO()
    with BarProgress(Console(file=stream, force_terminal=True, width=80)) as progress:
        for name, parent in (("a", None), ("b", "a"), ("c", "b"), ("the deepest", "c")):
            progress.phase_started(name, parent, 1)
        progress.step_done("the deepest", 0)
    assert "the deepest" not in stream.getvalue()
