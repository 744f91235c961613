from __future__ import annotations

import pytest

from edgeclip import errors


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("a"), 2),
        (errors.ParityError("a"), 3),
        (errors.SetupError("a"), 4),
        (errors.BundleDamagedError("a"), 5),
        (errors.DataError("a"), 6),
        (errors.OutboxError("a"), 4),
        (errors.StoreError("a"), 4),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_becomes_one_line_and_its_exit_code(
    error: errors.EdgeclipError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        errors.run_command_line(lambda: _raise(error))
    assert caught.value.code == code
    assert capsys.readouterr().err == "error: a\n"


def test_a_message_of_several_lines_is_told_in_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        errors.run_command_line(lambda: _raise(errors.DataError("first\n  second")))
    assert capsys.readouterr().err == "error: first second\n"


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), SystemExit(130)], ids=["own", "typer's"])
def test_an_interruption_ends_with_130(
    raised: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        errors.run_command_line(lambda: _raise(raised))
    assert caught.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_another_end_says_nothing_more(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        errors.run_command_line(lambda: _raise(SystemExit(0)))
    assert capsys.readouterr().err == ""


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        errors.run_command_line(lambda: _raise(ZeroDivisionError()))
