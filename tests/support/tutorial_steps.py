"""A tutorial's page as the steps that a reader goes through: commands, terminals, what is seen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FIRST = "first"
_FENCE = re.compile(r"```(\w*)\s*$")
_TERMINAL = re.compile(r"\b(first|second|third|fourth|fifth) terminal\b")
_STOP = "Ctrl-C"


@dataclass
class Step:
    """One block of commands.

    Attributes:
        heading: Of the section that it stands in.
        terminal: Where it is typed: what the sentence before it says, else the first.
        is_interrupting: That sentence asks for Ctrl-C before.
        commands: The block.
        line: Where it begins in the page.
        seen: Lines of the block of text after it: what the reader is told to see.
    """

    heading: str
    terminal: str
    is_interrupting: bool
    commands: str
    line: int
    seen: list[str] = field(default_factory=list)


@dataclass
class Reading:
    """What is known while a page is read."""

    heading: str = ""
    paragraph: str = ""
    steps: list[Step] = field(default_factory=list)


def steps_of(page: Path) -> list[Step]:
    """Return all blocks of commands of a page, in order.

    Raises:
        ValueError: A block is neither commands (`sh`) nor what is seen after them (`text`): nobody
            would run it.
    """
    reading = Reading()
    for kind, number, lines in _parts(page.read_text()):
        if kind == "prose":
            _read_prose(reading, lines)
        elif kind == "sh":
            _read_commands(reading, number, lines)
        elif kind == "text" and reading.steps and not reading.steps[-1].seen:
            reading.steps[-1].seen = [line for line in lines if line.strip()]
        else:
            raise ValueError(
                f"{page.name}:{number}: a block of {kind or 'no kind'} is typed by nobody"
            )
    return reading.steps


def _parts(text: str) -> Iterator[tuple[str, int, list[str]]]:
    """Yield kind, first line's number and lines of each block and of the prose between."""
    kind, began, lines = "prose", 1, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        if fence := _FENCE.match(line):
            yield kind, began, lines
            kind = fence[1] if kind == "prose" else "prose"
            began, lines = number + 1, []
        else:
            lines.append(line)
    yield kind, began, lines


def _read_prose(reading: Reading, lines: list[str]) -> None:
    for paragraph in "\n".join(lines).split("\n\n"):
        words = paragraph.strip().splitlines()
        if words and words[0].startswith("#"):
            reading.heading, reading.paragraph = words.pop(0).lstrip("# "), ""
        if words:
            reading.paragraph = "\n".join(words)


def _read_commands(reading: Reading, number: int, lines: list[str]) -> None:
    named = _TERMINAL.findall(reading.paragraph)
    reading.steps.append(
        Step(
            heading=reading.heading,
            terminal=named[-1] if named else FIRST,
            is_interrupting=_STOP in reading.paragraph and bool(named),
            commands="\n".join(lines),
            line=number,
        )
    )
    reading.paragraph = ""


def missing_line(seen: list[str], output: str) -> str:
    """Return the first line of what should be seen that an output lacks, in order; else nothing.

    White space counts as one blank, `...` stands for anything in a line, and a line that is only
    `...` for any lines.
    """
    printed = [" ".join(line.split()) for line in output.splitlines()]
    at = 0
    for line in seen:
        wanted = " ".join(line.split())
        if wanted == "...":
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in wanted.split("...")))
        found = next((n for n in range(at, len(printed)) if pattern.fullmatch(printed[n])), None)
        if found is None:
            return line
        at = found + 1
    return ""
