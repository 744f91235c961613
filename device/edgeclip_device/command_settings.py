"""The table `[commands]` of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from edgeclip.contract.pack import Probability
from edgeclip.contract.settings import Settings

_KeyFiles = Annotated[list[Annotated[Path, Field(strict=False)]], Field(max_length=16)]


class CommandSettings(Settings):
    """Table `[commands]`: whose commands are obeyed. Without keys none are."""

    operators: _KeyFiles = Field(
        default_factory=list,
        description="Public keys of people who may ask for snapshots, arm, disarm, set thresholds "
        "and the desired state.",
    )
    admins: _KeyFiles = Field(
        default_factory=list,
        description="Public keys of people who may also change packs, restart and read logs.",
    )
    lowest_threshold: Probability = Field(
        0.05, description="No command sets a threshold lower than this."
    )
    highest_threshold: Probability = Field(0.99, description="And none higher than this.")

    @model_validator(mode="after")
    def _in_order(self) -> CommandSettings:
        if self.lowest_threshold > self.highest_threshold:
            raise ValueError("lowest_threshold is above highest_threshold: swap them")
        return self
