"""`edgeclip evaluate`: how good a pack is on labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer
from rich.markup import escape

from edgeclip.cli_options import AsJson, PretrainedOption
from edgeclip.cli_output import next_command, print_json, show
from edgeclip.cli_reading import Given, takes_reading_options

if TYPE_CHECKING:
    from edgeclip.report_data import ReportData


@takes_reading_options
def evaluate(
    *,
    pack: Annotated[Path, typer.Option(help="The pack's folder.", show_default=False)],
    data: Annotated[Path, typer.Option(help="A folder of images, or a CSV.", show_default=False)],
    report: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder to be made: a page with pictures, figures, predictions."),
    ] = None,
    baseline: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="Compare with 'zero-shot', 'linear-probe', 'resnet50'; repeat."),
    ] = None,
    split: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="A split.csv: its test parts are judged; else the pack's own."),
    ] = None,
    allow_random_split: Annotated[
        bool, typer.Option("--allow-random-split", help="Places may teach and test; it is said.")
    ] = False,
    background_check: Annotated[
        bool, typer.Option("--background-check", help="Paint the animals over, and look again.")
    ] = False,
    backbone: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The encoder, where the pack's name for it is not known here."),
    ] = None,
    pretrained: PretrainedOption = None,
    reading: Given,
    strip_top_px: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=0, help="Rows of burned-in text; else as the pack was trained."),
    ] = None,
    strip_bottom_px: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=0, help="The same at the bottom."),
    ] = None,
    resnet_weights: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Of the ResNet-50: a file or folder; else torch's cache."),
    ] = None,
    device: Annotated[str, typer.Option(help="Of the ResNet-50: cpu or cuda.")] = "cpu",
    cache: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder for features; else in the user's cache."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite/--no-overwrite")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure a pack, at its own thresholds, on images that it has not seen."""
    from datetime import datetime, timezone

    from edgeclip.config import default_cache
    from edgeclip.contract.settings import settings_from
    from edgeclip.evaluating import EvaluationRequest, evaluate_pack
    from edgeclip.labels.reading import ReadingOptions
    from edgeclip.progress import Bars

    request = EvaluationRequest(
        pack=pack,
        reading=settings_from(
            {"data": data, **reading}, ReadingOptions, source="edgeclip evaluate"
        ),
        backbone=backbone,
        pretrained=pretrained,
        split=split,
        allow_random_split=allow_random_split,
        report=report,
        overwrite=overwrite,
        baselines=tuple(dict.fromkeys(baseline or ())),
        background_check=background_check,
        strip_top_px=strip_top_px,
        strip_bottom_px=strip_bottom_px,
        cache=cache or default_cache(),
        resnet_weights=resnet_weights,
        device=device,
    )
    with Bars(quiet=as_json) as bars:
        result = evaluate_pack(request, at=datetime.now(timezone.utc), bars=bars)
    _show_result(result, request.pack, report, as_json=as_json)


def _show_result(result: ReportData, pack: Path, report: Path | None, *, as_json: bool) -> None:
    from edgeclip.report import report_json

    if as_json:
        print_json(report_json(result))
        return
    from edgeclip.evaluation_tables import evaluation_tables

    show(evaluation_tables(result.comparison, background=result.background))
    for note in result.notes:
        show(f"[bold yellow]{escape(note)}[/]")
    if report:
        show(f"report: {escape(str(report / 'index.html'))}")
    next_command(f"edgeclip-export bundle --pack {pack} --out bundle/")
