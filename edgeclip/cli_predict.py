"""`edgeclip predict`: a pack, set or bundle over an archive of any size, to be gone on with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from typer.core import TyperCommand

from edgeclip.cli_groups import takes_groups
from edgeclip.cli_options import AsJson, PretrainedOption, facts_given
from edgeclip.cli_predicted import print_results, show_results
from edgeclip.errors import ConfigError, DataError

if TYPE_CHECKING:
    from edgeclip.archive.camtrap import CamtrapAsked


class RepeatsFormat(TyperCommand):
    """A command whose `--format` is repeated, and says so where several follow one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse `--format csv md-json` by what was meant, and go on."""
        for place, word in enumerate(args[:-2]):
            first, second = args[place + 1 : place + 3]
            if word == "--format" and _is_format(second):
                said = f"it takes one: repeat it, as --format {first} --format {second}"
                raise typer.BadParameter(said, ctx, param_hint="--format")
        return super().parse_args(ctx, args)


def _is_format(word: str) -> bool:
    """Say whether a word is a format, and no archive that is called so."""
    from edgeclip.archive.results import FORMATS

    return word in FORMATS and not Path(word).exists()


@dataclass(frozen=True, kw_only=True)
class CamtrapGiven:
    """What `--format camtrap-dp` tells beside the answers."""

    deployments: Annotated[
        Optional[Path],  # noqa: UP045  # typer evaluates it on Python 3.10 too
        typer.Option(help="Where cameras stood: a table with deploymentID, latitude, longitude."),
    ] = None
    project: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="A TOML file: title, contact, licences, [scientific_names]."),
    ] = None
    obscure: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="Tell places on a grid alone: 1, 0.1, 0.01 or 0.001 degrees."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class WrittenGiven:
    """What is written, and where."""

    out: Annotated[Path, typer.Option(help="Takes the results; a run there is gone on with.")]
    format_: Annotated[
        Optional[list[str]],  # noqa: UP045  # typer evaluates it on Python 3.10 too
        typer.Option(
            "--format",
            show_default="csv",
            help="csv, md-json, timelapse, camtrap-dp or sheets; repeat.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class AskedGiven:
    """Who answers, on what."""

    backend: Annotated[
        str, typer.Option(help="auto, torch (packs), onnxruntime or tensorrt (bundles).")
    ] = "auto"
    task: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The one pack of a bundle that answers; else each for its images."),
    ] = None
    backbone: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="'demo', an open_clip name, or a model's JSON; else the pack's."),
    ] = None
    pretrained: PretrainedOption = None


@dataclass(frozen=True, kw_only=True)
class LookedGiven:
    """How images are looked at, and what is known of them."""

    data_dir: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Where a table's paths start; else its own folder."),
    ] = None
    boxes: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="MegaDetector's JSON of the archive: crops are looked at as well."),
    ] = None
    box_threshold: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            min=0, max=1, show_default="0.2", help="Least confidence of a detector's box."
        ),
    ] = None
    heat_boxes: Annotated[
        bool,
        typer.Option(help="Box what is decided by the heat of cells, where no detector did."),
    ] = True
    tz: Annotated[str, typer.Option(help="Zone of times without one: Africa/Nairobi.")] = "UTC"
    fact: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="'key=value' of all images, beside light and place of each; repeat."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class WorkGiven:
    """Who does the work, and in what pieces."""

    workers: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, max=1024, help="Threads, or processes of a cluster; else one a core."),
    ] = None
    cluster: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Ray: 'auto', 'local' or HOST:PORT; else this machine's threads."),
    ] = None
    part_images: Annotated[
        int, typer.Option(min=1, max=100_000, help="Images that a killed run may do again.")
    ] = 256


Anew = Annotated[
    bool, typer.Option("--overwrite/--no-overwrite", help="Begin anew in that folder.")
]


@takes_groups
def predict(
    source: Annotated[
        str,
        typer.Argument(help="A folder, a CSV of files, a zip, or a URL such as s3://bucket/2024."),
    ],
    *,
    pack: Annotated[Path, typer.Option(help="A pack, a set of packs, or a bundle.")],
    written: WrittenGiven,
    asked: AskedGiven,
    looked: LookedGiven,
    work: WorkGiven,
    package: CamtrapGiven,
    overwrite: Anew = False,
    as_json: AsJson = False,
) -> None:
    """Answer for every image of an archive. Killed, the same command goes on."""
    from edgeclip.archive.answering import Asked
    from edgeclip.archive.cluster import Cluster
    from edgeclip.archive.predicting import Output, predict_archive
    from edgeclip.archive.request import PredictRequest
    from edgeclip.progress import Bars

    request = PredictRequest(
        source=source,
        asked=Asked(pack, asked.task, _backend(asked.backend), asked.backbone, asked.pretrained),
        data_dir=looked.data_dir,
        boxes=_file(looked.boxes),
        box_threshold=_threshold(looked.box_threshold, looked.boxes),
        zone=_zone(looked.tz),
        facts=facts_given(looked.fact),
    )
    output = Output(
        folder=written.out,
        formats=list(dict.fromkeys(written.format_ or ["csv"])),
        overwrite=overwrite,
        workers=work.workers,
        cluster=Cluster(work.cluster, work.workers) if work.cluster else None,
        part_images=work.part_images,
        camtrap=_camtrap(package, source, looked.tz),
        heat_boxes=looked.heat_boxes,
    )
    with Bars(quiet=as_json) as bars:
        results = predict_archive(request, output, bars)
    if as_json:
        print_results(results)
    else:
        show_results(results, request, output)
    if results.failures == results.images:
        where = written.out / "failures.csv"
        raise DataError(f"{source}: not one image could be read: see {where}")


def _camtrap(given: CamtrapGiven, source: str, tz: str) -> CamtrapAsked | None:
    """Return what a package tells, or None where it is not asked for."""
    from edgeclip.archive.camtrap import CamtrapAsked
    from edgeclip.archive.deployments import read_deployments
    from edgeclip.contract.places import GRIDS_DEG
    from edgeclip.contract.project_words import ExportSettings
    from edgeclip.contract.settings import read_toml, settings_from
    from edgeclip.labels.reading import zone_named

    if given.deployments is None:
        if given.project or given.obscure is not None:
            raise ConfigError("--project and --obscure belong to --format camtrap-dp: leave them")
        return None
    if given.obscure not in (None, *GRIDS_DEG):
        raise ConfigError(
            f"--obscure {given.obscure:g}: there are {', '.join(f'{one:g}' for one in GRIDS_DEG)}"
        )
    tables = read_toml(given.project) if given.project else {}
    project = settings_from(tables, ExportSettings, source=str(given.project))
    deployments = read_deployments(given.deployments, zone_named(tz))
    name = PurePosixPath(source.rstrip("/")).name or source
    return CamtrapAsked(deployments, project, name, given.obscure)


def _backend(name: str) -> str:
    if name not in ("auto", "torch", "onnxruntime", "tensorrt"):
        raise ConfigError(f"--backend {name}: there are auto, torch, onnxruntime and tensorrt")
    return name


def _file(path: Path | None) -> Path | None:
    if path is not None and not path.is_file():
        raise DataError(f"--boxes {path}: there is no such file")
    return path


def _threshold(given: float | None, boxes: Path | None) -> float:
    if given is not None and boxes is None:
        raise ConfigError("--box-threshold is of the detector's boxes: add --boxes, or leave it")
    return 0.2 if given is None else given


def _zone(name: str) -> str:
    from edgeclip.labels.reading import zone_named

    zone_named(name)
    return name
