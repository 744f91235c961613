"""Samples with paths as written -> samples whose files are there, and problems for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from edgeclip.labels.sample import Problem, Sample


def locate(
    samples: Iterable[Sample], find: Callable[[str], tuple[Path | None, str]]
) -> tuple[list[Sample], list[Problem]]:
    """Return the samples whose files exist, and a problem for each file that does not.

    Args:
        samples: `path` as the source writes it.
        find: Returns the file, or None and why.
    """
    known: dict[str, Path | None] = {}
    found: list[Sample] = []
    problems: list[Problem] = []
    for sample in samples:
        written = str(sample.path)
        if written not in known:
            known[written], why = find(written)
            if known[written] is None:
                problems.append(Problem("path", sample.where, why))
        path = known[written]
        if path is not None:
            found.append(replace(sample, path=path))
    return found, problems
