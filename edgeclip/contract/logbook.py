"""What a device remembers of itself: entries of its log book, and a boot's clock put right."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field

from edgeclip.contract.detection import Epoch, Identifier, Message
from edgeclip.contract.health import Health

LOG_SCHEMA: Final = "edgeclip.log/1"
CLOCKFIX_SCHEMA: Final = "edgeclip.clockfix/1"
LONGEST_TEXT: Final = 300
MOST_ENTRIES: Final = 50

EntryKind = Literal["alarm", "command", "health", "pack"]


class LogEntry(Message):
    """One thing that happened."""

    n: int = Field(ge=1, description="Grows by one; a gap shows what was dropped.")
    at: AwareDatetime | None = Field(description="Null where the clock was not believed.")
    boot_id: Epoch
    boot_ns: int = Field(ge=0, description="CLOCK_BOOTTIME.")
    kind: EntryKind
    text: Annotated[str, Field(max_length=LONGEST_TEXT)]


class Log(Message):
    """What happened, and how the device did while it was offline; the oldest first."""

    schema_: Literal["edgeclip.log/1"] = Field(LOG_SCHEMA, alias="schema")
    device_id: Identifier
    epoch: Epoch | None = Field(None, description="Of the outbox whose numbers these are.")
    entries: list[LogEntry] = Field(default_factory=list, max_length=MOST_ENTRIES)
    health: list[Health] = Field(
        default_factory=list, max_length=24, description="At most one of an hour."
    )

    def to_json(self) -> bytes:
        """Return the log as compact UTF-8 JSON."""
        return self.model_dump_json(by_alias=True).encode()


class ClockFix(Message):
    """How far the wall clock of a boot was off before it could be trusted.

    The true time of something at `boot_ns` of that boot is `true_at` + (`boot_ns` - `at_boot_ns`).
    """

    schema_: Literal["edgeclip.clockfix/1"] = Field(CLOCKFIX_SCHEMA, alias="schema")
    boot_id: Epoch
    at_boot_ns: int = Field(ge=0, description="CLOCK_BOOTTIME when trust arrived.")
    true_at: AwareDatetime = Field(description="The wall time of that moment.")
    offset_ms: int | None = Field(
        description="To be added to wall times of that boot from before; null where none was seen."
    )
    source: Literal["ntp", "gnss", "rtc", "anchor"]
    error_ms: int | None = None

    def to_json(self) -> bytes:
        """Return the message as compact UTF-8 JSON."""
        return self.model_dump_json(by_alias=True).encode()
