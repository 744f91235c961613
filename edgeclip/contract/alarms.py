"""Alarms: what a person must know of a device; retained by the broker until it is over."""

from __future__ import annotations

from typing import Annotated, Final, Literal, get_args

from pydantic import AwareDatetime, Field

from edgeclip.contract.detection import Epoch, Message

ALARM_SCHEMA: Final = "edgeclip.alarm/1"
LONGEST_DETAIL: Final = 300

AlarmCode = Literal[
    "auth_failed",
    "budget_spent",
    "camera_dark",
    "camera_frozen",
    "camera_stalled",
    "clock_untrusted",
    "degraded_precision",
    "detect_silent",
    "disk_low",
    "disk_read_only",
    "duplicate_client_id",
    "engine_failed",
    "gate_stuck",
    "outbox_dropping",
    "outbox_failing",
    "outbox_reset",
    "overcurrent",
    "overtemp",
    "pack_rejected",
    "rate_limited",
    "rolled_back",
]
"""Every alarm that there is; each has a retained topic of its own."""

ALARM_CODES: Final[tuple[AlarmCode, ...]] = get_args(AlarmCode)


class Alarm(Message):
    """One alarm that stands; an empty message on its topic says that it is over."""

    schema_: Literal["edgeclip.alarm/1"] = Field(ALARM_SCHEMA, alias="schema")
    code: AlarmCode
    since: AwareDatetime | None = Field(description="Null where the clock was not believed.")
    boot_id: Epoch | None = Field(None, description="Of the boot in which it was raised.")
    detail: Annotated[str, Field(max_length=LONGEST_DETAIL)] = Field(
        description="What happened, where, and what to do."
    )

    def to_json(self) -> bytes:
        """Return the alarm as compact UTF-8 JSON."""
        return self.model_dump_json(by_alias=True).encode()
