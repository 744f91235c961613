"""`edgeclip words`: text features for a program beside it, such as a dashboard's search."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from edgeclip.cli_options import PretrainedOption


def words(
    *,
    backbone: Annotated[
        str, typer.Option(help="demo, or a name or JSON file that open_clip knows.")
    ] = "demo",
    pretrained: PretrainedOption = None,
    threads: Annotated[
        int, typer.Option(min=1, max=64, help="CPU threads; one sentence needs no more than one.")
    ] = 1,
) -> None:
    """Answer lines of JSON with text features.

    A program writes lines such as {"id": 1, "text": "a leopard at night"} and reads one for each.
    """
    import torch

    from edgeclip.clip import load_backbone
    from edgeclip.words import answers, greeting

    torch.set_num_threads(threads)
    loaded = load_backbone(backbone, pretrained)
    print(greeting(loaded.base), flush=True)
    for line in answers(loaded, sys.stdin):
        print(line, flush=True)
