"""Every relative link of every page leads to a file that is there, and to a heading in it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "systemd/*.md", "examples/**/*.md", "benchmarks/**/*.md")
    for path in ROOT.glob(pattern)
)
_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^()\s]+)\)")


def _prose(page: Path) -> str:
    """Return a page without its blocks of code and its code in the line."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page.read_text()))


@cache
def _anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page's headings, as the places that show Markdown name them."""
    found: list[str] = []
    for heading in re.findall(r"^#+ +(.+?) *$", _FENCE.sub("", page.read_text()), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return frozenset(found)


def _fault(page: Path, link: str) -> str:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return f"{link}: no such file"
    if anchor and anchor not in _anchors(target):
        return f"{link}: no such heading"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = [link for link in _LINK.findall(_prose(page)) if "://" not in link]
    assert [fault for link in links if (fault := _fault(page, link))] == []


def test_a_link_to_nothing_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One `thing`\n```\n# none\n```\n[a](#one-thing) [b](page.md#none) [c](x.md)")
    assert _fault(page, "#one-thing") == ""
    assert _fault(page, "page.md#none") == "page.md#none: no such heading"
    assert _fault(page, "x.md") == "x.md: no such file"
    assert _LINK.findall(_prose(page)) == ["#one-thing", "page.md#none", "x.md"]


def test_the_index_names_every_page_of_the_folder() -> None:
    index = ROOT / "docs/README.md"
    linked = set(_LINK.findall(_prose(index)))
    assert {path.name for path in index.parent.glob("*.md")} - linked == {"README.md"}
