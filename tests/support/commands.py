"""What tests are given to run commands and to write packs with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ended:
    """What a command gave: exit code, stdout and stderr."""

    code: object
    out: str
    err: str


Run = Callable[..., Ended]
WritePack = Callable[..., Path]
Edit = Callable[[Callable[[dict[str, object]], object]], None]
"""Changes the first entry of an index that is served."""
