"""What is carried from a device to its dashboard by hand, where no link comes: one ZIP."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import AwareDatetime, Field

from edgeclip.contract.detection import Epoch, Identifier, Message

CARRIED_SCHEMA: Final = "edgeclip.carried/1"
HEADER_FILE: Final = "carried.json"
DETECTIONS_FILE: Final = "detections.jsonl"
MEDIA_FOLDER: Final = "media"


class Carried(Message):
    """The header of such a file: `carried.json`.

    Beside it lie `detections.jsonl`, a detection a line as `up/detection` has them, and
    `media/{detection_id}/{n}.jpg`.
    """

    schema_: Literal["edgeclip.carried/1"] = Field(CARRIED_SCHEMA, alias="schema")
    project: Identifier
    device_id: Identifier
    epoch: Epoch = Field(description="Of the outbox that the rows are of.")
    detections: int = Field(ge=0)
    media: int = Field(ge=0)
    written_at: AwareDatetime | None = Field(description="Null where the clock was not believed.")

    def to_json(self) -> bytes:
        """Return the header as compact UTF-8 JSON."""
        return self.model_dump_json(by_alias=True).encode()


def media_name(detection_id: str, n: int) -> str:
    """Return where a snapshot lies in the file."""
    return f"{MEDIA_FOLDER}/{detection_id}/{n}.jpg"
