"""`edgeclip evaluate`: how good a pack is on labelled images."""

from __future__ import annotations

from dataclasses import dataclass
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
    StripBottomOption,
    StripTopOption,
    facts_given,
)
from edgeclip.cli_output import bundle_words, next_command, print_json, show
from edgeclip.cli_reading import ReadingGiven
from edgeclip.errors import ConfigError

if TYPE_CHECKING:
    from edgeclip.evaluation_request import EvaluationRequest
    from edgeclip.report_data import ReportData


@dataclass(frozen=True, kw_only=True)
class JudgedGiven:
    """What is judged, on what, and through which encoder."""

    split: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="A split.csv: its test parts are judged; else the pack's own."),
    ] = None
    allow_random_split: AllowRandomSplit = False
    backbone: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The encoder, where the pack's name for it is not known here."),
    ] = None
    pretrained: PretrainedOption = None
    strip_top_px: StripTopOption = None
    strip_bottom_px: StripBottomOption = None


@dataclass(frozen=True, kw_only=True)
class BesideGiven:
    """What a pack is held against."""

    baseline: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            help="Compare with 'zero-shot', 'linear-probe', 'tip-adapter', 'resnet50'; repeat."
        ),
    ] = None
    background_check: Annotated[
        bool, typer.Option("--background-check", help="Paint the animals over, and look again.")
    ] = False
    resnet_weights: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Of the ResNet-50: a file or folder; else torch's cache."),
    ] = None
    device: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Of the ResNet-50: auto, cpu, cuda.", show_default="cpu"),
    ] = None

    def fields(self) -> dict[str, Any]:
        """Return the fields of `EvaluationRequest`."""
        tables = dict(vars(self))
        tables["device"] = self.device or "cpu"
        return tables | {"baselines": tuple(dict.fromkeys(tables.pop("baseline") or ()))}


@takes_groups
def evaluate(
    *,
    pack: Annotated[Path, typer.Option(help="The pack's folder, or a set's.", show_default=False)],
    data: Annotated[
        Path,
        typer.Option(
            help="A folder, CSV, COCO or MegaDetector JSON, or Camtrap DP.", show_default=False
        ),
    ],
    report: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder to be made: a page with pictures, figures, predictions."),
    ] = None,
    fact: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="Of a set: 'key=value' of all images, beside light and place of each."),
    ] = None,
    beside: BesideGiven,
    judged: JudgedGiven,
    run: RunGiven,
    as_json: AsJson = False,
    reading: ReadingGiven,
) -> None:
    """Measure a pack on images that it has not seen. Thresholds are its own."""
    from edgeclip.config import default_cache
    from edgeclip.contract.settings import settings_from
    from edgeclip.evaluation_request import EvaluationRequest
    from edgeclip.labels.reading import ReadingOptions
    from edgeclip.set_files import SET_FILE

    source = {"data": data, **reading.fields()}
    request = EvaluationRequest(
        pack=pack,
        reading=settings_from(source, ReadingOptions, source="edgeclip evaluate"),
        report=report,
        **beside.fields(),
        **vars(judged),
        **vars(run) | {"cache": run.cache or default_cache()},
    )
    facts, is_named = facts_given(fact), beside.device is not None
    if (pack / SET_FILE).is_file():
        _evaluate_set(request, facts, device_given=is_named, as_json=as_json)
    elif facts:
        raise ConfigError(f"--fact is for the static keys of a set, and {pack} is none: leave it")
    else:
        _evaluate_pack(request, device_given=is_named, as_json=as_json)


def _evaluate_pack(request: EvaluationRequest, *, device_given: bool, as_json: bool) -> None:
    from datetime import datetime, timezone

    from edgeclip.progress import Bars
    from edgeclip.vain_options import check_evaluation

    check_evaluation(request, device_given=device_given)
    from edgeclip.evaluating import evaluate_pack  # torch: after what can be refused at once

    with Bars(quiet=as_json) as bars:
        result = evaluate_pack(request, at=datetime.now(timezone.utc), bars=bars)
    _show_result(result, request.pack, request.report, as_json=as_json)


def _evaluate_set(
    request: EvaluationRequest, facts: dict[str, str], *, device_given: bool, as_json: bool
) -> None:
    from datetime import datetime, timezone

    from edgeclip.evaluating_set import evaluate_set, refuse_for_sets
    from edgeclip.progress import Bars
    from edgeclip.set_tables import set_tables

    refuse_for_sets(request, device_given=device_given)
    with Bars(quiet=as_json) as bars:
        result = evaluate_set(request, facts, at=datetime.now(timezone.utc), bars=bars)
    if as_json:
        print_json(result.to_json())
        return
    show(set_tables(result))
    for note in result.notes:
        show(f"[bold yellow]{escape(note)}[/]")
    next_command(bundle_words(request.pack))


def _show_result(result: ReportData, pack: Path, report: Path | None, *, as_json: bool) -> None:
    from edgeclip.report import report_json

    if as_json:
        print_json(report_json(result))
        return
    from edgeclip.evaluation_tables import evaluation_tables
    from edgeclip.tables import reading_tables

    if result.summary:
        show(reading_tables(result.summary))
    show(evaluation_tables(result.comparison, background=result.background))
    for note in result.notes:
        show(f"[bold yellow]{escape(note)}[/]")
    if report:
        show(f"report: {escape(str(report / 'index.html'))}")
    next_command(bundle_words(pack, is_bake_only=result.manifest.is_bake_only))
