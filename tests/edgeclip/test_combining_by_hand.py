"""What `edgeclip pack combine` says of one pack alone, and who answers by keys and images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from edgeclip.cli import app
from edgeclip.combining import combine
from edgeclip.errors import ConfigError
from edgeclip.routed_images import ask_images
from edgeclip.routed_packs import load_routed
from support.drawn_images import draw, save
from support.tiny_packs import TinyEncoder


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


def test_who_is_asked_by_hand_is_chosen_by_light_and_folder_of_each_image(
    pack: Path, encoder: TinyEncoder, tmp_path: Path
) -> None:
    keys = {"night": {"light": "infrared"}, "ridge": {"deployment": "ridge"}}
    combine([("night", pack), ("ridge", pack)], tmp_path / "set", keys)
    frame = draw("leopard", 1)
    images = [
        save(tmp_path / "lake" / "grey.png", np.repeat(frame[..., :1], 3, axis=2)),
        save(tmp_path / "ridge" / "DCIM" / "day.png", frame),
        save(tmp_path / "lake" / "day.png", frame),
    ]
    named = {"backbone": str(encoder.config), "pretrained": str(encoder.weights)}
    asked = ask_images(tmp_path / "set", images, {}, **named)
    assert asked.answers.chosen == ["night", "ridge", None]
    told = ask_images(tmp_path / "set", images, {"light": "infrared", "deployment": "x"}, **named)
    assert told.answers.chosen == ["night"] * 3
