"""What the encoder saw on a detection's best frame: features to search by, heat to look at.

Both are optional parts of a detection. They travel as base64 inside its JSON, and their largest
sizes are such that a detection with both stays below `detection.MOST_BYTES`.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from edgeclip.contract.pack import Probability, Sha256

MOST_FEATURES = 2048
MOST_CELLS = 32
"""Of a heat map's side; a finer one is told as the means over larger cells."""

_LEAST_NORM = 1e-6
_BYTES_A_FEATURE = 2
_BASE64 = r"^[A-Za-z0-9+/]+={0,2}$"
_FEATURES_TEXT = 4 * -(-MOST_FEATURES * _BYTES_A_FEATURE // 3)
_HEAT_TEXT = 4 * -(-MOST_CELLS * MOST_CELLS // 3)

View = Literal["full", "crop"]


class _Part(BaseModel):
    """Frozen; unknown fields are ignored on reading, as in all of a detection."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ImageFeatures(_Part):
    """The embedding of the best view by the untouched encoder: it is comparable with its text."""

    base_sha256: Sha256 = Field(description="The encoder's weights, `base.weights_sha256`.")
    view: View = Field(description="The whole frame, or the part of it where something moved.")
    values: Annotated[str, StringConstraints(pattern=_BASE64, max_length=_FEATURES_TEXT)] = Field(
        description="Base64 of float16 numbers, little-endian; their length is 1."
    )

    @model_validator(mode="after")
    def _holds_a_direction(self) -> ImageFeatures:
        vector = np.frombuffer(_decoded(self.values, of=_BYTES_A_FEATURE), "<f2")
        if not np.isfinite(vector).all() or not vector.any():
            raise ValueError("values are not finite, or all of them are 0")
        return self

    @staticmethod
    def of(vector: NDArray[np.float32], base_sha256: str, view: View) -> ImageFeatures:
        """Return the features of a view.

        Args:
            vector: `(E,)` float32, finite and not 0, of any length; E is at most 2048.
            base_sha256: Of the encoder's weights.
            view: What it is of.

        Raises:
            ValueError: It is of another shape, or holds no direction.
        """
        if vector.ndim != 1 or not 0 < vector.size <= MOST_FEATURES:
            raise ValueError(f"features {vector.shape}: expected (E,) with at most {MOST_FEATURES}")
        unit = vector / max(float(np.linalg.norm(vector)), _LEAST_NORM)
        text = base64.b64encode(unit.astype("<f2").tobytes()).decode()
        return ImageFeatures(base_sha256=base_sha256, view=view, values=text)

    def to_bytes(self) -> bytes:
        """Return the numbers as float16, little-endian."""
        return base64.b64decode(self.values)


class Heat(_Part):
    """How much each cell of the best view is like the detection's class, against its others.

    It shows a person where to look. It is no probability, and no decision depends on it.
    """

    rows: int = Field(ge=1, le=MOST_CELLS)
    cols: int = Field(ge=1, le=MOST_CELLS)
    view: View = Field(description="The whole frame, or the part of it where something moved.")
    box: tuple[Probability, Probability, Probability, Probability] = Field(
        description="Where the cells lie on the whole frame: x, y, width, height, relative to it."
    )
    values: Annotated[str, StringConstraints(pattern=_BASE64, max_length=_HEAT_TEXT)] = Field(
        description="Base64 of rows x cols bytes, row by row: 0 the least like it of the view,"
        " 255 the most."
    )

    @model_validator(mode="after")
    def _has_all_cells(self) -> Heat:
        found = len(_decoded(self.values, of=1))
        if found != self.rows * self.cols:
            raise ValueError(f"{found} cells for {self.rows} x {self.cols}")
        return self

    @staticmethod
    def of(cells: NDArray[np.uint8], view: View, box: tuple[float, float, float, float]) -> Heat:
        """Return the heat of a view.

        Args:
            cells: `(rows, cols)` uint8, each side at most 32.
            view: What it is of.
            box: Where that lies on the whole frame, x, y, width, height in 0..1.

        Raises:
            ValueError: It has more cells, or none.
        """
        rows, cols = cells.shape
        text = base64.b64encode(np.ascontiguousarray(cells, np.uint8).tobytes()).decode()
        return Heat(rows=rows, cols=cols, view=view, box=box, values=text)

    def cells(self) -> NDArray[np.uint8]:
        """Return `(rows, cols)` uint8."""
        flat = np.frombuffer(base64.b64decode(self.values), np.uint8)
        return flat.reshape(self.rows, self.cols)


def features_from(stored: bytes) -> NDArray[np.float32]:
    """Return `(E,)` float32 of length 1 for what `ImageFeatures.to_bytes` gave."""
    vector = np.frombuffer(stored, "<f2").astype(np.float32)
    return np.asarray(vector / max(float(np.linalg.norm(vector)), _LEAST_NORM), np.float32)


def _decoded(text: str, *, of: int) -> bytes:
    """Return what base64 stands for, of whole numbers of `of` bytes."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("values are not base64") from error
    if not data or len(data) % of:
        raise ValueError(f"{len(data)} bytes are no whole number of values")
    return data
