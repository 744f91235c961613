"""One line of NVIDIA's tegrastats, or one look at jtop, for what the files do not say."""

from __future__ import annotations

import functools
import importlib
import logging
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any, Literal

log = logging.getLogger(__name__)

_INTERVAL_MS = 100
_PATIENCE_S = 3.0
_JUNCTION = re.compile(r"\btj@(-?\d+(?:\.\d+)?)C")
_BOARD = re.compile(r"\b(?:VDD_IN|5V_IN) (\d+)mW")
_MEMORY = re.compile(r"\bRAM (\d+)/(\d+)MB")

Tool = Literal["none", "tegrastats", "jtop"]


@dataclass(frozen=True)
class ToolReading:
    """What a tool of the board says; None where it does not."""

    junction_c: float | None = None
    board_w: float | None = None
    available_mb: float | None = None


def ask(tool: Tool) -> ToolReading:
    """Return what a tool says; all None where it is absent or fails."""
    if tool == "none":
        return ToolReading()
    is_there = shutil.which(tool) is not None
    found = parse_tegrastats(_line_of_tegrastats()) if tool == "tegrastats" else _ask_jtop()
    if is_there and found == ToolReading():
        _say_that_it_is_mute(tool)
    return found


@functools.cache  # once a process
def _say_that_it_is_mute(tool: Tool) -> None:
    log.warning(
        "%s is there and says nothing: the uplink's unit needs tool.conf, which"
        " `edgeclip-device install` puts beside it, see systemd/README.md",
        tool,
    )


def parse_tegrastats(line: str) -> ToolReading:
    """Return what a line of tegrastats says."""
    junction, board, memory = (p.search(line) for p in (_JUNCTION, _BOARD, _MEMORY))
    return ToolReading(
        junction_c=float(junction[1]) if junction else None,
        board_w=int(board[1]) / 1000 if board else None,
        available_mb=float(int(memory[2]) - int(memory[1])) if memory else None,
    )


def _line_of_tegrastats() -> str:
    program = shutil.which("tegrastats")
    if program is None:
        return ""
    try:  # it never ends by itself: what it said until then is in the exception
        done = subprocess.run(
            ["timeout", "0.5", program, "--interval", str(_INTERVAL_MS)],
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = done.stdout.splitlines()
    return lines[-1] if lines else ""


def _ask_jtop() -> ToolReading:
    """Ask jetson-stats, whose service must run; its answers are dictionaries."""
    try:
        module: Any = importlib.import_module("jtop")
        with module.jtop(interval=1) as board:
            if not board.ok():
                return ToolReading()
            temperature = board.temperature.get("tj", {}).get("temp")
            power = board.power.get("tot", {}).get("power")
    except (ImportError, OSError, RuntimeError, AttributeError):
        return ToolReading()
    return ToolReading(
        junction_c=None if temperature is None else float(temperature),
        board_w=None if power is None else float(power) / 1000,
    )
