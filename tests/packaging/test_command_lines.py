"""The four command lines alike: a usage error is one line, and help cuts no name of an option."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer

PROGRAMS = {
    "edgeclip": "edgeclip.cli",
    "edgeclip-export": "edgeclip_export.cli",
    "edgeclip-device": "edgeclip_device.cli",
    "edgeclip-dashboard": "edgeclip_dashboard.cli",
}
Run = Callable[..., tuple[object, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a program in this process: its exit code, and what it printed."""
    monkeypatch.setenv("COLUMNS", "80")

    def command(program: str, *arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", [program, *arguments])
        with pytest.raises(SystemExit) as ended:
            importlib.import_module(PROGRAMS[program]).main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("edgeclip", "train", "--methd", "head"),
            "edgeclip train: there is no option --methd: did you mean --method?",
        ),
        (("edgeclip", "trian"), "edgeclip: No such command 'trian': did you mean train?"),
        (
            ("edgeclip", "data", "draw"),
            "edgeclip data: No such command 'draw': did you mean render or clip?",
        ),
        (
            ("edgeclip", "data", "zzz"),
            "edgeclip data: No such command 'zzz': see edgeclip data --help",
        ),
        (
            ("edgeclip-export", "add-pak"),
            "edgeclip-export: No such command 'add-pak': did you mean add-pack?",
        ),
        (
            ("edgeclip-device", "reply"),
            "edgeclip-device: No such command 'reply': did you mean replay?",
        ),
        (
            ("edgeclip-dashboard", "serv"),
            "edgeclip-dashboard: No such command 'serv': did you mean serve?",
        ),
        (
            ("edgeclip", "train", "--out", "x"),
            "edgeclip train: Missing option '--data': see edgeclip train --help",
        ),
        (
            ("edgeclip-export", "bundle", "--pakc", "x"),
            "edgeclip-export bundle: there is no option --pakc: did you mean --pack?",
        ),
        (
            ("edgeclip-device", "detect", "--zzz"),
            "edgeclip-device detect: there is no option --zzz: see edgeclip-device detect --help",
        ),
        (
            ("edgeclip-dashboard", "serve", "--brokr", "x"),
            "edgeclip-dashboard serve: there is no option --brokr: did you mean --broker?",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_usage_error_is_one_line_that_says_what_was_meant(
    arguments: tuple[str, ...], message: str, run: Run
) -> None:
    assert run(*arguments) == (2, "", f"error: {message}\n")


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_command_at_all_shows_the_help(program: str, run: Run) -> None:
    code, out, err = run(program)
    assert code in (0, 2)  # 0 with an older click
    assert "Commands:" in out + err


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_shows_each_option_whole_on_a_terminal_of_80_columns(program: str, run: Run) -> None:
    app = importlib.import_module(PROGRAMS[program]).app
    for path, command in _commands(typer.main.get_command(app)):
        code, out, _ = run(program, *path, "--help")
        assert code == 0
        assert max(map(len, out.splitlines())) <= 80
        assert "..." not in out.partition("Commands:")[2], path  # each first sentence is whole
        for parameter in command.params:
            for name in (*parameter.opts, *parameter.secondary_opts):
                assert name in out or not name.startswith("-"), f"{path} {name}"


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, own in getattr(command, "commands", {}).items():
        yield from _commands(own, (*path, name))
