"""`edgeclip train`: labelled images in, an adapter pack with its report out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from rich.markup import escape

from edgeclip.cli_groups import takes_groups
from edgeclip.cli_options import (
    AllowRandomSplit,
    AsJson,
    MetaWeightsOption,
    PretrainedOption,
    RunGiven,
    TargetOption,
    VersionOption,
)
from edgeclip.cli_output import bundle_words, next_command, print_json, show
from edgeclip.cli_reading import ReadingGiven
from edgeclip.cli_recipe import MethodGiven, RecipeGiven, effective_tables
from edgeclip.cli_registry import keep_index
from edgeclip.errors import ConfigError

if TYPE_CHECKING:
    from edgeclip.config import TrainConfig
    from edgeclip.trainer import TrainResult


@dataclass(frozen=True, kw_only=True)
class SourceGiven:
    """From what a pack is made, and where it lies."""

    data: Annotated[
        Path,
        typer.Option(
            help="A folder, CSV, COCO or MegaDetector JSON, or Camtrap DP.", show_default=False
        ),
    ]
    backbone: Annotated[str, typer.Option(help="'demo', an open_clip name, or a model's JSON.")]
    out: Annotated[
        Optional[Path],  # noqa: UP045  # typer evaluates it on Python 3.10 too
        typer.Option(help="The pack's folder, to be made; else --packs.", show_default=False),
    ] = None
    packs: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="A folder of packs: takes it as TASK/VERSION; a known task goes on."),
    ] = None
    pretrained: PretrainedOption = None
    on: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="An earlier pack: its adapters stay, the method's are added to them."),
    ] = None
    unlabelled: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="A folder, CSV of files or zip of frames of the target cameras without labels."
        ),
    ] = None
    meta_weights: MetaWeightsOption = None
    device: Annotated[
        str, typer.Option(help="Of the frozen encoder: auto (CUDA where there is any), cpu, cuda.")
    ] = "auto"
    split: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="A split.csv of an earlier report; else a split is made."),
    ] = None
    allow_random_split: AllowRandomSplit = False


@dataclass(frozen=True, kw_only=True)
class PackGiven:
    """What a pack is called and asked for."""

    target: TargetOption = None
    task: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The pack's name, a-z 0-9 -; else from the target."),
    ] = None
    version: VersionOption = None
    min_precision: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0, max=1, help="Take the lowest threshold that reaches it."),
    ] = None
    min_recall: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0, max=1, help="Take the highest threshold that reaches it."),
    ] = None

    def fields(self) -> dict[str, Any]:
        """Return the fields of `TrainConfig`."""
        tables = dict(vars(self))
        return tables | {"targets": tuple(tables.pop("target") or ())}


@dataclass(frozen=True, kw_only=True)
class PromptsGiven:
    """Sentences that describe the classes, and what else is asked."""

    prompt: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="'class=sentence' that describes a class; repeat."),
    ] = None
    prompts: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="A file of 'class=sentence' lines."),
    ] = None

    attributes: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="What else is asked of an image: a TOML or JSON file, or 'usual'."),
    ] = None

    def by_class(self) -> dict[str, tuple[str, ...]]:
        """Return the sentences of both, by class.

        Raises:
            ConfigError: The file cannot be read, or a line or option is no prompt.
        """
        from edgeclip.prompts import parse_prompt_options, read_prompts

        of_file = read_prompts(self.prompts) if self.prompts else []
        return parse_prompt_options([*of_file, *(self.prompt or [])])


@takes_groups
def train(
    *,
    source: SourceGiven,
    pack: PackGiven,
    method: MethodGiven,
    sentences: PromptsGiven,
    recipe: RecipeGiven,
    run: RunGiven,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Continue an interrupted run.")
    ] = False,
    as_json: AsJson = False,
    reading: ReadingGiven,
) -> None:
    """Train an adapter and write its pack. Figures are of places that it has not seen."""
    from edgeclip.config import TrainConfig, default_cache
    from edgeclip.contract.settings import settings_from
    from edgeclip.labels.classes import empty_target_doubt
    from edgeclip.vain_options import check_training

    placed = _placed(source, pack)
    tables = {**vars(source), **reading.fields(), **pack.fields(), **vars(run), **placed}
    out = tables["out"]
    del tables["packs"]
    tables |= {"prompts": sentences.by_class(), "attributes": sentences.attributes}
    tables |= effective_tables(method, recipe)
    tables |= {"resume": resume, "cache": run.cache or default_cache()}
    config = settings_from(tables, TrainConfig, source="edgeclip train")
    check_training(config)
    if doubt := empty_target_doubt(config.targets):
        typer.echo(f"warning: {doubt}", err=True)
    result = _trained(config, quiet=as_json)
    _show_result(result, out, as_json=as_json)
    if source.packs:
        keep_index(source.packs)
    if as_json:
        return
    if source.packs:
        _show_likeness(source.packs, out)
    next_command(bundle_words(out, is_bake_only=result.manifest.is_bake_only))


def _trained(config: TrainConfig, *, quiet: bool) -> TrainResult:
    """Return what was trained; where it is interrupted, how to go on is said."""
    from datetime import datetime, timezone

    from edgeclip.progress import Bars
    from edgeclip.run_folder import run_path
    from edgeclip.trainer import train as train_pack  # torch: after what can be refused at once

    try:
        with Bars(quiet=quiet) as bars:
            return train_pack(config, created_at=datetime.now(timezone.utc), bars=bars)
    except KeyboardInterrupt:
        if run_path(config.out).exists():
            typer.echo("interrupted: the same command with --resume continues here", err=True)
        raise


def _placed(source: SourceGiven, pack: PackGiven) -> dict[str, Any]:
    """Return where the pack goes, its version, and what it stands on."""
    if (source.out is None) == (source.packs is None):
        raise ConfigError("edgeclip train: name --out, or --packs with --task")
    if source.packs is None:
        return {}
    if pack.task is None:
        raise ConfigError("--packs keeps packs by their task: name it with --task")
    from edgeclip.registry.address import refuse_url
    from edgeclip.registry.allocating import allocate

    refuse_url(source.packs, "train --packs writes into a folder of this machine", "train there")
    place = allocate(source.packs, pack.task, on=source.on, version=pack.version)
    typer.echo(place.said, err=True)
    return {"out": place.out, "on": place.on, "version": place.version}


def _show_likeness(packs: Path, out: Path) -> None:
    from edgeclip.registry.folder import read_registry
    from edgeclip.registry.held import read_held
    from edgeclip.registry.likeness import likeness

    for task, share in likeness(read_held(out), read_registry(packs)).items():
        show(escape(f"{share:.0%} of what it saw looks like the images of {task}"))


def _show_result(result: TrainResult, out: Path, *, as_json: bool) -> None:
    from edgeclip.ladder_table import LadderTable, ladder_skipped, ladder_values

    manifest, ladder = result.manifest, result.learned.ladder
    if as_json:
        print_json(
            {
                "pack": str(out),
                "task": manifest.task,
                "version": manifest.version,
                "method": manifest.method,
                "recipe": manifest.recipe_sha256,
                "ladder": ladder_values(ladder) if ladder else None,
                "metrics": manifest.metrics,
                "notes": list(result.notes),
                "thresholds": {k: v.model_dump() for k, v in manifest.thresholds.items()},
                "costs": result.costs.model_dump(mode="json"),
                "cache": {"hits": result.cache_hits, "misses": result.cache_misses},
                "resumed": asdict(result.taken) if result.taken else None,
            }
        )
        return
    from edgeclip.evaluation_tables import evaluation_tables
    from edgeclip.tables import data_tables

    show(data_tables(result.summary))
    if ladder:
        show(LadderTable(ladder))
        for line in ladder_skipped(ladder):
            show(f"[dim]not tried: {escape(line)}[/]")
    show(evaluation_tables(result.comparison))
    show(f"pack: {escape(manifest.task)} {manifest.version}")
    show(f"method: {escape(manifest.method)}, recipe {manifest.recipe_sha256[:12]}")
    for note in result.notes:
        show(f"[bold yellow]{escape(note)}[/]")
    known, computed = result.cache_hits, result.cache_misses
    show(f"features: {computed} computed, {known} from the cache")
    costs = result.costs
    show(
        f"took {costs.seconds:.0f} s: features {costs.features_s:.0f}, learning"
        f" {costs.learning_s:.0f}, the rest reading, testing and reporting; peak memory"
        f" {costs.peak_memory_mb:,.0f} MB"
    )
    show(f"the encoder ran on {escape(str(costs.device))}")
    if result.taken:
        rounds, steps = result.taken.rounds, result.taken.steps
        show(f"resumed: {rounds} rounds and {steps} steps taken over from the interrupted run")
    show(f"report: {escape(str(out / 'report' / 'index.html'))}")
