"""How all four programs run their typer applications: one line for whatever was typed wrongly."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from typer.main import get_command

from edgeclip.errors import run_command_line


def run_application(app: Callable[..., object], name: str) -> None:
    """Run a typer application as `run_command_line` does; a usage error is one line as well.

    `--version` alone prints the program's version, which is that of all four.

    Args:
        app: Made with `rich_markup_mode=None`: a frame of rich's cuts names of options short.
        name: Of the program, however it was started.

    Raises:
        SystemExit: Always: 0, 2 after a usage error, or as `run_command_line`.
    """
    if sys.argv[1:] == ["--version"]:
        from importlib.metadata import version  # of the other runs none needs it

        sys.stdout.write(f"{name} {version('edgeclip')}\n")
        raise SystemExit(0)
    run_command_line(lambda: _run_without_frames(app, name))


def _with_whole_help(app: Any) -> Any:
    """Return an application's command, whose lists show the first sentence of each one whole.

    click cuts them to a line; a short help that is stated it wraps instead.
    """
    root = get_command(app)
    waiting = [root]
    while waiting:
        command = waiting.pop()
        command.short_help = _first(command)
        waiting += getattr(command, "commands", {}).values()
    return root


def _first(command: Any) -> str:
    """Return the first sentence of a command's help."""
    sentences = " ".join((command.help or "").split("\n\n")[0].split())
    return re.split(r"(?<=\.)\s", sentences)[0].rstrip(".")


def _run_without_frames(app: Callable[..., object], name: str) -> None:
    try:
        code = _with_whole_help(app)(standalone_mode=False, prog_name=name)
    except Exception as error:  # click's, or typer's own copy of click: known by their methods
        if type(error).__name__ == "Abort":
            raise KeyboardInterrupt from error
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()  # type: ignore[attr-defined]
        elif hasattr(error, "format_message"):
            sys.stderr.write(f"error: {_usage_line(error)}\n")
        else:
            raise
        raise SystemExit(getattr(error, "exit_code", 2)) from error
    raise SystemExit(code if isinstance(code, int) else 0)


def _usage_line(error: Any) -> str:
    """Return what is wrong with a command, and what was meant or where help is."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else ""
    option, said = getattr(error, "option_name", None), " ".join(error.format_message().split())
    if option and hasattr(error, "possibilities"):
        near = difflib.get_close_matches(option, error.possibilities or (), n=1)
        said = f"there is no option {option}" + (f": did you mean {near[0]}?" if near else "")
    said = _with_meant_command(said, getattr(getattr(context, "command", None), "commands", {}))
    said = re.sub(r"Input should be a valid integer.*as an integer", "write a whole number", said)
    said = re.sub(r"Input should be a valid number.*as a number", "write a number", said)
    said = re.sub(r"\. Did you mean '([^']*)'.*", r": did you mean \1?", said).rstrip(".")
    help_at = "" if said.endswith("?") or not command else f": see {command} --help"
    return f"{command}: {said}{help_at}" if command else said


def _with_meant_command(said: str, commands: Mapping[str, Any]) -> str:
    """Return what is wrong; of an unknown command with one of a like name, or those of that word.

    Older clicks name none, and newer ones by the name alone.
    """
    unknown = re.match(r"No such command '([^']*)'", said)
    if not unknown:
        return said
    typed = unknown[1].lower()
    shown = {name: own for name, own in commands.items() if not own.hidden}
    meant = difflib.get_close_matches(typed, shown, n=1) or [
        name for name, own in shown.items() if typed in re.findall(r"[\w-]+", _first(own).lower())
    ]
    return unknown[0] + (f": did you mean {' or '.join(meant)}?" if meant else "")
