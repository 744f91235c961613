"""A webhook as it is written and checked."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from edgeclip_dashboard.config import is_loopback
from edgeclip_dashboard.notices.rules import RuleName

Format = Literal["edgeclip", "earthranger", "gundi"]
PATHS: Final[dict[Format, str]] = {"earthranger": "/activity/events", "gundi": "/v2/events"}
"""How an address of each format ends, but for a slash."""

EventType = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{0,100}$")]


class WebhookForm(BaseModel):
    """A system that is told; only admins write one.

    Attributes:
        secret: Signs what is sent in the format edgeclip; the bearer token of an EarthRanger site;
            the API key of a Gundi connection.
        event_type: Of an EarthRanger site or a Gundi connection; it must be known there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: RuleName
    url: Annotated[str, Field(max_length=2000)]
    secret: Annotated[str, Field(min_length=8, max_length=4000, pattern=r"^[!-~]+$", repr=False)]
    format: Format = "edgeclip"
    event_type: EventType = ""
    is_enabled: bool = True

    @model_validator(mode="after")
    def _fits_together(self) -> WebhookForm:
        parts = _split(self.url)
        ending = PATHS.get(self.format)
        if ending is None:
            return self
        if not parts.path.rstrip("/").endswith(ending) or parts.query:
            raise ValueError(f"an address of {self.format} ends in {ending}")
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise ValueError(f"{self.format} is told its token with each message: write https://")
        if not self.event_type:
            raise ValueError(f"{self.format} needs the event type that it knows detections by")
        return self


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an address is https://NAME/PATH")
    if parts.username is not None or parts.fragment:
        raise ValueError("an address has no user name, password or fragment")
    return parts
