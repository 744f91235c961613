"""`edgeclip evaluate`: how good a pack is on labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from edgeclip.cli_options import AsJson, PretrainedOption
from edgeclip.cli_output import print_json, show
from edgeclip.cli_reading import Given, takes_reading_options


@takes_reading_options
def evaluate(
    *,
    pack: Annotated[Path, typer.Option(help="The pack's folder.", show_default=False)],
    data: Annotated[Path, typer.Option(help="A folder of images, or a CSV.", show_default=False)],
    backbone: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The encoder, where the pack's name for it is not known here."),
    ] = None,
    pretrained: PretrainedOption = None,
    reading: Given,
    as_json: AsJson = False,
) -> None:
    """Measure a pack, at its own thresholds, on labelled images."""
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
    )
    with Bars(quiet=as_json) as bars:
        result, names = evaluate_pack(request, bars=bars)
    if as_json:
        print_json({"metrics": result.flat("pack"), "confusion": result.confusion.tolist()})
        return
    from edgeclip.tables import evaluation_tables

    show(evaluation_tables({"pack": result}, names, title="these images"))
