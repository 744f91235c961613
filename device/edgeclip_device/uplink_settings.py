"""The table `[uplink]` of the configuration."""

from __future__ import annotations

from pydantic import Field

from edgeclip.contract.settings import Settings


class UplinkSettings(Settings):
    """Table `[uplink]`: how the outbox is worked off."""

    resend_s: float = Field(
        60.0, ge=0.1, le=3600, description="A row without receipt is sent again; doubles to 1 h."
    )
    poll_s: float = Field(
        1.0, ge=0.05, le=60, description="How often the outbox is looked at without being woken."
    )
    daily_mb: float | None = Field(
        None, gt=0, description="Most megabytes in 24 h, for metered links; without it no limit."
    )
    alert_reserve_pct: float = Field(
        25.0, ge=0, le=100, description="So much of `daily_mb` is kept for alerts alone."
    )
    part_bytes: int = Field(
        64_000, ge=1_000, le=1_000_000, description="Larger media go in parts of at most this."
    )
