from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from edgeclip.contract.settings import read_toml
from edgeclip_dashboard.config import DashboardSettings, load_settings

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "dashboard/dashboard.example.toml"
PAGE = ROOT / "docs/dashboard.md"


def _keys(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _keys(inner)
        else:
            yield name


def test_the_example_holds_the_defaults() -> None:
    assert load_settings(EXAMPLE, {}) == DashboardSettings()


def test_the_example_has_every_key_with_a_comment_before_it() -> None:
    text = EXAMPLE.read_text()
    for key in _keys(DashboardSettings):
        assert re.search(rf"^(?:# )?{key} = ", text, flags=re.MULTILINE), key
    lines = text.splitlines()
    for before, line in itertools.pairwise(lines):
        if re.match(r"[a-z_]+ = ", line):
            assert before.startswith("# "), line


def test_every_key_of_the_example_is_known() -> None:
    uncommented = re.sub(r"^# ([a-z_]+ = )", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)
    keys = set(re.findall(r"^([a-z_]+) = ", uncommented, flags=re.MULTILINE))
    assert keys == set(_keys(DashboardSettings))
    assert read_toml(EXAMPLE)["page"]["port"] == 8080


def test_the_page_of_the_documentation_names_every_key() -> None:
    text = PAGE.read_text()
    assert [key for key in _keys(DashboardSettings) if f"`{key}`" not in text] == []


def test_every_setting_is_described() -> None:
    def described(model: type[BaseModel]) -> Iterator[str]:
        for name, field in model.model_fields.items():
            inner = field.annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from described(inner)
            elif not field.description:
                yield name

    assert list(described(DashboardSettings)) == []
