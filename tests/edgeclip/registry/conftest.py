from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgeclip import cli
from edgeclip.clip import Backbone
from edgeclip.contract.pack import PACK_FILE, PackManifest
from edgeclip.contract.signing import make_key
from support.commands import Ended, Run, WritePack
from support.tiny_packs import random_tensors, write_tiny_pack


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `edgeclip` in this process."""
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["edgeclip", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return Ended(ended.value.code, printed.out, printed.err)

    return command


@pytest.fixture
def write_pack(backbone: Backbone, tmp_path: Path) -> WritePack:
    """Write a pack of random tensors into the registry `tmp_path/packs`."""

    def write(task: str, version: str = "1.0.0", *, seed: int = 1, on: str | None = None) -> Path:
        folder = tmp_path / "packs" / task / version
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_tiny_pack(
            folder, backbone, random_tensors(seed, columns=3, names=()), version=version
        )
        path = folder / PACK_FILE
        manifest = PackManifest.from_json(path.read_text(), str(path))
        training = manifest.training.model_copy(update={"earlier_sha256": on})
        changed = manifest.model_copy(update={"task": task, "training": training})
        path.write_text(changed.to_json())
        return folder

    return write


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_key(tmp_path / "ranger.key")
    return tmp_path / "ranger.key"
