from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgeclip.errors import DataError
from edgeclip.evaluated_parts import roles_of
from edgeclip.labels.dataset import LabelledImage
from support.judged import Row, judged

IMAGES = list(judged([Row("leopard", place) for place in "AABBCC"]).images)
PARTS = ("train", "test_seen", "validation", "validation", "test", "test")


def _pack(folder: Path, parts: tuple[str, ...] = PARTS) -> Path:
    rows = [
        f"{image.facts.sha256},{part},{image.location}"
        for image, part in zip(IMAGES, parts, strict=False)
    ]
    (folder / "report").mkdir()
    (folder / "report/split.csv").write_text("\n".join(["sha256,part,location", *rows]))
    return folder


def test_the_pack_s_own_split_says_what_it_learned_from(tmp_path: Path) -> None:
    roles = roles_of(IMAGES, _pack(tmp_path))
    assert (roles.train, roles.validation, roles.judged) == ((0,), (2, 3), (1, 4, 5))
    assert roles.taught_locations == {"A", "B"}
    assert roles.notes == ("3 images that the pack learned from are left out",)


def test_the_place_of_an_image_that_taught_without_one_is_found_by_the_image(
    tmp_path: Path,
) -> None:
    (tmp_path / "report").mkdir()
    elsewhere = f"{'f' * 64},train,"
    rows = ["sha256,part,location", f"{IMAGES[0].facts.sha256},train,", elsewhere]
    (tmp_path / "report/split.csv").write_text("\n".join(rows))
    roles = roles_of(IMAGES, tmp_path)
    assert roles.taught_locations == {"A"}
    assert roles.notes[-1] == (
        "1 of the 2 images that taught the pack have no place: places that count as new may be"
        " theirs"
    )


def test_images_that_the_pack_never_had_are_all_judged(tmp_path: Path) -> None:
    others = list(judged([Row("blank", "D")] * 9).images)[6:]
    roles = roles_of(others, _pack(tmp_path))
    assert roles.judged == (0, 1, 2)
    assert roles.notes == ()


def test_a_pack_without_its_split_is_judged_and_the_doubt_is_said(tmp_path: Path) -> None:
    roles = roles_of(IMAGES, tmp_path)
    assert roles.judged == tuple(range(6))
    assert "nobody can tell whether it learned from these images" in roles.notes[0]


def test_nothing_but_training_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the pack learned from all of these 1 images"):
        roles_of(IMAGES[:1], _pack(tmp_path))


def test_further_frames_of_a_burst_that_trained_are_left_out(tmp_path: Path) -> None:
    def of_burst(image: LabelledImage) -> LabelledImage:
        return dataclasses.replace(image, sequence="A/burst")

    images = [of_burst(image) if image.location == "A" else image for image in IMAGES]
    roles = roles_of(images, _pack(tmp_path))
    assert roles.judged == (4, 5)
    assert "1 frames of sequences that the pack learned from are left out" in roles.notes


def test_other_labels_may_join_what_trained_and_what_validated_in_one_sequence(
    tmp_path: Path,
) -> None:
    images = [dataclasses.replace(image, sequence="B/burst") for image in IMAGES[:3]]
    roles = roles_of([*images, *IMAGES[3:]], _pack(tmp_path))
    assert (roles.train, roles.validation, roles.judged) == ((0,), (2, 3), (4, 5))


def test_a_burst_that_trained_is_known_by_place_and_name_where_its_frame_is_absent(
    tmp_path: Path,
) -> None:
    taught = dataclasses.replace(IMAGES[0], sequence="A/burst")
    (tmp_path / "report").mkdir()
    (tmp_path / "report/split.csv").write_text(
        f"sha256,part,location,sequence\n{taught.facts.sha256},train,A,A/burst\n"
    )
    elsewhere = dataclasses.replace(IMAGES[2], sequence="A/burst")  # of the place B
    images = [_further("A/burst"), _further("A/other", 2), elsewhere]
    roles = roles_of(images, tmp_path)
    assert roles.judged == (1, 2)
    assert roles.notes[-1].startswith("1 frames of sequences that the pack learned from")
    table = tmp_path / "other.csv"
    table.write_text(
        "sha256,part,location\n" + "".join(f"{i.facts.sha256},test,{i.location}\n" for i in images)
    )
    with pytest.raises(DataError, match="tests 1 frames of sequences that the pack learned from"):
        roles_of(images, tmp_path, split=table)


def test_a_further_frame_with_the_label_of_a_burst_that_trained_is_left_out(tmp_path: Path) -> None:
    taught = dataclasses.replace(IMAGES[0], sequence="A/burst")
    further = dataclasses.replace(IMAGES[1], sequence="A/burst", sequence_level=True)
    pack = _pack(tmp_path, ("train", "", "validation", "validation", "test", "test"))
    table = pack / "report/split.csv"
    lines = [line for line in table.read_text().splitlines() if ",," not in line]
    table.write_text("\n".join(lines))
    roles = roles_of([taught, further, *IMAGES[2:]], pack)
    assert roles.judged == (4, 5)
    assert "1 frames of sequences that the pack learned from are left out" in roles.notes


def _with_further_frames(sequence: str, *more: LabelledImage) -> list[LabelledImage]:
    """Return the images, the second with a sequence, and frames that have its label alone."""
    known = dataclasses.replace(IMAGES[1], sequence=sequence)
    others = [dataclasses.replace(image, sequence_level=True) for image in more]
    return [IMAGES[0], known, *IMAGES[2:], *others]


def _further(sequence: str, number: int = 1) -> LabelledImage:
    """Return an image that the pack never had."""
    image = judged([Row("leopard", "A")] * 9).images[6 + number]
    return dataclasses.replace(image, sequence=sequence)


def test_a_further_frame_of_a_sequence_kept_for_the_test_is_judged_with_it(tmp_path: Path) -> None:
    images = _with_further_frames("A/kept", _further("A/kept"))
    assert roles_of(images, _pack(tmp_path)).judged == (1, 4, 5, 6)


def test_a_table_need_not_name_frames_with_the_label_of_their_sequence(tmp_path: Path) -> None:
    images = _with_further_frames("A/kept", _further("A/kept"), _further("A/other", 2))
    pack = _pack(tmp_path)
    roles = roles_of(images, pack, split=pack / "report/split.csv")
    assert (roles.train, roles.validation, roles.judged) == ((0,), (2, 3), (1, 4, 5, 6))
    assert roles.notes[0].startswith("1 images that the split does not name are left out")


def test_a_table_must_name_frames_with_a_label_of_their_own(tmp_path: Path) -> None:
    images = [*IMAGES, _further("A/other")]
    pack = _pack(tmp_path)
    with pytest.raises(DataError, match="says nothing of 1 of 7 images"):
        roles_of(images, pack, split=pack / "report/split.csv")


@pytest.mark.parametrize(("whole", "said"), [(1, "1 of 2 images have the"), (2, "2 of 2 images")])
def test_judged_images_with_the_label_of_their_sequence_are_counted(
    whole: int, said: str, tmp_path: Path
) -> None:
    others = list(judged([Row("blank", "D")] * 9).images)[7:]
    marked = [dataclasses.replace(i, sequence_level=n < whole) for n, i in enumerate(others)]
    assert roles_of(marked, _pack(tmp_path)).notes[0].startswith(said)
