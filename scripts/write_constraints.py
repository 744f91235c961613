"""Resolve edgeclip[all] for each supported Python and write the versions to constraints.txt.

    python scripts/write_constraints.py python3.10 python3.11 python3.12

Run the tests with each of them afterwards: the file is called tested versions, and has to be. It
holds names and versions only, never the address of an index.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edgeclip.contract.files import write_text

ROOT = Path(__file__).parents[1]
HEADER = "# Tested versions; written by scripts/write_constraints.py.\n"
# torch pins these itself, and they exist for some platforms only.
PINNED_BY_TORCH = ("nvidia-", "cuda-", "triton")


def resolve(python: str) -> tuple[str, dict[str, str]]:
    """Return the interpreter's version (`3.10`) and the packages that pip chooses for it."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        pip = [f"{folder}/bin/python", "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--upgrade", "pip"], check=True)
        report = Path(folder) / "report.json"
        subprocess.run([*pip, "--dry-run", "--report", str(report), f"{ROOT}[all]"], check=True)
        content = json.loads(report.read_text())
    return content["environment"]["python_version"], {
        package["metadata"]["name"].lower().replace("_", "-"): package["metadata"]["version"]
        for package in content["install"]
    }


def merge(resolved: Mapping[str, Mapping[str, str]]) -> str:
    """Return one constraint a package where all Pythons agree, else one a Python.

    Args:
        resolved: Package versions by Python version.
    """
    lines = []
    names = sorted({name for packages in resolved.values() for name in packages} - {"edgeclip"})
    for name in names:
        if name.startswith(PINNED_BY_TORCH):
            continue
        versions = {python: packages.get(name) for python, packages in resolved.items()}
        if len(set(versions.values())) == 1:
            lines.append(f"{name}=={next(iter(versions.values()))}")
        else:
            lines += [
                f'{name}=={version}; python_version == "{python}"'
                for python, version in versions.items()
                if version
            ]
    return HEADER + "\n".join(lines) + "\n"


def main() -> None:
    """Write constraints.txt for the interpreters named on the command line."""
    pythons = sys.argv[1:] or [sys.executable]
    resolved = dict(resolve(python) for python in pythons)
    write_text(ROOT / "constraints.txt", merge(resolved))
    print(f"wrote constraints.txt for Python {', '.join(resolved)}")


if __name__ == "__main__":
    main()
