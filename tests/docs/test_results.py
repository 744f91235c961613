"""Every result of a benchmark says by which command it comes out again, or a page does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = sorted((ROOT / "benchmarks/results").glob("*.json"))
PAGES = "\n".join(page.read_text() for page in sorted((ROOT / "docs").glob("*.md")))


@pytest.mark.parametrize("result", RESULTS, ids=lambda path: path.stem)
def test_a_result_names_its_command_or_a_page_does(result: Path) -> None:
    command = json.loads(result.read_text()).get("command", "")
    name = re.escape(result.stem)
    said = re.search(rf"benchmarks[./]{name}\b|results/{name}\.json", PAGES)
    assert command.startswith("python -m benchmarks.") or said
