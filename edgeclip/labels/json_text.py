"""A JSON file of labels -> its object, and its values by type, whatever it really holds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from edgeclip.errors import DataError

MOST_BYTES = 1_000_000_000  # the largest public set of camera-trap labels has 700 MB

Object = Mapping[str, object]


def load_object(path: Path) -> Object:
    """Return the object of a JSON file.

    Raises:
        DataError: Unreadable, larger than 1 GB, no JSON, or no object.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{path}: larger than 1 GB: split it by location")
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise DataError(f"{path}: cannot be read ({reason}): check the path") from error
    return parse_object(data, str(path))


def parse_object(data: bytes, name: str) -> Object:
    """Return the object in the bytes of a JSON file.

    Raises:
        DataError: No JSON, or no object.
    """
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: not UTF-8 text: save it as UTF-8") from error
    except (json.JSONDecodeError, RecursionError, ValueError) as error:
        what = " ".join(str(error).split())[:80]
        raise DataError(f"{name}: no valid JSON ({what}): mend or export it again") from error
    if not isinstance(content, dict):
        raise DataError(f"{name}: holds no object: expected COCO, Camtrap DP or MegaDetector")
    return content


def objects_in(content: Object, key: str) -> Iterator[tuple[int, Object]]:
    """Yield the objects of a list with their positions; what is no object is an empty one."""
    found = content.get(key)
    for number, item in enumerate(found if isinstance(found, list) else ()):
        yield number, item if isinstance(item, dict) else {}


def text_of(content: Object, *keys: str) -> str:
    """Return the first of the keys that holds a text or a number, as stripped text."""
    for key in keys:
        value = content.get(key)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            text = str(value).strip()
            if text and text.casefold() != "nan":
                return text
    return ""


def number_of(content: Object, key: str) -> float | None:
    """Return a finite number, or None."""
    value = content.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < 1e300 else None
