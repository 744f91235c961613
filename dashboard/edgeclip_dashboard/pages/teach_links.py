"""Where a detection is taken to be taught from."""

from __future__ import annotations

from typing import Final

TEACH_PATH: Final = "/teach"


def teach_url(detection_id: str) -> str:
    """Return the address of the page that teaches, with a detection chosen."""
    return f"{TEACH_PATH}?detection={detection_id}"
