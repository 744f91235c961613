"""`edgeclip evaluate`: how good a pack is on labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from edgeclip.cli_options import AsJson, ClassOption, DataDirOption, LayoutOption, PretrainedOption
from edgeclip.cli_output import print_json, show


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
        print_json({"metrics": result.flat("pack"), "confusion": result.confusion.tolist()})
        return
    from edgeclip.tables import evaluation_tables

    show(evaluation_tables({"pack": result}, names, title="these images"))
