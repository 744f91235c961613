"""What a person does about each alarm; the alarm's own detail says what happened and where."""

from __future__ import annotations

from typing import Final

from edgeclip.contract.alarms import AlarmCode

ADVICE: Final[dict[AlarmCode, str]] = {
    "auth_failed": "Compare the device's login or certificate, and the broker's access list.",
    "budget_spent": "It goes on tomorrow; raise uplink.daily_mb, or send fewer snapshots.",
    "camera_dark": "See whether the lens is covered, or the infrared lamp is off.",
    "camera_frozen": "Restart detect; if that does not help, the camera needs its power cut.",
    "camera_stalled": "Check the camera's cable and power; restart detect.",
    "clock_untrusted": "Give it a time source: a network with NTP, GNSS, or a clock's battery.",
    "degraded_precision": "Build the engine of this bundle on the device; `doctor` says how.",
    "detect_silent": "Restart detect; ask for its log if it does not come back.",
    "disk_low": "Let it send what waits; make room, or lower the outbox's caps.",
    "disk_read_only": "The disk is failing or was pulled: replace it at the next visit.",
    "duplicate_client_id": "Two devices have this name: give each one a name of its own.",
    "engine_failed": "Ask for detect's log; roll the pack back if it began with a new one.",
    "gate_stuck": "Move the camera or mask what always moves; look at a snapshot.",
    "outbox_dropping": "Detections are being lost: bring the link back, or raise the caps.",
    "outbox_failing": "Its disk cannot be written: what is found now lives in memory only.",
    "outbox_reset": "The outbox was damaged and began anew; rows of before may be missing.",
    "overcurrent": "Check the supply and its cable, or choose a thriftier power mode.",
    "overtemp": "Give it shade or air, or choose a thriftier power mode.",
    "pack_rejected": "The pack was not taken; the one before decides. Mend it, send it again.",
    "rate_limited": "Something moves all the time: look at a snapshot, or mask it.",
    "rolled_back": "The new pack misbehaved, and the one before decides again: see the detail.",
}


def advice(code: str) -> str:
    """Return what to do about an alarm; nothing for one of a later version."""
    return {str(known): text for known, text in ADVICE.items()}.get(code, "")
