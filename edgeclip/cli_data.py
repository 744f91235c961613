"""`edgeclip data`: look at labelled images, or draw some."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.markup import escape

from edgeclip.cli_groups import takes_groups
from edgeclip.cli_options import (
    AsJson,
    Seed,
    TargetOption,
)
from edgeclip.cli_output import next_command, print_json, show
from edgeclip.cli_reading import ReadingGiven, reading_arguments
from edgeclip.contract.plurals import counted

app = typer.Typer(help="Look at labelled images, or draw some.", no_args_is_help=True)


@app.command("check")
@takes_groups
def data_check(
    *,
    source: Annotated[
        Path, typer.Argument(help="A folder, CSV, COCO, Camtrap DP, or results of MegaDetector.")
    ],
    target: TargetOption = None,
    seed: Seed = 1,
    as_json: AsJson = False,
    reading: ReadingGiven,
) -> None:
    """Say what can be used. Classes, places, unreadable files, duplicates, and the split."""
    from edgeclip.contract.settings import settings_from
    from edgeclip.labels.reading import ReadingOptions
    from edgeclip.opening import open_dataset
    from edgeclip.progress import Bars
    from edgeclip.summary import checked

    given = reading.fields()
    options = settings_from({"data": source, **given}, ReadingOptions, source="edgeclip data check")
    with Bars(quiet=as_json) as bars:
        dataset = open_dataset(options, bars, target or ())
    summary = checked(dataset, target or [], seed=seed)
    if as_json:
        print_json(summary.model_dump(mode="json"))
        return
    from edgeclip.tables import data_tables

    show(data_tables(summary))
    words = reading_arguments(source, given, target or ())
    next_command(["edgeclip", "train", *words, "--backbone", "demo", "--out", "pack/"])


@app.command("render")
def data_render(
    out: Annotated[Path, typer.Argument(help="A folder that does not exist, or is empty.")],
    species: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="What to draw besides blanks; repeat. Default: leopard, impala, hyena."),
    ] = None,
    images: Annotated[int, typer.Option(min=1, max=100_000, help="Of each class.")] = 90,
    locations: Annotated[int, typer.Option(min=1, max=10_000, help="How many camera places.")] = 10,
    first_location: Annotated[int, typer.Option(min=0, help="Sets apart have other places.")] = 0,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Draw a labelled image set, for trying things out without a camera."""
    from edgeclip.scenes.image_sets import ImageSetPlan, write_image_set

    names = species or ["leopard", "impala", "spotted hyena"]
    plan = ImageSetPlan(
        counts=dict.fromkeys([*names, "blank"], images),
        locations=locations,
        seed=seed,
        first_location=first_location,
    )
    table = write_image_set(out, plan)
    if as_json:
        print_json({"labels": str(table), "counts": plan.counts})
        return
    show(f"{counted(images, 'image')} each of {escape(', '.join([*names, 'blank']))}")
    next_command(["edgeclip", "data", "check", str(table)])


@app.command("join")
def data_join(
    out: Annotated[Path, typer.Argument(help="A CSV in a folder above all of the images.")],
    sources: Annotated[list[Path], typer.Argument(help="Folders, tables or packages of labels.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite/--no-overwrite", help="Replace a table of that name.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write several sources into one table, such as a season's labels and later verdicts."""
    from edgeclip.labels.joining import write_joined
    from edgeclip.labels.reading import ReadingOptions
    from edgeclip.opening import open_dataset
    from edgeclip.progress import Bars

    with Bars(quiet=as_json) as bars:
        read = [open_dataset(ReadingOptions(data=source), bars) for source in sources]
    joined = write_joined(out, read, overwrite=overwrite)
    if as_json:
        print_json(dataclasses.asdict(joined))
        return
    for source, rows in joined.by_source.items():
        show(f"{escape(source)}: {counted(rows, 'image')}")
    if joined.known:
        show(f"{counted(joined.known, 'image')} left out: an earlier source has the same file")
    if joined.whole_bursts:
        show(f"{counted(joined.whole_bursts, 'image')} left out: labelled by the burst alone")
    next_command(["edgeclip", "data", "check", str(out)])


@app.command("clip")
def data_clip(
    out: Annotated[Path, typer.Argument(help="The video, .mp4 or .avi; its truth lies beside it.")],
    scene: Annotated[str, typer.Option(help="foliage, leopard-night, leopard-day or person.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite/--no-overwrite", help="Replace a clip of that name.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Draw a video clip with known truth, to replay on a device."""
    from edgeclip.scenes.clips import scene_script, write_clip

    truth = write_clip(out, script=scene_script(scene), overwrite=overwrite)
    if as_json:
        print_json({"clip": str(out), "frames": len(truth.frames), "visits": len(truth.visits)})
        return
    show(f"{counted(len(truth.frames), 'frame')}, {counted(len(truth.visits), 'visit')}")
    next_command(["edgeclip-device", "replay", str(out), "--bundle", "bundle/"])
