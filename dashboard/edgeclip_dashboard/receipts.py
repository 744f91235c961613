"""Receipts: what was committed is collected here until it is sent in one batch."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgeclip.contract.receipts import MOST_RANGES, Receipt, Refusal
from edgeclip_dashboard.ledger import Outbox, RowNumbers


@dataclass
class _Due:
    """What changed for an outbox since its last receipt."""

    seqs: set[int] = field(default_factory=set)
    refused: dict[int, str] = field(default_factory=dict)
    media: set[str] = field(default_factory=set)


class ReceiptBook:
    """Collects what was committed until it is sent; the ranges come from the ledger."""

    def __init__(self, dashboard_id: str) -> None:
        self._dashboard_id = dashboard_id
        self._due: dict[Outbox, _Due] = {}

    def __bool__(self) -> bool:
        return bool(self._due)

    def stored(self, outbox: Outbox, seq: int) -> None:
        """Note that a row was committed, for the first time or again."""
        self._of(outbox).seqs.add(seq)

    def refused(self, outbox: Outbox, seq: int, reason: str) -> None:
        """Note that a row will never be stored."""
        self._of(outbox).refused[seq] = reason

    def media(self, outbox: Outbox, sha256: str) -> None:
        """Note that a media file was committed."""
        self._of(outbox).media.add(sha256)

    def outboxes(self) -> list[Outbox]:
        """Return those that are due a receipt."""
        return list(self._due)

    def take(self, outbox: Outbox, rows: RowNumbers) -> list[Receipt]:
        """Return the receipts that an outbox is due, and forget what they say.

        Args:
            outbox: Device and epoch.
            rows: All rows of it that are stored.
        """
        due = self._due.pop(outbox)
        upto, ranges = rows.ranges()
        if len(ranges) > MOST_RANGES:  # a full list does not fit: name those that changed
            ranges = [pair for pair in ranges if any(pair[0] <= s <= pair[1] for s in due.seqs)]
        refused = [Refusal(seq=seq, reason=text) for seq, text in sorted(due.refused.items())]
        media = sorted(due.media)
        longest = max(len(ranges), len(refused), len(media), 1)
        return [
            Receipt(
                dashboard_id=self._dashboard_id,
                epoch=outbox[1],
                received_upto=upto,
                ranges=ranges[at : at + MOST_RANGES],
                refused=refused[at : at + MOST_RANGES],
                media=media[at : at + MOST_RANGES],
            )
            for at in range(0, longest, MOST_RANGES)
        ]

    def _of(self, outbox: Outbox) -> _Due:
        return self._due.setdefault(outbox, _Due())
