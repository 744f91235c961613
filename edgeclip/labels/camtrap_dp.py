"""Read Camtrap DP into samples: observations joined to media, at one level, by UTC times."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edgeclip.contract.camtrap_dp import HEAT_BOX_TAG
from edgeclip.errors import DataError
from edgeclip.labels.boxes import numbers_of, relative_box
from edgeclip.labels.camtrap_columns import BOX, NamedColumns
from edgeclip.labels.camtrap_media import Deployment, Medium, read_deployments, read_media
from edgeclip.labels.camtrap_package import Package
from edgeclip.labels.locating import locate
from edgeclip.labels.reading import ObservationLevel, ReadingOptions
from edgeclip.labels.sample import LabelSource, LabelTable, Problem, ProblemKind, Sample
from edgeclip.labels.text_tables import Row
from edgeclip.labels.times import parse_time

_CLASS = "class:"
_SETUP = {"setup", "calibration", "true"}  # before 1.0 the column held true


@dataclass(frozen=True)
class _Observation:
    """One row, before it is joined to its media."""

    where: str
    level: ObservationLevel
    deployment: str
    medium: str
    event: str
    start: datetime | None
    end: datetime | None
    label: str
    source: LabelSource | None
    box: tuple[float, float, float, float] | None
    said: tuple[tuple[str, str], ...]


def read_camtrap_dp(options: ReadingOptions) -> LabelTable:
    """Return the samples of a package.

    Args:
        options: `data` is a folder, `datapackage.json`, or zip; `data_dir` where media lie.

    Raises:
        DataError: It is no package, is not safe to open, or has no usable observation.
    """
    package = Package(options.data, options.data_dir)
    parsed = parse_camtrap_dp(options, package)
    samples, missing = locate(parsed.samples, package.store.find)
    return LabelTable(
        options.data, tuple(samples), (*parsed.problems, *missing), tuple(parsed.notes)
    )


def parse_camtrap_dp(options: ReadingOptions, package: Package) -> LabelTable:
    """Return one sample an observation and medium, with paths as written.

    Raises:
        DataError: A table is missing, or there is no usable observation.
    """
    return _Reader(options, package).read()


class _Reader:
    def __init__(self, options: ReadingOptions, package: Package) -> None:
        self._options, self._package = options, package
        self._problems: list[Problem] = []
        self._counts: Counter[str] = Counter()
        self._lacks = list(package.lacks)
        self._renamed: list[str] = []
        self._setup_media: set[str] = set()

    def read(self) -> LabelTable:
        deployments, columns = read_deployments(self._package, self._options.zone)
        self._remember(columns)
        media, columns, problems = read_media(self._package, deployments, self._options.zone)
        self._remember(columns)
        self._problems += problems
        rows = list(self._observations())
        level = self._level(rows)
        chosen = [row for row in rows if row.level == level]
        pairs = _joined(chosen, media)
        self._count_unjoined(chosen, pairs, media)
        samples = _best_source(
            [_sample(row, medium, deployments) for row, medium in pairs if medium.is_image]
        )
        if not samples:
            raise DataError(
                f"{self._options.data}: none of {len(rows)} observations has a medium that is an"
                " image: are the tables of one package?"
            )
        return LabelTable(
            self._options.data, tuple(samples), tuple(self._problems),
            tuple(self._notes(rows, level, samples)),
        )  # fmt: skip

    def _remember(self, columns: NamedColumns | None) -> None:
        self._lacks += columns.lacks if columns else ["the table of deployments"]
        self._renamed += columns.renamed if columns else []

    def _observations(self) -> Iterator[_Observation]:
        table = self._package.table("observations")
        if table is None:
            raise DataError(f"{self._options.data}: no table of observations: is this Camtrap DP?")
        columns = NamedColumns(table, "observations")
        self._remember(columns)
        for number, row in table.rows():
            where = f"observations row {number}"
            if columns.get(row, "cameraSetupType").casefold() in _SETUP:
                self._counts["setup"] += 1
                self._setup_media.add(columns.get(row, "mediaID"))
                continue
            kind = columns.get(row, "observationType")
            label = columns.get(row, "scientificName") or _tagged(columns, row, kind) or kind
            if not label:
                self._note("label", where, "neither scientificName nor observationType")
                continue
            medium, texts = columns.get(row, "mediaID"), [columns.get(row, name) for name in BOX]
            values = numbers_of(texts)
            box = relative_box(values) if values else None
            if HEAT_BOX_TAG in columns.get(row, "observationTags").split("|"):
                texts, box = [], None  # no detector's: a crop of it teaches where the heat was
            if any(texts) and box is None:
                self._note("box", where, f"{', '.join(texts)[:60]} is no box: left out")
            method = columns.get(row, "classificationMethod").casefold()
            zone = self._options.zone
            yield _Observation(
                where=where,
                level=_level_of(columns.get(row, "observationLevel"), medium),
                deployment=columns.get(row, "deploymentID"),
                medium=medium,
                event=columns.get(row, "eventID"),
                start=parse_time(columns.get(row, "eventStart"), zone),
                end=parse_time(
                    columns.get(row, "eventEnd") or columns.get(row, "eventStart"), zone
                ),
                label=label,
                source="machine" if method == "machine" else "human" if method else None,
                box=box,
                said=tuple((n, t) for n in self._options.columns if (t := columns.get(row, n))),
            )

    def _level(self, rows: Sequence[_Observation]) -> ObservationLevel:
        """Return the level that is read: one only, since both describe the same animals."""
        if self._options.observation_level:
            return self._options.observation_level
        return "media" if any(row.level == "media" for row in rows) else "event"

    def _count_unjoined(
        self,
        rows: Sequence[_Observation],
        pairs: Sequence[tuple[_Observation, Medium]],
        media: Sequence[Medium],
    ) -> None:
        joined = {row.where for row, _ in pairs}
        for row in rows:
            if row.where not in joined:
                named = f"medium {row.medium[:60]}" if row.medium else "time and deployment"
                self._note("row", row.where, f"no media row for its {named}")
        seen = {medium.id for _, medium in pairs} | self._setup_media
        self._counts["bare"] = sum(medium.id not in seen for medium in media)
        self._counts["video"] = sum(not medium.is_image for medium in media)

    def _notes(
        self, rows: Sequence[_Observation], level: ObservationLevel, samples: Sequence[Sample]
    ) -> list[str]:
        other = sum(row.level != level for row in rows)
        notes = [
            f"Camtrap DP, {level}-level observations" + (f"; {other} others unused" * (other > 0))
        ]
        if level == "event":
            notes.append("LABELS ARE OF WHOLE EVENTS: a frame may not show the animal")
        machine = sum(sample.label_source == "machine" for sample in samples)
        said = {
            "labels were given by a machine": machine,
            "observations of camera setup or calibration: left out": self._counts["setup"],
            "media have no observation: left out, not taken as blank": self._counts["bare"],
            "media are no images: skipped": self._counts["video"],
        }
        notes += [f"{count} {what}" for what, count in said.items() if count]
        if self._renamed:
            notes.append(f"names of before 1.0: {', '.join(dict.fromkeys(self._renamed))}")
        if self._lacks:
            notes.append(f"not strictly valid, lacks: {', '.join(dict.fromkeys(self._lacks))}")
        return notes

    def _note(self, kind: ProblemKind, where: str, what: str) -> None:
        self._problems.append(Problem(kind, where, what))


def _tagged(columns: NamedColumns, row: Row, kind: str) -> str:
    """Return the class that our own packages tag an animal with, else the empty text.

    An animal of a class that nobody gave a scientific name would else be any animal.
    """
    if kind != "animal":
        return ""
    tags = columns.get(row, "observationTags").split("|")
    return next((tag.removeprefix(_CLASS) for tag in tags if tag.startswith(_CLASS)), "")


def _level_of(written: str, medium: str) -> ObservationLevel:
    """Return an observation's level; before 1.0 only a medium's id tells."""
    if written.casefold() == "event":
        return "event"
    return "media" if written.casefold() == "media" or medium else "event"


def _joined(
    rows: Sequence[_Observation], media: Sequence[Medium]
) -> list[tuple[_Observation, Medium]]:
    """Return each observation with each of its media.

    By the medium's id; without one by the event's id where media have it (before 1.0), else by
    deployment and eventStart <= timestamp <= eventEnd.
    """
    by_id = {medium.id: medium for medium in media}
    by_deployment: dict[str, list[Medium]] = defaultdict(list)
    by_event: dict[tuple[str, str], list[Medium]] = defaultdict(list)
    for medium in media:
        by_deployment[medium.deployment].append(medium)
        if medium.event:
            by_event[medium.deployment, medium.event].append(medium)
    pairs = []
    for row in rows:
        if row.medium:
            found = [by_id[row.medium]] if row.medium in by_id else []
        else:
            found = by_event.get((row.deployment, row.event), []) if row.event else []
            found = found or _within(row, by_deployment[row.deployment])
        pairs += [(row, medium) for medium in found]
    return pairs


def _within(row: _Observation, media: Sequence[Medium]) -> list[Medium]:
    start, end = row.start, row.end
    if start is None or end is None:
        return []
    return [m for m in media if m.captured_at is not None and start <= m.captured_at <= end]


def _sample(row: _Observation, medium: Medium, deployments: dict[str, Deployment]) -> Sample:
    place = deployments.get(medium.deployment)
    return Sample(
        path=Path(medium.file),
        label=row.label,
        location=place.location if place else medium.deployment or None,
        captured_at=medium.captured_at,
        seq_id=row.event or medium.event or None,
        box=row.box,
        where=row.where,
        camera=place.camera if place else None,
        label_source=row.source,
        capture_method=medium.capture_method,
        sequence_level=row.level == "event",
        clock_doubted=place.clock_doubted if place else False,
        said=row.said,
    )


def _best_source(samples: Sequence[Sample]) -> list[Sample]:
    """Drop a machine's labels of files that a person labelled too."""
    by_person = {sample.path for sample in samples if sample.label_source == "human"}
    return [
        sample
        for sample in samples
        if not (sample.label_source == "machine" and sample.path in by_person)
    ]
