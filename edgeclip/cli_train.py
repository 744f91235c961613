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
    PretrainedOption,
    RunGiven,
    Seed,
    TargetOption,
)
from edgeclip.cli_output import next_command, print_json, show
from edgeclip.cli_reading import ReadingGiven
from edgeclip.errors import ConfigError

if TYPE_CHECKING:
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
    out: Annotated[Path, typer.Option(help="The pack's folder, to be made.", show_default=False)]
    backbone: Annotated[str, typer.Option(help="'demo', an open_clip name, or a model's JSON.")]
    pretrained: PretrainedOption = None
    split: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="A split.csv of an earlier report; else a split is made."),
    ] = None
    allow_random_split: AllowRandomSplit = False


@dataclass(frozen=True, kw_only=True)
class MethodGiven:
    """What is tried."""

    method: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="'auto', the default, tries and chooses; else 'zero-shot', or names joined by +:"
            " 'visual+head'."
        ),
    ] = None
    preset: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="A known set of adapters instead of a method: tiny, leopard, strong."),
    ] = None
    on: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="An earlier pack: its adapters stay, the method's are added to them."),
    ] = None
    meta_weights: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Of the method meta; else those carried with the demo backbone."),
    ] = None
    folds: Annotated[
        int,
        typer.Option(
            min=1, max=100, help="Rounds that leave places out; 1: only the validation part."
        ),
    ] = 6
    budget_minutes: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            min=0,
            max=100_000,
            help="For adapters inside the encoder: what 'auto' may spend, 10 unless given; a named"
            " method that takes longer is refused.",
        ),
    ] = None

    def fields(self) -> dict[str, Any]:
        """Return the method, the other fields of `TrainConfig`, and what a preset changes.

        Raises:
            ConfigError: A preset beside a method, or one that is not known.
        """
        from edgeclip.adapters.presets import preset_method

        tables = vars(self) | {"method": self.method or "auto", "recipe": {}}
        preset = tables.pop("preset")
        if preset and self.method:
            raise ConfigError(
                f"--preset {preset} is a method of its own: leave --method {self.method} out"
            )
        if preset:
            tables["method"], tables["recipe"] = preset_method(preset)
        return tables


@dataclass(frozen=True, kw_only=True)
class RecipeGiven:
    """How a fit is made; the fields of `Recipe` that have an option."""

    steps: Annotated[int, typer.Option(min=0, max=100_000)] = 300
    xmodal: Annotated[
        str, typer.Option(help="Tokens of xmodal: text; or random, shuffled, to see what it adds.")
    ] = "text"
    tuned_blocks: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, max=100, help="Last blocks that ln, lora and svd change; else all."),
    ] = None
    views: Annotated[int, typer.Option(min=1, max=50, help="Of each training image.")] = 4
    strip_top_px: Annotated[int, typer.Option(min=0, help="Rows of burned-in text.")] = 0
    strip_bottom_px: Annotated[int, typer.Option(min=0)] = 0
    seed: Seed = 1


@dataclass(frozen=True, kw_only=True)
class PackGiven:
    """What a pack is called and asked for."""

    target: TargetOption = None
    task: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The pack's name, a-z 0-9 -; else from the target."),
    ] = None
    version: Annotated[str, typer.Option(help="The pack's version, three numbers.")] = "1.0.0"
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
    """Sentences that describe the classes."""

    prompt: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="'class=sentence' that describes a class; repeat."),
    ] = None
    prompts: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="A file of 'class=sentence' lines."),
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
    """Train an adapter; write its pack with figures on places that it has not seen."""
    from datetime import datetime, timezone

    from edgeclip.config import TrainConfig, default_cache
    from edgeclip.contract.settings import settings_from
    from edgeclip.progress import Bars

    tables = {**vars(source), **reading.fields(), **pack.fields(), **method.fields(), **vars(run)}
    tables["prompts"] = sentences.by_class()
    tables["recipe"] = {**vars(recipe), **tables["recipe"]}
    tables |= {"resume": resume, "cache": run.cache or default_cache()}
    config = settings_from(tables, TrainConfig, source="edgeclip train")
    from edgeclip.run_folder import run_path
    from edgeclip.trainer import train as train_pack  # torch: after what can be refused at once

    try:
        with Bars(quiet=as_json) as bars:
            result = train_pack(config, created_at=datetime.now(timezone.utc), bars=bars)
    except KeyboardInterrupt:
        if run_path(source.out).exists():
            typer.echo("interrupted: the same command with --resume continues here", err=True)
        raise
    _show_result(result, source.out, as_json=as_json)


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
    bake = " --bake" if manifest.is_bake_only else ""
    next_command(f"edgeclip-export bundle --pack {out} --out bundle/{bake}")
