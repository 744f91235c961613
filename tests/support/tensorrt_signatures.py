"""What the signatures of TensorRT 10.3 and 10.16 say, where they are at hand."""

from __future__ import annotations

import ast
import os
from functools import cache
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("EDGECLIP_TYPINGS", Path(__file__).parents[3] / "shared/typings"))
VERSIONS = ("10.3", "10.16")

Parameters = tuple[str, ...] | None
"""Of a method, without self; None for a property, a constant or an inner class."""


@cache
def signatures(version: str) -> dict[str, dict[str, list[Parameters]]]:
    """Return class -> member -> the parameter names of each overload; skip where absent."""
    path = FOLDER / f"tensorrt-{version}" / "tensorrt.pyi"
    if not path.is_file():
        pytest.skip(f"no signatures of TensorRT {version} at their usual place")
    tree = ast.parse(path.read_text())
    return {node.name: _members(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _members(kind: ast.ClassDef) -> dict[str, list[Parameters]]:
    members: dict[str, list[Parameters]] = {}
    for node in kind.body:
        if isinstance(node, ast.FunctionDef):
            decorators = {ast.unparse(item) for item in node.decorator_list}
            names = tuple(item.arg for item in node.args.args[1:])
            plain = decorators <= {"typing.overload"}
            members.setdefault(node.name, []).append(names if plain else None)
        elif isinstance(node, ast.ClassDef):
            members[node.name] = [None]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            members[node.target.id] = [None]
    return members
