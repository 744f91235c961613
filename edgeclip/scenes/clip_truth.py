"""What a clip shows, frame by frame, as stored beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgeclip.errors import DataError
from edgeclip.scenes.subjects import Box


class _Truth(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SeenBox(_Truth):
    """A figure in one frame; `box` is x, y, width, height, relative, origin top left."""

    label: str
    box: Box
    visible: float = Field(ge=0, le=1)


class Visit(_Truth):
    """Frames, both inclusive, between a species' first and last appearance in one crossing."""

    label: str
    first_frame: int
    last_frame: int
    start_s: float
    end_s: float


class ClipTruth(_Truth):
    """What a clip shows, frame by frame; stored beside it as `<clip>.truth.json`."""

    version: Literal[1] = 1
    clip: str
    width: int
    height: int
    fps: float
    location: str
    light: str
    wind: float
    frames: tuple[tuple[SeenBox, ...], ...]
    visits: tuple[Visit, ...]

    @classmethod
    def read(cls, clip: Path) -> ClipTruth:
        """Return the truth stored beside a clip.

        Raises:
            DataError: It is missing or damaged.
        """
        path = truth_path(clip)
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise DataError(
                f"{path}: no readable truth of a clip: render the clip again"
            ) from error


def truth_path(clip: Path) -> Path:
    """Return where the truth of a clip lies."""
    return clip.with_name(f"{clip.name}.truth.json")
