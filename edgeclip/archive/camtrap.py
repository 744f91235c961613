"""Camtrap DP 1.0.2 of a run: an event a burst, a medium an image, and what the pack says of both.

Camtrap DP cannot say a medium without a time, or at no place: such images are left out and counted.
Nothing is made up for them, and a failure is no observation.
"""

from __future__ import annotations

import json
import math
import mimetypes
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from edgeclip.archive.about import About
from edgeclip.archive.deployments import Deployment, Deployments
from edgeclip.archive.index import Burst, Row
from edgeclip.archive.judging import Said, judged, said_of
from edgeclip.archive.records import Record
from edgeclip.contract import camtrap_dp as dp
from edgeclip.contract.attribute_cells import WordCells, word_cells
from edgeclip.contract.files import new_folder
from edgeclip.contract.places import told_place
from edgeclip.contract.plurals import counted
from edgeclip.contract.project_words import ExportSettings

FOLDER: Final = "camtrap-dp"
_PATH: Final = re.compile(r"(?![./~])(?!.*\.\.).+", re.DOTALL)  # what filePath may be


@dataclass(frozen=True)
class CamtrapAsked:
    """What a package tells beside a run's answers.

    Attributes:
        deployments: Where cameras stood.
        project: What people say of the project.
        name: Of the archive: the title where the project has none.
        obscure_deg: Side of the grid's cells that places are told on; None: exactly.
    """

    deployments: Deployments
    project: ExportSettings
    name: str
    obscure_deg: float | None = None


def write_camtrap(
    folder: Path,
    rows: Iterable[Row],
    bursts: Iterable[Burst],
    about: About,
    asked: CamtrapAsked,
) -> tuple[list[Path], list[str]]:
    """Write a package into a folder that is made anew, whole or not at all.

    Returns:
        The descriptor's path, and what was left out, for a person.

    Raises:
        OSError: The disk is full.
    """
    with new_folder(folder, overwrite=folder.exists()) as temporary:
        writer = _Writer(about, asked)
        with ExitStack() as files:
            tables = {
                name: dp.open_table(files.enter_context(_opened(temporary, name)), columns)
                for name, columns in (("media", dp.MEDIA), ("observations", dp.OBSERVATIONS))
            }
            for row in rows:
                medium, observations = writer.of_image(row)
                tables["media"].writerows(medium)
                tables["observations"].writerows(observations)
            for burst in bursts:
                tables["observations"].writerows(writer.of_burst(burst))
        with _opened(temporary, "deployments") as file:
            dp.open_table(file, dp.DEPLOYMENTS).writerows(writer.deployments())
        described = json.dumps(writer.described(), indent=2, ensure_ascii=False)
        (temporary / "datapackage.json").write_text(described + "\n", encoding="utf-8")
    return [folder / "datapackage.json"], writer.notes()


def _opened(folder: Path, table: str) -> TextIO:
    return (folder / f"{table}.csv").open("w", encoding="utf-8", newline="")


class _Writer:
    """Turns rows of a run into rows of the standard, and remembers what describes them."""

    def __init__(self, about: About, asked: CamtrapAsked) -> None:
        self._about, self._asked = about, asked
        self._begun = dp.time_text(about.begun_at)
        self._periods: dict[str, dp.Period] = {}
        self._rows: dict[str, Deployment] = {}
        self._doubted: set[str] = set()
        self._taxa: dict[str, str] = {}
        self._nameless: set[str] = set()
        self._left: Counter[str] = Counter()

    def of_image(self, row: Row) -> tuple[list[dp.Row], list[dp.Row]]:
        """Return an image's row of media, and its observations; none where it is left out."""
        record = row.record
        deployment = self._deployment(row)
        if deployment is None or record.taken_at is None or row.period is None:
            return [], []
        said = list(said_of(row.record, self._about))
        words = _words(record, said[0][0])
        start, end = row.period
        event = {
            "deploymentID": deployment.deployment_id,
            "mediaID": record.file,
            "eventID": row.sequence,
            "eventStart": dp.time_text(start),
            "eventEnd": dp.end_text(end),
            "observationLevel": "media",
        }
        medium = {
            "mediaID": record.file,
            "deploymentID": deployment.deployment_id,
            "timestamp": dp.time_text(record.taken_at),
            "filePath": record.file,
            "filePublic": dp.truth(all(one.kind != "human" for one, _ in said)),
            "fileName": record.file.rsplit("/", 1)[-1],
            "fileMediatype": mimetypes.guess_type(record.file)[0] or "image/jpeg",
            "mediaComments": "infrared" if record.infrared else "",
        }
        observations = [
            event
            | {"observationID": f"{record.file}#{number}"}
            | self._cells(one, words.tags)
            | words.fields
            | dp.box_cells(box)
            for number, (one, box) in enumerate(said, start=1)
        ]
        return [medium], observations

    def of_burst(self, burst: Burst) -> Iterator[dp.Row]:
        """Yield the event of a burst, where a frame of it has an answer and a place."""
        if not burst.probabilities or burst.period is None:
            return
        start, end = burst.period
        deployment = self._asked.deployments.find(burst.location, start)
        if deployment is None or deployment.deployment_id not in self._rows:
            return
        yield {
            "observationID": f"event {burst.name}",
            "deploymentID": deployment.deployment_id,
            "eventID": burst.name,
            "eventStart": dp.time_text(start),
            "eventEnd": dp.end_text(end),
            "observationLevel": "event",
        } | self._cells(judged(burst.probabilities, self._about, burst.pack))

    def deployments(self) -> Iterator[dp.Row]:
        """Yield the deployments that images are of."""
        for name, row in sorted(self._rows.items()):
            period = self._periods[name]
            latitude, longitude, uncertainty_m = self._place(row)
            period.widen(row.start, row.end)
            yield dict(row.texts) | {
                "deploymentID": name,
                "locationID": row.location,
                "latitude": f"{latitude:.6f}",
                "longitude": f"{longitude:.6f}",
                "coordinateUncertainty": str(math.ceil(uncertainty_m)) if uncertainty_m else "",
                "deploymentStart": dp.time_text(period.start),
                "deploymentEnd": dp.end_text(period.end),
                "timestampIssues": dp.truth(name in self._doubted),
            }

    def described(self) -> dict[str, object]:
        """Return the content of `datapackage.json`; after all else."""
        begun, spans = self._about.begun_at, self._periods.values()
        plain = re.sub(r"[^a-z0-9._-]+", "-", self._asked.name.lower()).strip("-.") or "archive"
        return dp.Package(
            name=f"edgeclip-{plain}",
            project=self._asked.name,
            settings=self._asked.project,
            created_at=begun,
            period=(
                min((span.start for span in spans), default=begun),
                max((span.end for span in spans), default=begun),
            ),
            places=[self._place(row)[:2] for row in self._rows.values()],
            taxa=self._taxa,
            obscure_deg=self._asked.obscure_deg,
        ).described()

    def notes(self) -> list[str]:
        """Return what a person must know of the package."""
        said = [f"{FOLDER}: {counted(n, 'image')} left out: {why}" for why, n in self._left.items()]
        if self._nameless:
            said.append(
                f"{FOLDER}: no scientific name of {', '.join(sorted(self._nameless))}: say it in"
                " the file of --project, [scientific_names]"
            )
        return said

    def _deployment(self, row: Row) -> Deployment | None:
        """Return what an image is of; count it where it cannot be told."""
        record, at = row.record, row.record.taken_at
        if record.failure is not None:
            return None
        if at is None:
            self._left["their time is not known"] += 1
            return None
        if not _PATH.fullmatch(record.file):
            self._left["the standard allows no path like theirs"] += 1
            return None
        found = self._asked.deployments.find(record.location, at)
        if found is None:
            self._left[f"no deployment of their place in {self._asked.deployments.table}"] += 1
            return None
        name = found.deployment_id
        self._rows[name] = found
        self._periods.setdefault(name, dp.Period(at, at)).widen(at, at)
        if not found.covers(at):
            self._doubted.add(name)
        return found

    def _cells(self, said: Said, words: tuple[str, ...] = ()) -> dp.Row:
        name = self._scientific(said.name) if said.kind == "animal" and said.name else ""
        own = (f"class:{dp.tag_text(said.name)}",) if said.name else ()
        return {
            "observationType": said.kind,
            "scientificName": name,
            "classificationMethod": "machine",
            "classifiedBy": said.by,
            "classificationTimestamp": self._begun,
            "classificationProbability": f"{said.probability:.5f}",
            "observationTags": "|".join((*own, *said.tags, *words)),
        }

    def _scientific(self, name: str) -> str:
        """Return what the project, or else the pack, calls a class; empty without either."""
        manifest = self._about.manifest
        own = manifest.classes[manifest.class_names.index(name)].scientific_name
        found = self._asked.project.scientific_names.get(name) or own
        if not found:
            self._nameless.add(name)
            return ""
        self._taxa.setdefault(found, name)
        return found

    def _place(self, row: Deployment) -> tuple[float, float, float | None]:
        """Return where a deployment may be told to be, and how far off that may be, m."""
        exact, grid = (row.latitude, row.longitude), self._asked.obscure_deg
        if grid is None:
            return (*exact, None)
        told = told_place(exact, "generalised", grid, 0.0)
        if told.latitude is None or told.longitude is None:
            raise ValueError("a generalised place has coordinates")
        return told.latitude, told.longitude, told.uncertainty_m


def _words(record: Record, said: Said) -> WordCells:
    """Return an image's verified answers; none where boxes leave open which animal they are of."""
    if record.attributes is None or record.boxes or said.kind != "animal":
        return WordCells()
    return word_cells(record.attributes.answers)
