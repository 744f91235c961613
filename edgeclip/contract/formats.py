"""Which version of its format a JSON document says it is, before its fields are looked at."""

from __future__ import annotations

import json
import re
from typing import Any


def other_version(data: bytes, ours: str) -> tuple[str, bool] | None:
    """Return another version of the same format that a document names, and whether it is older.

    None where it is ours, or where it is no such document: validation tells the rest.

    Args:
        data: The document.
        ours: Its format here, as `edgeclip.bundle/2`.
    """
    found = fields_of(data).get("schema")
    family, _, number = ours.partition("/")
    version = re.fullmatch(rf"{re.escape(family)}/([0-9]{{1,6}})", str(found))
    if found == ours or version is None:
        return None
    return str(found), int(version[1]) < int(number)


def fields_of(data: bytes) -> dict[str, Any]:
    """Return the fields of a JSON document; none where it is no such, or nested too deeply.

    Args:
        data: The document; validation says where it breaks off, also where it is no UTF-8.
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
