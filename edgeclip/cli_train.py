"""`edgeclip train`: labelled images in, an adapter pack with its report out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from rich.markup import escape

from edgeclip.cli_options import (
    AsJson,
    PretrainedOption,
    Seed,
    TargetOption,
)
from edgeclip.cli_output import next_command, print_json, show
from edgeclip.cli_reading import Given, takes_reading_options
from edgeclip.errors import ConfigError

if TYPE_CHECKING:
    from edgeclip.trainer import TrainResult


@takes_reading_options
def train(
    *,
    data: Annotated[
        Path,
        typer.Option(
            help="A folder, CSV, COCO or MegaDetector JSON, or Camtrap DP.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option(help="The pack's folder, to be made.", show_default=False)],
    backbone: Annotated[str, typer.Option(help="'demo', an open_clip name, or a model's JSON.")],
    pretrained: PretrainedOption = None,
    reading: Given,
    target: TargetOption = None,
    method: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="'auto', the default, tries and chooses; else 'zero-shot', or names joined by +:"
            " 'visual+head'."
        ),
    ] = None,
    preset: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="A known set of adapters instead of a method: tiny, leopard, strong."),
    ] = None,
    on: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="An earlier pack: its adapters stay, the method's are added to them."),
    ] = None,
    meta_weights: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Of the method meta; else those carried with the demo backbone."),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(
            min=1, max=100, help="Rounds that leave places out; 1: only the validation part."
        ),
    ] = 6,
    budget_minutes: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            min=0,
            max=100_000,
            help="For adapters inside the encoder: what 'auto' may spend, 10 unless given; a named"
            " method that takes longer is refused.",
        ),
    ] = None,
    prompt: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="'class=sentence' that describes a class; repeat."),
    ] = None,
    prompts: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="A file of 'class=sentence' lines."),
    ] = None,
    task: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The pack's name, a-z 0-9 -; else from the target."),
    ] = None,
    version: Annotated[str, typer.Option(help="The pack's version, three numbers.")] = "1.0.0",
    steps: Annotated[int, typer.Option(min=0, max=100_000)] = 300,
    xmodal: Annotated[
        str, typer.Option(help="Tokens of xmodal: text; or random, shuffled, to see what it adds.")
    ] = "text",
    tuned_blocks: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, max=100, help="Last blocks that ln, lora and svd change; else all."),
    ] = None,
    views: Annotated[int, typer.Option(min=1, max=50, help="Of each training image.")] = 4,
    strip_top_px: Annotated[int, typer.Option(min=0, help="Rows of burned-in text.")] = 0,
    strip_bottom_px: Annotated[int, typer.Option(min=0)] = 0,
    min_precision: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0, max=1, help="Take the lowest threshold that reaches it."),
    ] = None,
    min_recall: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0, max=1, help="Take the highest threshold that reaches it."),
    ] = None,
    split: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="A split.csv of an earlier report; else a split is made."),
    ] = None,
    allow_random_split: Annotated[
        bool, typer.Option("--allow-random-split", help="Places may teach and test; it is said.")
    ] = False,
    seed: Seed = 1,
    cache: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder for features; else in the user's cache."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite/--no-overwrite")] = False,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Continue an interrupted run.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train an adapter; write its pack with figures on places that it has not seen."""
    from datetime import datetime, timezone

    from edgeclip.config import TrainConfig, default_cache
    from edgeclip.contract.settings import settings_from
    from edgeclip.progress import Bars
    from edgeclip.prompts import parse_prompt_options, read_prompts

    tables: dict[str, Any] = {
        "data": data,
        **reading,
        "prompts": parse_prompt_options(
            [*(read_prompts(prompts) if prompts else []), *(prompt or [])]
        ),
        "targets": tuple(target or ()),
        "backbone": backbone,
        "pretrained": pretrained,
        "method": method or "auto",
        "on": on,
        "meta_weights": meta_weights,
        "folds": folds,
        "budget_minutes": budget_minutes,
        "task": task,
        "version": version,
        "out": out,
        "overwrite": overwrite,
        "resume": resume,
        "cache": cache or default_cache(),
        "min_precision": min_precision,
        "min_recall": min_recall,
        "split": split,
        "allow_random_split": allow_random_split,
        "recipe": {
            "steps": steps,
            "xmodal": xmodal,
            "tuned_blocks": tuned_blocks,
            "views": views,
            "strip_top_px": strip_top_px,
            "strip_bottom_px": strip_bottom_px,
            "seed": seed,
        },
    }
    if preset:
        _apply_preset(tables, preset, method)
    config = settings_from(tables, TrainConfig, source="edgeclip train")
    from edgeclip.run_folder import run_path
    from edgeclip.trainer import train as train_pack  # torch: after what can be refused at once

    try:
        with Bars(quiet=as_json) as bars:
            result = train_pack(config, created_at=datetime.now(timezone.utc), bars=bars)
    except KeyboardInterrupt:
        if run_path(out).exists():
            typer.echo("interrupted: the same command with --resume continues here", err=True)
        raise
    _show_result(result, out, as_json=as_json)


def _apply_preset(tables: dict[str, Any], preset: str, method: str | None) -> None:
    from edgeclip.adapters.presets import preset_method

    if method:
        raise ConfigError(f"--preset {preset} is a method of its own: leave --method {method} out")
    tables["method"], changes = preset_method(preset)
    tables["recipe"] |= changes


def _show_result(result: TrainResult, out: Path, *, as_json: bool) -> None:
    from edgeclip.ladder_table import ladder_table, ladder_values

    manifest, ladder = result.manifest, result.learned.ladder
    if as_json:
        print_json(
            {
                "pack": str(out),
                "task": manifest.task,
                "version": manifest.version,
                "method": manifest.method,
                "ladder": ladder_values(ladder) if ladder else None,
                "metrics": manifest.metrics,
                "notes": list(result.notes),
                "thresholds": {k: v.model_dump() for k, v in manifest.thresholds.items()},
                "cache": {"hits": result.cache_hits, "misses": result.cache_misses},
                "resumed": asdict(result.taken) if result.taken else None,
            }
        )
        return
    from edgeclip.evaluation_tables import evaluation_tables
    from edgeclip.tables import data_tables

    show(data_tables(result.summary))
    if ladder:
        show(ladder_table(ladder))
    show(evaluation_tables(result.comparison))
    show(f"method: {escape(manifest.method)}")
    for note in result.notes:
        show(f"[bold yellow]{escape(note)}[/]")
    known, computed = result.cache_hits, result.cache_misses
    show(f"features: {computed} computed, {known} from the cache")
    if result.taken:
        rounds, steps = result.taken.rounds, result.taken.steps
        show(f"resumed: {rounds} rounds and {steps} steps taken over from the interrupted run")
    show(f"report: {escape(str(out / 'report' / 'index.html'))}")
    if not manifest.is_bake_only:  # no graph takes it yet
        next_command(f"edgeclip-export bundle --pack {out} --out bundle/")
