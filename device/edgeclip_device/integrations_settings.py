"""Table `[integrations]`: what is told beside the dashboard; all of it is off by default."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from edgeclip.contract.settings import Settings

Prefix = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$")]


class IntegrationsSettings(Settings):
    """Further listeners on the same broker."""

    plain_events: bool = Field(
        False, description="Each revision also as one flat JSON on up/event, for Node-RED."
    )
    home_assistant: bool = Field(
        False, description="Describe the device to Home Assistant; sends plain events, too."
    )
    discovery_prefix: Prefix = Field(
        "homeassistant", description="Topic below which Home Assistant looks for devices."
    )

    @property
    def has_events(self) -> bool:
        """Whether plain events are sent."""
        return self.plain_events or self.home_assistant
