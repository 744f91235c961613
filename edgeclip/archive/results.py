"""What is written of a run: tables and files for other tools, each whole or not at all."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

from edgeclip.archive.about import About, questions_of
from edgeclip.archive.answered import Answered
from edgeclip.archive.answering import Answerer
from edgeclip.archive.asked_keys import AskedKeys
from edgeclip.archive.camtrap import FOLDER as CAMTRAP
from edgeclip.archive.camtrap import CamtrapAsked, write_camtrap
from edgeclip.archive.index import Row, indexed
from edgeclip.archive.journal import Journal, Plan
from edgeclip.archive.md_json import megadetector_json
from edgeclip.archive.part_work import PartWork
from edgeclip.archive.records import Record
from edgeclip.archive.result_tables import failures_csv, predictions_csv, timelapse_csv
from edgeclip.archive.strangeness import Strangeness
from edgeclip.contract.files import new_file
from edgeclip.errors import SetupError
from edgeclip.progress import Bars
from edgeclip.teaching.account import taught_lines

Item = TypeVar("Item", Row, Record)
Writer = Callable[[Iterable[Row], About, IO[str]], None]

_WRITERS: dict[str, tuple[str, Writer]] = {
    "csv": ("predictions.csv", predictions_csv),
    "md-json": ("megadetector.json", megadetector_json),
    "timelapse": ("timelapse.csv", timelapse_csv),
}
_FAILURES = "failures.csv"
SHEETS = "sheets"
FORMATS = (*_WRITERS, CAMTRAP, SHEETS)


@dataclass(frozen=True)
class Wanted:
    """What is to be written.

    Attributes:
        formats: Some of `FORMATS`.
        camtrap: What a Camtrap DP package tells beside the answers; None: there is to be none.
        heat_boxes: Whether what is decided is boxed by heat where no detector did.
    """

    formats: Sequence[str]
    camtrap: CamtrapAsked | None = None
    heat_boxes: bool = True


@dataclass
class Results:
    """What a run came to.

    Attributes:
        images: All of the archive.
        already: Of these, so many were looked at before this call.
        failures: Those without an answer.
        decided: By target whose threshold is reached: how many images.
        files: What was written.
        notes: What a person must know of it.
        answered: Which packs answered for how many.
        strangeness: Whether the archive looks like nothing that the packs have seen.
    """

    images: int = 0
    already: int = 0
    failures: int = 0
    decided: Counter[str] = field(default_factory=Counter)
    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    answered: Answered = field(default_factory=Answered)
    strangeness: Strangeness = field(default_factory=Strangeness)


def write_results(
    folder: Path, journal: Journal, work: PartWork, wanted: Wanted, bars: Bars
) -> Results:
    """Write what was asked for beside the run; `failures.csv` in any case.

    Args:
        folder: Takes the files.
        journal: A whole run.
        work: Whose answers these are.
        wanted: What is asked for.
        bars: Progress.

    Raises:
        SetupError: The disk is full.
        DataError: A part of the run is damaged.
    """
    plan, about = journal.plan, _about(journal.plan, work.answerer)
    results = Results(answered=Answered(tuple(about.deciders.packs)))
    asked = AskedKeys(work.answerer.rows, work.facts)
    gathered = _seen(journal.records(), bars.add("gathering answers", plan.images))
    try:
        with indexed(_told(gathered, wanted), folder) as index:
            counted = _counted(index.rows(), about, results, asked)
            _write(folder / _FAILURES, failures_csv, counted, about, results)
            for name in wanted.formats:
                rows = _seen(index.rows(), bars.add(f"writing {_shown(name)}", plan.images))
                if name == CAMTRAP and wanted.camtrap:
                    files, notes = write_camtrap(
                        folder / CAMTRAP, rows, index.bursts(), about, wanted.camtrap
                    )
                    results.files, results.notes = [*results.files, *files], notes
                elif name == SHEETS:
                    from edgeclip.archive.sheets import write_sheets

                    results.files += write_sheets(folder / SHEETS, rows, about, work)
                else:
                    file, writer = _WRITERS[name]
                    _write(folder / file, writer, rows, about, results)
    except OSError as error:
        raise SetupError(
            f"{folder} cannot be written ({error.strerror or error}): make room, then run the same"
            " command again"
        ) from error
    manifests = about.deciders.packs.values()
    taught = [f"taught: {said}" for own in manifests for said in taught_lines(own.metrics)]
    strange = results.strangeness.notes(list(about.deciders.packs), work.answerer.familiar)
    results.notes = [*results.notes, *taught, *asked.notes(), *work.answerer.unsaid, *strange]
    return results


def _about(plan: Plan, answerer: Answerer) -> About:
    """Return what outputs say of the run itself."""
    return About(
        answerer.manifest,
        answerer.deciders,
        answerer.name,
        plan.pack_sha256,
        plan.begun_at,
        questions_of(answerer.banks.values()),
    )


def _told(records: Iterable[Record], wanted: Wanted) -> Iterator[Record]:
    """Yield records as they are told; the run keeps its boxes for a later call that wants them."""
    for record in records:
        yield record if wanted.heat_boxes else record.model_copy(update={"where": None})


def _write(path: Path, writer: Writer, rows: Iterable[Row], about: About, results: Results) -> None:
    with new_file(path) as whole:
        text = io.TextIOWrapper(whole, encoding="utf-8", newline="")
        writer(rows, about, text)
        text.detach()  # writes what is left; the file itself is closed by who opened it
    results.files.append(path)


def _counted(
    rows: Iterable[Row], about: About, results: Results, asked: AskedKeys
) -> Iterator[Row]:
    for row in rows:
        results.images += 1
        asked.saw(row.record)
        results.answered.saw(row.record)
        results.strangeness.saw(row.record)
        if row.record.failure is not None:
            results.failures += 1
        elif decision := about.decision(row.record.probabilities, row.record.pack):
            results.decided[decision] += 1
        yield row


def _seen(items: Iterable[Item], advance: Callable[[int], None]) -> Iterator[Item]:
    for item in items:
        advance(1)
        yield item


def _shown(name: str) -> str:
    """Return what a format writes, for a person."""
    return _WRITERS[name][0] if name in _WRITERS else name
