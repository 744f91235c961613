"""What import-linter does not see: what an import really loads, and what is importable."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "edgeclip": ROOT / "edgeclip",
    "edgeclip_export": ROOT / "export/edgeclip_export",
    "edgeclip_device": ROOT / "device/edgeclip_device",
    "edgeclip_dashboard": ROOT / "dashboard/edgeclip_dashboard",
}
HEAVY = {
    "cv2", "matplotlib", "nicegui", "onnx", "onnxruntime", "open_clip", "paho", "safetensors",
    "sklearn", "sqlalchemy", "tensorrt", "tensorrt_rtx", "torch", "torchvision",
}  # fmt: skip
NEVER_ON_A_DEVICE = {
    "torch",
    "torchvision",
    "open_clip",
    "onnx",
    "sklearn",
    "matplotlib",
    "nicegui",
}


RUN_BY_ALEMBIC = PACKAGES["edgeclip_dashboard"] / "migrations/env.py"
"""A script, which has a context only while Alembic runs it."""


def _modules(package: str) -> list[str]:
    folder = PACKAGES[package]
    names = []
    for path in sorted(set(folder.rglob("*.py")) - {RUN_BY_ALEMBIC}):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def _loaded_by(statement: str) -> set[str]:
    """Return the top-level names in `sys.modules` after a statement in a new interpreter."""
    script = f"import sys, json; {statement}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_the_package_edgeclip_imports_nothing() -> None:
    tree = ast.parse((ROOT / "edgeclip/__init__.py").read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def test_the_contract_loads_nothing_heavy() -> None:
    modules = [
        name
        for name in _modules("edgeclip")
        if name.startswith(("edgeclip.contract", "edgeclip.errors"))
        and name != "edgeclip.contract.preprocess"
    ]
    assert not _loaded_by(f"import {', '.join(modules)}") & HEAVY


def test_the_one_preprocessing_loads_opencv_and_nothing_else_heavy() -> None:
    assert _loaded_by("import edgeclip.contract.preprocess") & HEAVY == {"cv2"}


def test_no_module_of_the_device_loads_what_a_device_never_has() -> None:
    modules = ", ".join(_modules("edgeclip_device"))
    assert not _loaded_by(f"import {modules}") & {*NEVER_ON_A_DEVICE, "tensorrt"}


def test_no_module_of_the_dashboard_loads_torch_or_opencv() -> None:
    loaded = _loaded_by(f"import {', '.join(_modules('edgeclip_dashboard'))}")
    assert not loaded & {"torch", "open_clip", "cv2", "onnxruntime"}


def test_the_engine_builder_loads_neither_torch_nor_onnx() -> None:
    loaded = _loaded_by("import edgeclip_export.engine")
    assert not loaded & {"torch", "onnx", "open_clip", "onnxruntime", "cv2"}


def _commands(package: str) -> list[str]:
    """Return every command of a package's command line, subcommands as `data check`."""

    def walk(command: Any, words: str) -> list[str]:
        inner = getattr(command, "commands", {})
        return [words.strip(), *(w for name in inner for w in walk(inner[name], f"{words} {name}"))]

    app = importlib.import_module(f"{package}.cli").app
    return walk(typer.main.get_command(app), "")


@pytest.mark.parametrize(
    ("package", "command"), [(p, command) for p in PACKAGES for command in _commands(p)]
)
def test_the_help_of_a_command_loads_nothing_heavy(package: str, command: str) -> None:
    arguments = f"import sys; sys.argv = {[package, *command.split(), '--help']!r}"
    run = f"{arguments}\ntry:\n    import {package}.cli as c; c.main()\nexcept SystemExit: pass\n"
    assert not _loaded_by(f"exec({run!r})") & HEAVY


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_exports_its_modules_and_no_name_of_its_own(package: str) -> None:
    tree = ast.parse((PACKAGES[package] / "__init__.py").read_text())
    assert [type(node).__name__ for node in tree.body] == [
        "Expr"
    ]  # the docstring: __all__ is empty


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_of_a_package_is_importable(package: str) -> None:
    for name in _modules(package):
        assert importlib.import_module(name).__name__ == name
