"""A filter as the query of an address, so that a view can be shared, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from edgeclip.errors import ConfigError
from edgeclip_dashboard.filter_text import filter_of_texts
from edgeclip_dashboard.filters import DetectionFilter

EVERYTHING = DetectionFilter(with_tests=True)
"""What pages show when nothing is asked for: tests too, marked as such."""

_MANY = ("class_names", "deployment_ids", "device_ids")


def filter_from(
    query: QueryParams, base: DetectionFilter = EVERYTHING, zone: tzinfo | None = None
) -> DetectionFilter:
    """Return the filter that an address names; keys that are none of a filter's are left alone.

    Args:
        query: Keys are the fields' names; a field of several values stands several times.
        base: Where the query says nothing.
        zone: Of times that have none, such as those a person has typed; None is UTC.

    Raises:
        ConfigError: A value is none of its field; the message names it.
    """
    if any("\0" in value for _, value in query.multi_items()):
        raise ConfigError("filter: a value has a NUL character: no name has one")
    values: dict[str, Any] = {}
    for name in DetectionFilter.model_fields:
        if name in query:
            values[name] = query.getlist(name) if name in _MANY else query[name]
    return filter_of_texts(base.model_dump() | values, zone)


def query_from(
    shown: DetectionFilter,
    base: DetectionFilter = EVERYTHING,
    *,
    more: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return the shortest query that `filter_from` reads as this filter, or an empty string.

    Args:
        shown: The filter.
        base: What is not said again.
        more: Further keys.
    """
    pairs: list[tuple[str, str]] = []
    for name in DetectionFilter.model_fields:
        value = getattr(shown, name)
        if value != getattr(base, name):
            pairs += [(name, _text(one)) for one in (value if name in _MANY else (value,))]
    return urlencode([*pairs, *more.items()])


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
