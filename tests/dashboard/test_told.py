"""What `edgeclip teach` itself says, in the page's words: its sentences and these go together."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from edgeclip.errors import ConfigError, DataError
from edgeclip.teaching.request import TeachRequest, refuse_known_class
from edgeclip.teaching.sights import read_material
from edgeclip_dashboard.teaching.told import PageWords
from support.drawn_images import draw
from support.samples import pack_manifest


def test_a_class_that_the_pack_knows_is_told_with_what_can_be_taught(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as told:
        refuse_known_class("leopard", pack_manifest(), tmp_path / "below")
    words = PageWords("leopard", tmp_path, {tmp_path / "below": "leopard@1.1.0"})
    assert words.of(str(told.value)).startswith(
        "the pack knows leopard already: what is special can be taught under a name of its own"
    )


@pytest.mark.parametrize("others", [(), ("others",)], ids=["of the class", "of something else"])
def test_a_picture_that_cannot_be_used_is_told_with_another_detection_as_the_way_on(
    tmp_path: Path, others: tuple[str, ...]
) -> None:
    bad = tmp_path / "others/0.jpg" if others else tmp_path / "images/0.jpg"
    bad.parent.mkdir()
    bad.write_bytes(b"no image")
    whole = tmp_path / "whole.png"
    cv2.imwrite(str(whole), draw("leopard", 1))
    request = TeachRequest(
        name="gnu", images=(whole if others else bad,), out=tmp_path / "taught",
        others=(bad,) if others else (),
    )  # fmt: skip
    with pytest.raises(DataError) as told:
        read_material(request)
    said = PageWords("gnu", tmp_path, {bad: "picture 1"}).of(str(told.value))
    assert said.startswith("picture 1")
    assert said.endswith(": choose another detection")
    assert "--" not in said
