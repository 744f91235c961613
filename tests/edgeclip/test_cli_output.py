from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from edgeclip.cli_output import bundle_words, next_command


def test_the_next_command_can_be_typed_as_it_stands_whatever_a_folder_is_called(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = bundle_words(Path("my pack [b] 'x'"), is_bake_only=True)
    next_command(words)
    assert shlex.split(capsys.readouterr().out.removeprefix("next: ")) == words
    assert words[-1] == "--bake"
