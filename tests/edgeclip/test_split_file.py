from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip.errors import DataError
from edgeclip.labels.dataset import LabelledImage
from edgeclip.labels.scan import ImageFacts
from edgeclip.split_file import read_split, read_split_rows
from edgeclip.splits import split_images


def _images(count: int = 80) -> list[LabelledImage]:
    return [
        LabelledImage(
            Path(f"{n}.jpg"), ("leopard", "blank")[n % 2], f"P{n // 2 % 8}", None, f"P/{n}", None,
            None, ImageFacts(f"{n:064d}", 64, 48, 100.0, None),
        )
        for n in range(count)
    ]  # fmt: skip


def _written(folder: Path, images: list[LabelledImage]) -> Path:
    path = folder / "split.csv"
    path.write_text(split_images(images, ["leopard"], seed=1).to_csv(images))
    return path


def test_a_split_that_was_written_is_read_back_whatever_the_order(tmp_path: Path) -> None:
    images = _images()
    split = split_images(images, ["leopard"], seed=1)
    turned = images[::-1]
    again = read_split(_written(tmp_path, images), turned)
    assert again.parts == split.parts[::-1]
    assert split.indices("test_seen")
    assert again.sha256(turned) == split.sha256(images)
    assert again.warnings == ()


def test_images_that_it_does_not_know_are_counted(tmp_path: Path) -> None:
    path = _written(tmp_path, _images())
    with pytest.raises(DataError, match=r"says nothing of 2 of 82 images, e\.g\. 80\.jpg"):
        read_split(path, _images(82))


def test_images_that_are_gone_are_said(tmp_path: Path) -> None:
    path = _written(tmp_path, _images())
    assert read_split(path, _images(78)).warnings == ("2 images of the split are not among these",)


def test_invariant_35_a_random_split_is_refused_and_loud_where_it_is_allowed(
    tmp_path: Path,
) -> None:
    images = _images()
    rows = [
        f"{image.facts.sha256},{('train', 'test')[n % 3 == 0]}" for n, image in enumerate(images)
    ]
    path = tmp_path / "random.csv"
    path.write_text("\n".join(["sha256,part", *rows]))
    with pytest.raises(DataError, match=r"8 places both teach and test: P0, P1, P2, \.\.\.:"):
        read_split(path, images)
    split = read_split(path, images, allow_shared_places=True)
    assert split.warnings[0].startswith("RANDOM SPLIT")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "lacks the column sha256"),
        (b"sha256,where\nx,train\n", "lacks the column part"),
        (b"sha256,part\nx,trian\n", "line 2: part 'trian' is none of train, validation"),
        (b"sha256,part\nx\n", "line 2: part None is none of"),
        (b"sha256,part\nx,train\nx,test\n", "line 3: the same file is in train and test"),
        (b"\xff\xfe\x00", "cannot be read as a split"),
        (b'sha256,part\n"' + b"x" * 200_000, "cannot be read as a split"),
    ],
    ids=["empty", "no part", "typing error", "short row", "twice", "no text", "endless"],
)
def test_what_is_no_split_is_refused_with_its_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "split.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_split_rows(path)


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv cannot be read as a split"):
        read_split_rows(tmp_path / "none.csv")
