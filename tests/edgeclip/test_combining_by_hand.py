"""What `edgeclip pack combine` says of one pack alone, and of keys that nothing fills in."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from edgeclip.cli import app
from edgeclip.combining import combine
from edgeclip.errors import ConfigError
from edgeclip.routed_packs import load_routed


def test_one_pack_alone_is_not_combined_unless_it_is_told_for_which_images(
    pack: Path, tmp_path: Path
) -> None:
    done = CliRunner().invoke(app, ["pack", "combine", str(pack), "--out", str(tmp_path / "set")])
    assert isinstance(done.exception, ConfigError)
    assert "alone is nothing to combine: name two packs or more" in str(done.exception)
    combine([pack], tmp_path / "set", {"leopard": {"light": "infrared"}})
    assert list(load_routed(tmp_path / "set").packs) == ["leopard"]


def test_a_static_key_that_no_camera_says_is_warned_of(pack: Path, tmp_path: Path) -> None:
    words = ["pack", "combine", str(pack), "--out", str(tmp_path / "set"), "--static"]
    done = CliRunner().invoke(app, [*words, "leopard:lihgt=day"])
    assert done.exit_code == 0
    assert "warning: neither camera nor archive says lihgt of an image by itself" in done.stderr
