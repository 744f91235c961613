"""What import-linter does not see: what an import really loads, and what is importable."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

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


def _modules(package: str) -> list[str]:
    folder = PACKAGES[package]
    names = []
    for path in sorted(folder.rglob("*.py")):
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
    modules = [name for name in _modules("edgeclip_device") if "tensorrt" not in name]
    assert not _loaded_by(f"import {', '.join(modules)}") & NEVER_ON_A_DEVICE


def test_no_module_of_the_dashboard_loads_torch_or_opencv() -> None:
    loaded = _loaded_by(f"import {', '.join(_modules('edgeclip_dashboard'))}")
    assert not loaded & {"torch", "open_clip", "cv2", "onnxruntime"}


def test_the_engine_builder_loads_neither_torch_nor_onnx() -> None:
    loaded = _loaded_by("import edgeclip_export.engine")
    assert not loaded & {"torch", "onnx", "open_clip", "onnxruntime", "cv2"}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_help_of_a_command_loads_nothing_heavy(package: str) -> None:
    arguments = f"import sys; sys.argv = ['{package}', '--help']"
    run = f"{arguments}\ntry:\n    import {package}.cli as c; c.main()\nexcept SystemExit: pass\n"
    assert not _loaded_by(f"exec({run!r})") & HEAVY


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_module_says_it_exports_is_importable_and_sorted(package: str) -> None:
    for name in _modules(package):
        exported = _declared_all(name, package)
        assert exported == sorted(exported), name
        if exported:
            module = importlib.import_module(name)
            assert [item for item in exported if not hasattr(module, item)] == [], name


def _declared_all(name: str, package: str) -> list[str]:
    path = PACKAGES[package].parent.joinpath(*name.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.parse(source.read_text()).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return [str(item) for item in ast.literal_eval(node.value)]  # type: ignore[attr-defined]
    return []
