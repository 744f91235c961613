"""Table `[search]`: what turns words into features."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from edgeclip.contract.settings import Settings

LaxPath = Annotated[Path, Field(strict=False)]


class SearchSettings(Settings):
    """Table `[search]`: search by words; it needs `edgeclip[train]`, here or elsewhere."""

    enabled: bool = Field(True, description="Whether words can be searched for.")
    program: LaxPath | None = Field(
        None,
        description="The command `edgeclip` of another environment; else the one of this one.",
    )
    backbone: str = Field(
        "demo", min_length=1, max_length=300, description="The packs' encoder, as in training."
    )
    pretrained: str | None = Field(
        None, max_length=300, description="Its weights: open_clip's tag, or a checkpoint file."
    )
    start_s: float = Field(
        120.0, gt=0, le=3600, description="How long loading the encoder may take."
    )
    answer_s: float = Field(20.0, gt=0, le=600, description="How long a few words may take.")
