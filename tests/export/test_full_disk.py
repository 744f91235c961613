"""A disk that is full while something is written: one line, and nothing half-written."""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path

import pytest

from support.export_commands import Finished, Run, command_line, environment, refused
from support.tiny_packs import TinyEncoder


def _with_small_files(limit_bytes: int, *arguments: object) -> Finished:
    """Run a command whose files cannot grow, as on a full disk."""
    done = subprocess.run(
        command_line(*arguments),
        capture_output=True,
        text=True,
        check=False,
        env=environment(None, PYTHONDONTWRITEBYTECODE="1"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes)),
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@pytest.mark.rtx
@pytest.mark.parametrize("limit_bytes", [4096, 40_000], ids=["at its start", "on its way"])
def test_a_full_disk_leaves_nothing_of_an_engine(bundle: Path, limit_bytes: int) -> None:
    done = _with_small_files(limit_bytes, "engine", bundle)
    refused(done, 4, "cannot be written (File too large; ", "nothing of it was left")
    assert not (bundle / "engines").exists()


@pytest.mark.rtx
def test_a_full_disk_leaves_the_engine_that_was_there(run: Run, bundle: Path) -> None:
    run("engine", bundle)
    before = {path.name: path.read_bytes() for path in (bundle / "engines").iterdir()}
    assert {Path(name).suffix for name in before} >= {".engine", ".json"}
    done = _with_small_files(40_000, "engine", bundle, "--rebuild")
    refused(done, 4, "cannot be written (File too large; ")
    assert {path.name: path.read_bytes() for path in (bundle / "engines").iterdir()} == before
    assert "already built" in run("engine", bundle).out


def test_a_full_disk_leaves_nothing_of_a_bundle(
    pack_folder: Path, encoder: TinyEncoder, tmp_path: Path
) -> None:
    out = tmp_path / "bundle"
    done = _with_small_files(
        40_000,
        "bundle",
        "--pack",
        pack_folder,
        "--out",
        out,
        "--backbone",
        encoder.config,
        "--pretrained",
        encoder.weights,
    )
    refused(done, 4, f"{out} cannot be written (File too large)", "nothing was left there")
    assert list(tmp_path.iterdir()) == []
