"""Every name of TensorRT in the sources is one that all supported versions have."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeclip.contract.tensorrt_api import allowed_names
from support.tensorrt_signatures import VERSIONS, signatures

ROOT = Path(__file__).parents[2]
FOLDERS = ("edgeclip", "export", "device", "dashboard", "benchmarks", "scripts")
ACCESSORS = {"trt", "api", "_api"}
"""What the sources call the accessor."""

USUAL = {"append", "clear", "count", "extend", "get", "insert", "pop", "remove", "reverse", "sort"}
"""Methods of Python's own containers, which TensorRT's have as well."""
OURS = {
    "ERROR",
    "close",
    "engine",
    "kind",
    "name",
    "precision",
    "profiles",
    "run",
    "shape",
    "update",
}
"""Names that our own objects have, too; ERROR is `ILogger.Severity`'s."""


def _users() -> list[Path]:
    """Return the sources that use the accessor."""
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return [path for path in paths if "import TensorRtApi" in path.read_text()]


def _attributes(path: Path) -> Iterator[tuple[str, ...]]:
    """Yield every dotted name of a source, from its root on."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            names = []
            inner: ast.expr = node
            while isinstance(inner, ast.Attribute):
                names.append(inner.attr)
                inner = inner.value
            if isinstance(inner, ast.Name):
                names.append(inner.id)
            yield tuple(reversed(names))


def _is_allowed(name: str, member: str | None) -> bool:
    names = allowed_names()
    if name in names["attributes"] or name == "module_name":
        return member is None
    members = {**names["enumerations"], **names["classes"]}.get(name)
    return members is not None and (member in (None, "__init__") or member in members)


def _refused(path: Path) -> list[str]:
    """Return the names that a source takes from the accessor, and that are not on the list."""
    found = []
    for names in _attributes(path):
        for index, root in enumerate(names[:-1]):
            if root in ACCESSORS and index <= 1:
                name, member = names[index + 1], (*names, None, None)[index + 2]
                if not _is_allowed(name, member):
                    found.append(".".join(names))
    return found


def test_there_are_sources_that_use_tensorrt() -> None:
    assert len(_users()) >= 2


def test_every_name_asked_of_the_accessor_is_on_the_list() -> None:
    assert {path.name: names for path in _users() if (names := _refused(path))} == {}


def test_a_name_that_is_not_on_the_list_would_be_found(tmp_path: Path) -> None:
    path = tmp_path / "planted.py"
    path.write_text("x = trt.BuilderFlag.FP16\ny = self._api.DataType.HALF\nz = trt.Builder(1)\n")
    refused = ["self._api.DataType.HALF", "trt.BuilderFlag", "trt.BuilderFlag.FP16"]
    assert sorted(_refused(path)) == refused


@pytest.mark.rtx
def test_no_object_of_tensorrt_is_asked_for_a_member_that_is_not_on_the_list() -> None:
    rtx = importlib.import_module("tensorrt_rtx")
    groups = (*allowed_names()["classes"].values(), *allowed_names()["enumerations"].values())
    listed = {name for members in groups for name in members}
    members = {
        member
        for kind in vars(rtx).values()
        if isinstance(kind, type)
        for member in vars(kind)
        if not member.startswith("_")
    }
    forbidden = members - listed - set(allowed_names()["classes"]) - USUAL - OURS
    used = {(path.name, names[-1]) for path in _users() for names in _attributes(path)}
    assert {(file, name) for file, name in used if name in forbidden} == set()


@pytest.mark.parametrize("version", VERSIONS)
def test_every_listed_name_is_in_the_signatures(version: str) -> None:
    known = signatures(version)
    groups = {**allowed_names()["enumerations"], **allowed_names()["classes"]}
    missing = [
        f"{name}.{member}"
        for name, members in groups.items()
        for member in members
        if member not in known.get(name, {})
    ]
    assert missing == []
