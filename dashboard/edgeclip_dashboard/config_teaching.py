"""Table `[teaching]`: what teaches a pack a class from snapshots, and who vouches for the pack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from edgeclip.contract.settings import Settings

LaxPath = Annotated[Path, Field(strict=False)]


class TeachingSettings(Settings):
    """Table `[teaching]`: teaching on the dashboard; it needs a bundle or `edgeclip[train]`.

    Without a key nothing is taught: no device takes a pack that nobody signed.
    """

    key_file: LaxPath | None = Field(
        None,
        description="Private key of `edgeclip-export keygen` that signs taught packs; devices name"
        " its public half in [inference].public_keys. Without it nothing is taught here.",
    )
    program: LaxPath | None = Field(
        None,
        description="The command `edgeclip` of another environment; else the one of this one.",
    )
    bundle: LaxPath | None = Field(
        None,
        description="Folder of a bundle of the packs' encoder, by which teaching needs no torch and"
        " starts at once; `edgeclip[cpu,device]` is enough then.",
    )
    backbone: str | None = Field(
        None, min_length=1, max_length=300, description="Where a pack's name for it is not known."
    )
    pretrained: str | None = Field(
        None, max_length=300, description="Its weights: open_clip's tag, or a checkpoint file."
    )
    longest_s: float = Field(120.0, gt=0, le=3600, description="How long a teaching may take.")

    @model_validator(mode="after")
    def _has_one_encoder(self) -> TeachingSettings:
        if self.bundle and (self.backbone or self.pretrained):
            raise ValueError("a bundle has its encoder: leave it, or backbone and pretrained, out")
        return self
