"""A filter from texts, as options of a command and addresses of pages have them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone, tzinfo
from typing import Any

from edgeclip.contract.settings import settings_from
from edgeclip.errors import ConfigError
from edgeclip_dashboard.filters import DetectionFilter


def filter_of_texts(given: Mapping[str, Any], zone: tzinfo | None = None) -> DetectionFilter:
    """Return the filter that texts ask for.

    Args:
        given: Fields of the filter; lists may be lists or tuples, times texts of ISO 8601.
        zone: Of the times that have none: the project's clock; None is UTC.

    Raises:
        ConfigError: A value is wrong; the message names it.
    """
    tables = {
        key: tuple(value) if isinstance(value, list) else value for key, value in given.items()
    }
    for key in ("since", "until"):
        text = tables.get(key)
        if isinstance(text, str):
            tables[key] = time_from(text, key, zone)
    return settings_from(tables, DetectionFilter, source="filter")


def time_from(text: str, key: str, zone: tzinfo | None = None) -> datetime:
    """Return the aware time of a text, in `zone` where it has none; None is UTC.

    Raises:
        ConfigError: It is none.
    """
    written = f"{text[:-1]}+00:00" if text.endswith("Z") else text  # 3.10 does not know Z
    try:
        found = datetime.fromisoformat(written)
    except ValueError as error:
        raise ConfigError(
            f"{key}: {text[:40]!r} is no time: write 2026-05-01 or 2026-05-01T18:30"
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=zone or timezone.utc)
