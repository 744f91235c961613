"""What a task may be called, and with it its packs and their folders."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError

from edgeclip.contract.pack import TaskName


def is_task_name(text: str) -> bool:
    """Return whether a text is a task's name: up to 32 of a-z, 0-9 and -."""
    try:
        TypeAdapter(TaskName).validate_python(text)
    except ValidationError:
        return False
    return True


def task_name(targets: Sequence[str]) -> str:
    """Return a pack's task for its targets: `spotted-cat`, or `spotted-cat-and-2-more`."""
    first = re.sub(r"[^a-z0-9]+", "-", targets[0].casefold()).strip("-")[:20].strip("-") or "task"
    return first if len(targets) == 1 else f"{first}-and-{len(targets) - 1}-more"
