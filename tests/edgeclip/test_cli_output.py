from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from edgeclip.cli_output import bundle_words, next_command, show, whole_table


def test_the_next_command_can_be_typed_as_it_stands_whatever_a_folder_is_called(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = bundle_words(Path("my pack [b] 'x'"), is_bake_only=True)
    next_command(words)
    assert shlex.split(capsys.readouterr().out.removeprefix("next: ")) == words
    assert words[-1] == "--bake"


def test_a_table_cuts_no_name_however_narrow_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    name = "ridge/DCIM/100EK113/20240417_131600_574_1.jpg"
    table = whole_table("image", "a class [with] brackets")
    table.add_row(name, "0.5")
    show(table)
    lines = capsys.readouterr().out.splitlines()
    rows = [line.strip("│ ").split("│")[0].strip() for line in lines if line.startswith("│")]
    assert "".join(rows) == name
    assert "…" not in "".join(lines)
