"""How a result is shown and kept: with the command and the settings that give it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from edgeclip.contract.files import write_text


def show_and_keep(
    out: Path, benchmark: str, settings: Mapping[str, int], result: Mapping[str, object]
) -> None:
    """Print a result and write it.

    Args:
        out: JSON to be written.
        benchmark: Its module in this package.
        settings: By which it comes out again.
        result: Its figures.
    """
    command = f"python -m benchmarks.{benchmark}"
    text = json.dumps({"command": command, "settings": settings, **result}, indent=1)
    print(text)
    write_text(out, text + "\n")
