from __future__ import annotations

import io

from rich.console import Console

from edgeclip_export.progress import BarProgress


def _build(progress: BarProgress) -> None:
    progress.phase_started("Building engine", None, 2)
    progress.phase_started("Optimizing graph", "Building engine", 3)
    progress.step_done("Optimizing graph", 2)
    progress.phase_finished("Optimizing graph")
    progress.step_done("Building engine", 0)
    progress.phase_finished("Building engine")


def _shown(*, terminal: bool) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=80)
    with BarProgress(console) as progress:
        progress.phase_started("Building engine", None, 2)
        progress.step_done("Building engine", 0)
        progress.phase_started("Optimizing graph", "Building engine", 3)
    return stream.getvalue()


def test_phases_are_bars_under_their_parents_on_a_terminal() -> None:
    text = _shown(terminal=True)
    assert "Building engine" in text
    assert "  Optimizing graph" in text
    assert "1/2" in text


def test_nothing_is_shown_where_no_terminal_is() -> None:
    assert _shown(terminal=False) == ""


def test_phases_that_were_never_started_are_taken_without_complaint() -> None:
    with BarProgress(Console(file=io.StringIO())) as progress:
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
