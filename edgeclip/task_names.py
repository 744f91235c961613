"""What a task may be called, and with it its packs and their folders."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from edgeclip.contract.pack import TaskName


def is_task_name(text: str) -> bool:
    """Return whether a text is a task's name: up to 32 of a-z, 0-9 and -."""
    try:
        TypeAdapter(TaskName).validate_python(text)
    except ValidationError:
        return False
    return True
