"""How a frame becomes the encoder's input, as packs and bundles state it. No OpenCV here."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

PREPROCESS_VERSION = 2  # 2: large frames are halved before they are resized

Box = tuple[float, float, float, float]
"""x, y, width, height relative to the frame, in 0..1, origin top left."""


class PreprocessSpec(BaseModel):
    """How a frame becomes the encoder's input; stored in packs and bundles, and compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(PREPROCESS_VERSION, ge=1)
    color: Literal["RGB"] = "RGB"
    size: int = Field(ge=16, le=1024, description="Side of the square input, px.")
    interp_down: Literal["area"] = "area"
    interp_up: Literal["cubic"] = "cubic"
    margin: float = Field(0.2, ge=0, le=2, description="Padding around a box, of its longer side.")
    mean: tuple[float, float, float] = Field(description="Per channel, of 0..1; in the graph.")
    std: tuple[float, float, float] = Field(description="Per channel, of 0..1; in the graph.")
