"""What `teach` refuses, with what to do: names, images, packs and folders of every wrong kind."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeclip.clip import Backbone
from edgeclip.contract.settings import settings_from
from edgeclip.errors import ConfigError, DataError, PackError
from edgeclip.teaching.request import TeachRequest, check_teaching
from edgeclip.teaching.teach import TeachResult
from support.drawn_images import draw, save
from support.tiny_packs import random_tensors, write_encoder, write_tiny_pack

Teacher = Callable[..., TeachResult]


def _request(**fields: object) -> TeachRequest:
    usual: dict[str, object] = {
        "images": (Path("a.jpg"),), "name": "elephant", "backbone": "demo", "out": Path("pack"),
    }  # fmt: skip
    return settings_from(usual | fields, TeachRequest, source="edgeclip teach")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "1 to 64 letters"),
        ("   ", "1 to 64 letters"),
        ("x" * 65, "1 to 64 letters"),
        ("<script>alert(1)</script>", "is made of letters"),
        ("leo\x00pard", "is made of letters"),
        ("../../etc", "is made of letters"),
        ("[bold]cat", "is made of letters"),
        ("empty", "says that there is nothing"),
        ("unknown", "says that there is nothing"),
    ],
)
def test_a_name_that_names_nothing_or_is_no_name_is_refused(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        _request(name=name)


@pytest.mark.parametrize("name", ["Père David's deer", "леопард", "black leopard (melanistic)"])
def test_names_of_any_language_are_taken(name: str) -> None:
    assert _request(name=f"  {name} ").name == name


def test_no_image_and_more_than_five_are_refused() -> None:
    with pytest.raises(ConfigError, match="name an image or more"):
        check_teaching(_request(images=()))
    with pytest.raises(ConfigError, match="6 images: from more than 5, use `edgeclip train`"):
        check_teaching(_request(images=tuple(Path(f"{n}.jpg") for n in range(6))))


def test_without_a_pack_a_backbone_is_needed() -> None:
    with pytest.raises(
        ConfigError, match="name a --backbone, the pack to build --on, or a --bundle"
    ):
        check_teaching(_request(backbone=None))


def test_meta_weights_without_the_method_are_refused() -> None:
    with pytest.raises(ConfigError, match="is for --method meta"):
        check_teaching(_request(meta_weights=Path("meta")))


@pytest.mark.parametrize("name", ["leopard", " Leopard", "Panthera pardus"])
def test_a_class_that_the_pack_knows_is_refused_with_what_to_do(
    name: str, pack: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"knows leopard already: sharpen it by .*train --on"):
        check_teaching(_request(name=name, on=pack, out=tmp_path / "new"))


def test_strips_are_those_of_the_pack(pack: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="are those of the pack that gets the class"):
        check_teaching(_request(on=pack, out=tmp_path / "new", strip_top_px=4))


def test_a_folder_that_is_taken_or_holds_the_images_is_refused(pack: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is the pack of --on"):
        check_teaching(_request(on=pack, out=pack, overwrite=True))
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="taken"):
        check_teaching(_request(out=tmp_path / "taken"))
    (tmp_path / "new").mkdir()
    with pytest.raises(ConfigError, match="holds"):
        check_teaching(_request(out=tmp_path / "new", images=(tmp_path / "new/a.jpg",)))


def test_an_image_that_is_missing_or_damaged_is_named(
    run_teaching: Teacher, elephants: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"gone\.jpg"):
        run_teaching(tmp_path / "pack", [elephants[0], tmp_path / "gone.jpg"])
    with pytest.raises(DataError, match=r"gone\.jpg"):
        run_teaching(tmp_path / "pack", [tmp_path / "gone.jpg"])
    for name, data in (("text.jpg", b"no image"), ("empty.jpg", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=name):
            run_teaching(tmp_path / "pack", [tmp_path / name, elephants[0]])
    assert not (tmp_path / "pack").exists()


@pytest.mark.parametrize("is_alone", [True, False])
def test_a_damaged_image_is_named_with_what_to_do_and_no_option_that_teach_lacks(
    is_alone: bool, run_teaching: Teacher, elephants: list[Path], tmp_path: Path
) -> None:
    cut = tmp_path / "cut.png"
    cut.write_bytes(elephants[0].read_bytes()[:400])
    with pytest.raises(DataError, match=r"--images: .*cut\.png cannot be used, ") as raised:
        run_teaching(tmp_path / "pack", [cut] if is_alone else [cut, elephants[1]])
    assert "name another frame, or open it with an image program" in str(raised.value)
    assert "--data-dir" not in str(raised.value)


def test_others_of_which_none_can_be_read_are_named(
    run_teaching: Teacher, elephants: list[Path], tmp_path: Path
) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (bad / name).write_bytes(b"no image")
    with pytest.raises(
        DataError, match=r"--others .*bad: .*a\.jpg cannot be used, .* \(and 1 more"
    ):
        run_teaching(tmp_path / "pack", elephants[:1], others=(bad,))


def test_the_same_image_twice_is_refused_whatever_its_name(
    run_teaching: Teacher, elephants: list[Path], tmp_path: Path
) -> None:
    copy = Path(shutil.copyfile(elephants[0], tmp_path / "copy.png"))
    said = rf"copy\.png has the same bytes as {elephants[0].name}: name each image once"
    with pytest.raises(DataError, match=said):
        run_teaching(tmp_path / "pack", [elephants[0], copy])
    with pytest.raises(DataError, match="name each image once"):
        run_teaching(tmp_path / "pack", [elephants[0], elephants[0]])


def test_others_that_show_it_or_are_nothing_are_refused(
    run_teaching: Teacher, elephants: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="others are frames without it"):
        run_teaching(tmp_path / "pack", elephants[:2], others=(elephants[0].parent,))
    labelled = tmp_path / "elephant"
    save(labelled / "x.png", draw("elephant", 77))
    with pytest.raises(DataError, match="no frame without elephant"):
        run_teaching(tmp_path / "pack", elephants[:2], others=(labelled,))
    (tmp_path / "bare").mkdir()
    with pytest.raises(DataError, match="no images in this folder"):
        run_teaching(tmp_path / "pack", elephants[:2], others=(tmp_path / "bare",))
    with pytest.raises(DataError, match="no such folder or file"):
        run_teaching(tmp_path / "pack", elephants[:2], others=(tmp_path / "gone",))


def test_another_encoder_than_the_packs_is_refused(
    run_teaching: Teacher, elephants: list[Path], tmp_path: Path
) -> None:
    other = write_encoder(tmp_path / "other", seed=9)
    with pytest.raises(PackError, match="name that backbone"):
        run_teaching(
            tmp_path / "pack", elephants[:1],
            backbone=str(other.config), pretrained=str(other.weights),
        )  # fmt: skip


def test_a_damaged_pack_is_refused_before_anything_is_loaded(pack: Path, tmp_path: Path) -> None:
    with (pack / "adapter.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(PackError, match="was altered"):
        check_teaching(_request(on=pack, out=tmp_path / "new"))
    with pytest.raises(PackError, match="pack"):
        check_teaching(_request(on=tmp_path / "none", out=tmp_path / "new"))


def test_a_pack_that_does_not_say_what_its_adapters_are_is_refused(
    run_teaching: Teacher, elephants: list[Path], backbone: Backbone, tmp_path: Path
) -> None:
    write_tiny_pack(tmp_path / "old", backbone, random_tensors(1, columns=3, names=("va_ratio",)))
    with pytest.raises(PackError, match="does not say what its adapters are"):
        run_teaching(tmp_path / "new", elephants[:1], on=tmp_path / "old")


def test_the_meta_path_needs_weights_of_this_encoder(
    run_teaching: Teacher, elephants: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="needs weights for tiny-vit, and none are carried"):
        run_teaching(tmp_path / "new", elephants[:1], method="meta")
