"""What is known of one archived image, as one line of JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from edgeclip.contract.attribute_answers import Attributes
from edgeclip.contract.preprocess_spec import Box

DIGITS = 5
"""Of probabilities: float32 sums differ in the seventh between processors."""

DISTANCE_DIGITS = 3

Category = Literal["animal", "person", "vehicle"]


class BoxRecord(BaseModel):
    """A detector's box, and what the pack says of the crop around it.

    Attributes:
        box: x, y, width, height relative to the frame, origin top left.
        confidence: The detector's, in [0, 1].
        category: What the detector takes it for.
        probabilities: One a class, in [0, 1].
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    box: tuple[float, float, float, float]
    confidence: float
    category: Category
    probabilities: tuple[float, ...]


class Record(BaseModel):
    """An image's facts and answer; with a failure it has no answer and is never a blank.

    Attributes:
        file: Its name in the archive.
        location: Where the camera stood: the table's word, else the folder's path.
        sequence: A table's name of its burst, or None.
        width: Pixels, upright.
        height: Pixels, upright.
        taken_at: Aware UTC, or None.
        infrared: Whether it has no colour.
        probabilities: One a class, of the whole frame or, where that is surer of a target, of a
            crop, as the device decides; empty with a failure.
        pack: Which pack of a set answered; None: its prompts alone.
        boxes: A detector's, where one was asked.
        where: Around what is most like the target that is decided: x, y, width, height relative to
            the frame; None where nothing is decided, of people, beside a detector's boxes, and
            where the encoder does not say.
        attributes: What is said in words beside the class, of animals alone; or None.
        distance: Of the whole frame from what the packs have seen: 1 is as far as the farthest
            place that their training left out; None where that is not known.
        failure: Why there is no answer, or None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    location: str = ""
    sequence: str | None = None
    width: int | None = None
    height: int | None = None
    taken_at: AwareDatetime | None = None
    infrared: bool | None = None
    probabilities: tuple[float, ...] = ()
    pack: str | None = None
    boxes: tuple[BoxRecord, ...] = ()
    where: Box | None = None
    attributes: Attributes | None = None
    distance: float | None = None
    failure: str | None = None
