"""`edgeclip-dashboard export` and `export-labels`, also while it serves."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeclip.contract.plurals import counted
from edgeclip_dashboard.cli_options import Config, Database, Project, settings_of

if TYPE_CHECKING:
    from edgeclip_dashboard.config import DashboardSettings
    from edgeclip_dashboard.exports.request import ExportRequest, Written
    from edgeclip_dashboard.exports.writing import Source
    from edgeclip_dashboard.filters import DetectionFilter

Species = Annotated[list[str] | None, typer.Option(help="Class that counts; repeat.")]
Place = Annotated[list[str] | None, typer.Option(help="Deployment id; repeat.")]
Device = Annotated[list[str] | None, typer.Option(help="Device id; repeat.")]
Since = Annotated[
    str | None,
    typer.Option(
        help="From then on: 2026-05-01, or 2026-05-01T18:30; without a zone by [page].time_zone."
    ),
]
Until = Annotated[str | None, typer.Option(help="Before then, likewise.")]
Severity = Annotated[str, typer.Option(help="any, alert or routine.")]
LeastProbability = Annotated[float | None, typer.Option(help="Of the device, 0 to 1.")]
MostProbability = Annotated[float | None, typer.Option(help="Of the device, 0 to 1.")]
Light = Annotated[str, typer.Option(help="any, day or night.")]
Reviewed = Annotated[str, typer.Option(help="any, yes, no, right, wrong or other.")]
WithTests = Annotated[bool, typer.Option("--with-tests", help="Also what devices sent as a test.")]
WithUnverified = Annotated[
    bool, typer.Option("--with-unverified", help="Camtrap DP: also attributes nobody measured.")
]
LeaveOutUnplaced = Annotated[
    bool,
    typer.Option("--leave-out-unplaced", help="Not what was seen at places without coordinates."),
]
WithPeople = Annotated[bool, typer.Option("--with-people", help="Also pictures with people.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
Media = Annotated[Path | None, typer.Option("--media-folder", help="Folder of the snapshots.")]


def export(
    kind: Annotated[
        str,
        typer.Argument(metavar="FORMAT", help="camtrap-dp, md-json, csv, csv-frames or geojson."),
    ],
    out: Annotated[
        Path, typer.Argument(help="A file; of camtrap-dp and md-json a folder or .zip.")
    ],
    *,
    pictures: Annotated[
        str, typer.Option("--media", help="copy, url (needs [page].public_url) or none.")
    ] = "copy",
    obscure: Annotated[
        float | None, typer.Option(help="Put places onto a grid of 0.001, 0.01, 0.1 or 1 degree.")
    ] = None,
    species: Species = None,
    place: Place = None,
    device: Device = None,
    since: Since = None,
    until: Until = None,
    severity: Severity = "any",
    min_probability: LeastProbability = None,
    max_probability: MostProbability = None,
    light: Light = "any",
    reviewed: Reviewed = "any",
    with_tests: WithTests = False,
    with_people: WithPeople = False,
    with_unverified: WithUnverified = False,
    leave_out_unplaced: LeaveOutUnplaced = False,
    overwrite: Overwrite = False,
    project: Project = None,
    database: Database = None,
    media: Media = None,
    config: Config = None,
) -> None:
    """Write detections in a format of the field, whole or not at all."""
    from edgeclip_dashboard.exports.request import export_request

    settings = _settings(project, database, media, config)
    asked = _filter(
        settings.zone,
        class_names=species, deployment_ids=place, device_ids=device, since=since, until=until,
        severity=severity, min_probability=min_probability, max_probability=max_probability,
        light=light, reviewed=reviewed, with_tests=with_tests,
    )  # fmt: skip
    request = export_request(
        kind, asked, obscure_deg=obscure, media=pictures, with_people=with_people,
        with_unverified=with_unverified, leave_out_unplaced=leave_out_unplaced,
    )  # fmt: skip
    _export(settings, request, out, overwrite=overwrite)


def export_labels(
    out: Annotated[Path, typer.Argument(help="OUT.csv; its images go into the folder OUT.")],
    *,
    uncertain: Annotated[
        int, typer.Option(min=0, help="Add so many that nobody has judged, labelled unknown.")
    ] = 0,
    species: Species = None,
    place: Place = None,
    device: Device = None,
    since: Since = None,
    until: Until = None,
    light: Light = "any",
    with_people: WithPeople = False,
    overwrite: Overwrite = False,
    project: Project = None,
    database: Database = None,
    media: Media = None,
    config: Config = None,
) -> None:
    """Write what people have judged as labelled images for the trainer, hard examples first."""
    from edgeclip_dashboard.exports.labels import LabelsRequest, write_labels

    settings = _settings(project, database, media, config)
    asked = _filter(
        settings.zone,
        class_names=species, deployment_ids=place, device_ids=device, since=since, until=until,
        light=light,
    )  # fmt: skip
    request = LabelsRequest(asked, uncertain=uncertain, with_people=with_people)
    with _source(settings) as (source, now):
        written = write_labels(source, request, out, overwrite=overwrite)
        _note(source, f"labels, {counted(written.detections, 'image')}", now)
    _tell(written, out)
    print(f"next: edgeclip data check {shlex.quote(str(out))}")


def add_export_commands(app: typer.Typer) -> None:
    """Add both commands to the dashboard's."""
    app.command("export")(export)
    app.command("export-labels")(export_labels)


def _filter(zone: tzinfo | None, **given: Any) -> DetectionFilter:
    from edgeclip_dashboard.filter_text import filter_of_texts

    texts = {key: value for key, value in given.items() if value is not None}
    return filter_of_texts(texts, zone)


def _settings(
    project: str | None, database: str | None, media: Path | None, config: Path | None
) -> DashboardSettings:
    return settings_of(config, project=project, store={"database": database, "media": media})


@contextmanager
def _source(settings: DashboardSettings) -> Iterator[tuple[Source, datetime]]:
    """Yield the store of the settings, which a dashboard may be serving, and the time."""
    from edgeclip_dashboard.database import database_url, join_database
    from edgeclip_dashboard.exports.writing import Source
    from edgeclip_dashboard.media_files import MediaFiles

    url = database_url(settings.store.database)
    with join_database(url, project=settings.project) as engine:
        files = MediaFiles(settings.store.media, most_bytes=settings.store.media_max_bytes)
        address = settings.page.public_url
        yield (
            Source(engine, files, settings.project, settings.export, address),
            datetime.now(timezone.utc),
        )


def _export(
    settings: DashboardSettings, request: ExportRequest, out: Path, *, overwrite: bool
) -> None:
    """Write what was asked for, with its deed, and say what came of it."""
    from edgeclip_dashboard.exports.writing import write_export

    with _source(settings) as (source, now):
        written = write_export(source, request, out, now, overwrite=overwrite)
        _note(source, f"{request.format}, {written.amount}", now)
    _tell(written, out)


def _note(source: Source, subject: str, now: datetime) -> None:
    from sqlalchemy.orm import Session

    from edgeclip_dashboard import deeds

    with Session(source.engine) as session, session.begin():
        deeds.note(session, deeds.COMMAND_LINE, "exported", subject, now)


def _tell(written: Written, out: Path) -> None:
    copied = f", {counted(written.pictures, 'picture')}" if written.pictures else ""
    print(f"{out}: {counted(written.detections, 'detection')}{copied}")
    for note in written.notes:
        print(f"note: {note}")
