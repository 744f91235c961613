"""`edgeclip`: look at labelled images, train an adapter, evaluate a pack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from rich.console import Console, RenderableType
from rich.markup import escape

from edgeclip.errors import run_command_line

if TYPE_CHECKING:
    from edgeclip.trainer import TrainResult

app = typer.Typer(
    name="edgeclip",
    help="Train CLIP adapters on camera-trap images.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Look at labelled images, or draw some.", no_args_is_help=True)
app.add_typer(data_app, name="data")

ClassOption = Annotated[
    Optional[list[str]],  # noqa: UP045  # typer evaluates it on Python 3.10 too
    typer.Option(
        "--class",
        help="A class and its labels, 'name=label,label'; repeat. Without any, a class a label.",
    ),
]
TargetOption = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--target", help="A class to alert on; repeat. Without any, all but blank."),
]
DataDirOption = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(help="Where the table's paths start; else its own folder."),
]
LayoutOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="Of folders: 'label' or 'location/label'; else guessed, and said."),
]
PretrainedOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="The backbone's weights: open_clip's tag, or a checkpoint file."),
]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of split, views and training.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]


@data_app.command("check")
def data_check(
    source: Annotated[Path, typer.Argument(help="A folder of images, or a CSV.")],
    classes: ClassOption = None,
    target: TargetOption = None,
    data_dir: DataDirOption = None,
    layout: LayoutOption = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Say what can be used: classes, places, unreadable files, duplicates, and the split."""
    from edgeclip.labels.classes import parse_class_options
    from edgeclip.labels.dataset import load_dataset, read_labels
    from edgeclip.labels.folder import parse_layout
    from edgeclip.progress import Bars
    from edgeclip.summary import summarise

    table = read_labels(source, data_dir=data_dir, layout=parse_layout(layout))
    with Bars(quiet=as_json) as bars:
        advance = bars.add("opening images", len(table.samples))
        dataset = load_dataset(
            table, parse_class_options(classes or []), advance=lambda: advance(1)
        )
    summary = summarise(dataset, target or [], seed=seed)
    if as_json:
        _print_json(summary.model_dump(mode="json"))
        return
    from edgeclip.tables import data_tables

    _show(data_tables(summary))
    _next(f"edgeclip train --data {source} --backbone demo --out pack/")


@data_app.command("render")
def data_render(
    out: Annotated[Path, typer.Argument(help="A folder that does not exist, or is empty.")],
    species: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="What to draw besides blanks; repeat. Default: leopard, impala, hyena."),
    ] = None,
    images: Annotated[int, typer.Option(min=1, max=100_000, help="Of each class.")] = 90,
    locations: Annotated[int, typer.Option(min=1, max=10_000)] = 10,
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
        _print_json({"labels": str(table), "counts": plan.counts})
        return
    _show(f"{images} images each of {escape(', '.join([*names, 'blank']))}")
    _next(f"edgeclip data check {table}")


@data_app.command("clip")
def data_clip(
    out: Annotated[Path, typer.Argument(help="The video, .mp4 or .avi; its truth lies beside it.")],
    scene: Annotated[str, typer.Option(help="foliage, leopard-night, leopard-day or person.")],
    as_json: AsJson = False,
) -> None:
    """Draw a video clip with known truth, to replay on a device."""
    from edgeclip.scenes.clips import scene_script, write_clip

    truth = write_clip(out, script=scene_script(scene))
    if as_json:
        _print_json({"clip": str(out), "frames": len(truth.frames), "visits": len(truth.visits)})
        return
    _show(f"{len(truth.frames)} frames, {len(truth.visits)} visits")
    _next(f"edgeclip-device replay {out} --bundle bundle/")


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="A folder of images, or a CSV.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The pack's folder, to be made.", show_default=False)],
    backbone: Annotated[str, typer.Option(help="'demo', an open_clip name, or a model's JSON.")],
    pretrained: PretrainedOption = None,
    classes: ClassOption = None,
    target: TargetOption = None,
    prompt: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="'class=sentence' that describes a class; repeat."),
    ] = None,
    task: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The pack's name, a-z 0-9 -; else from the target."),
    ] = None,
    version: Annotated[str, typer.Option(help="The pack's version, three numbers.")] = "1.0.0",
    data_dir: DataDirOption = None,
    layout: LayoutOption = None,
    steps: Annotated[int, typer.Option(min=0, max=100_000)] = 300,
    views: Annotated[int, typer.Option(min=1, max=50, help="Of each training image.")] = 4,
    strip_top_px: Annotated[int, typer.Option(min=0, help="Rows of burned-in text.")] = 0,
    strip_bottom_px: Annotated[int, typer.Option(min=0)] = 0,
    min_precision: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0, max=1, help="Take the lowest threshold that reaches it."),
    ] = None,
    seed: Seed = 1,
    cache: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder for features; else in the user's cache."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite/--no-overwrite")] = False,
    as_json: AsJson = False,
) -> None:
    """Train an adapter; write its pack with figures on places that it has not seen."""
    from datetime import datetime, timezone

    from edgeclip.config import TrainConfig, default_cache
    from edgeclip.contract.settings import settings_from
    from edgeclip.labels.classes import parse_class_options
    from edgeclip.progress import Bars
    from edgeclip.prompts import parse_prompt_options

    tables: dict[str, Any] = {
        "data": data,
        "data_dir": data_dir,
        "layout": layout,
        "classes": parse_class_options(classes or []),
        "prompts": parse_prompt_options(prompt or []),
        "targets": tuple(target or ()),
        "backbone": backbone,
        "pretrained": pretrained,
        "task": task,
        "version": version,
        "out": out,
        "overwrite": overwrite,
        "cache": cache or default_cache(),
        "min_precision": min_precision,
        "recipe": {
            "steps": steps,
            "views": views,
            "strip_top_px": strip_top_px,
            "strip_bottom_px": strip_bottom_px,
            "seed": seed,
        },
    }
    config = settings_from(tables, TrainConfig, source="edgeclip train")
    from edgeclip.trainer import train as train_pack  # torch: after what can be refused at once

    with Bars(quiet=as_json) as bars:
        result = train_pack(config, created_at=datetime.now(timezone.utc), bars=bars)
    _show_result(result, out, as_json=as_json)


@app.command()
def evaluate(
    pack: Annotated[Path, typer.Option(help="The pack's folder.", show_default=False)],
    data: Annotated[Path, typer.Option(help="A folder of images, or a CSV.", show_default=False)],
    backbone: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The encoder, where the pack's name for it is not known here."),
    ] = None,
    pretrained: PretrainedOption = None,
    classes: ClassOption = None,
    data_dir: DataDirOption = None,
    layout: LayoutOption = None,
    as_json: AsJson = False,
) -> None:
    """Measure a pack, at its own thresholds, on labelled images."""
    from edgeclip.evaluating import EvaluationRequest, evaluate_pack
    from edgeclip.labels.classes import parse_class_options
    from edgeclip.labels.folder import parse_layout
    from edgeclip.progress import Bars

    request = EvaluationRequest(
        pack=pack,
        data=data,
        data_dir=data_dir,
        layout=parse_layout(layout),
        classes=parse_class_options(classes or []),
        backbone=backbone,
        pretrained=pretrained,
    )
    with Bars(quiet=as_json) as bars:
        result, names = evaluate_pack(request, bars=bars)
    if as_json:
        _print_json({"metrics": result.flat("pack"), "confusion": result.confusion.tolist()})
        return
    from edgeclip.tables import evaluation_tables

    _show(evaluation_tables({"pack": result}, names, title="these images"))


def main() -> None:
    """Run the command line."""
    run_command_line(app)


def _show_result(result: TrainResult, out: Path, *, as_json: bool) -> None:
    manifest = result.manifest
    if as_json:
        _print_json(
            {
                "pack": str(out),
                "task": manifest.task,
                "version": manifest.version,
                "metrics": manifest.metrics,
                "notes": list(result.notes),
                "thresholds": {k: v.model_dump() for k, v in manifest.thresholds.items()},
                "cache": {"hits": result.cache_hits, "misses": result.cache_misses},
            }
        )
        return
    from edgeclip.tables import data_tables, evaluation_tables

    _show(data_tables(result.summary))
    _show(evaluation_tables(result.evaluations, manifest.class_names))
    for note in result.notes:
        _show(f"[bold yellow]{escape(note)}[/]")
    known, computed = result.cache_hits, result.cache_misses
    _show(f"features: {computed} computed, {known} from the cache")
    _show(f"report: {escape(str(out / 'report' / 'index.html'))}")
    _next(f"edgeclip-export bundle --pack {out} --out bundle/")


def _show(what: RenderableType) -> None:
    Console().print(what)


def _print_json(content: object) -> None:
    print(json.dumps(content, indent=2, ensure_ascii=False))


def _next(command: str) -> None:
    Console().print(f"next: [bold]{escape(command)}[/]", soft_wrap=True)


if __name__ == "__main__":
    main()
