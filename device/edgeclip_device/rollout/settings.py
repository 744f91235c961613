"""The table `[packs]` of the configuration."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edgeclip.contract.pack import Probability
from edgeclip.contract.settings import Settings


class PackSettings(Settings):
    """Table `[packs]`: what a pack that comes over the air must show before it decides."""

    promote: Literal["auto", "ask"] = Field(
        "auto", description="auto promotes by the rule below; ask waits for a command."
    )
    shadow_frames: int = Field(
        200, ge=1, le=1_000_000, description="Frames on which it runs beside the one that decides."
    )
    min_agreement: Probability = Field(
        0.9, description="Share of them on which both must decide the same; else it is rejected."
    )
    max_slowdown: float = Field(
        2.0,
        ge=1,
        le=100,
        description="It is rejected where its median takes so many times as long.",
    )
    watch_s: float = Field(
        3600.0, ge=0, le=864_000, description="After a promotion it can fall back for so long."
    )
    most_alerts: int = Field(
        60, ge=1, description="More alerts than this in that time bring the old one back."
    )
