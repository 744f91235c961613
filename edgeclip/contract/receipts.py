"""Receipts: which outbox rows and media the dashboard has stored for good."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from edgeclip.contract.detection import Epoch, Identifier, Message
from edgeclip.contract.pack import Sha256

RECEIPT_SCHEMA: Final = "edgeclip.receipt/1"
MOST_RANGES = 500
LAST_SEQ: Final = 2**63 - 1
"""The largest number of a row that SQLite has."""

Seq = Annotated[int, Field(ge=1, le=LAST_SEQ)]


class Refusal(Message):
    """A row that the dashboard will never be able to store."""

    seq: Seq
    reason: str = Field(max_length=200)


class Receipt(Message):
    """What the dashboard has committed of one outbox epoch of one device.

    All rows up to `received_upto` and in `ranges` (inclusive, above it) are stored, and all media
    in `media`. A device deletes nothing that no receipt names.
    """

    schema_: Literal["edgeclip.receipt/1"] = Field(RECEIPT_SCHEMA, alias="schema")
    dashboard_id: Identifier
    epoch: Epoch
    received_upto: int = Field(ge=0, le=LAST_SEQ)
    ranges: list[tuple[Seq, Seq]] = Field(default_factory=list, max_length=MOST_RANGES)
    refused: list[Refusal] = Field(default_factory=list, max_length=MOST_RANGES)
    media: list[Sha256] = Field(default_factory=list, max_length=MOST_RANGES)

    @model_validator(mode="after")
    def _ranges_rise(self) -> Receipt:
        last = self.received_upto
        for first, final in self.ranges:
            if not last < first <= final:
                raise ValueError("ranges must rise above received_upto and not overlap")
            last = final
        return self

    def to_json(self) -> bytes:
        """Return the receipt as compact UTF-8 JSON."""
        return self.model_dump_json(by_alias=True).encode()

    def covers(self, seq: int) -> bool:
        """Say whether the row with this number is stored."""
        return seq <= self.received_upto or any(a <= seq <= b for a, b in self.ranges)


def compress(seqs: Iterable[int]) -> tuple[int, list[tuple[int, int]]]:
    """Return row numbers as a high-water mark and inclusive ranges above it.

    Args:
        seqs: Distinct or repeated numbers >= 1, in any order.

    Returns:
        The largest n such that 1..n are all there (0 if 1 is missing), and the ranges above.
    """
    ranges: list[tuple[int, int]] = []
    for seq in sorted(set(seqs)):
        if ranges and ranges[-1][1] == seq - 1:
            ranges[-1] = (ranges[-1][0], seq)
        else:
            ranges.append((seq, seq))
    if ranges and ranges[0][0] == 1:
        return ranges[0][1], ranges[1:]
    return 0, ranges
