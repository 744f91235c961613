from __future__ import annotations

from pathlib import Path

import pytest

from edgeclip.contract.preprocess_spec import Box
from edgeclip.labels.classes import BLANK, is_blank_label
from edgeclip.labels.dataset import LabelledImage, read_dataset
from edgeclip.labels.reading import Multi, ReadingOptions
from edgeclip.labels.sample import Sample
from edgeclip.labels.several import Chosen, choose_samples
from edgeclip.regions import regions_of
from support.drawn_images import draw, save, write_table

SMALL: Box = (0.1, 0.1, 0.1, 0.1)
LARGE: Box = (0.4, 0.4, 0.5, 0.5)


def _sample(label: str, box: Box | None = None, name: str = "a.jpg") -> Sample:
    return Sample(Path(name), label, None, None, None, box, f"{name} {label}")


def _choose(samples: list[Sample], policy: Multi) -> Chosen:
    return choose_samples(samples, policy, lambda t: BLANK if is_blank_label(t) else t)


def _kept(samples: list[Sample], policy: Multi) -> list[tuple[str, Box | None]]:
    return [(sample.label, sample.box) for sample in _choose(samples, policy).samples]


@pytest.mark.parametrize(
    ("policy", "kept", "said"),
    [
        ("drop", [], "left out"),
        ("first", [("leopard", SMALL)], "taken as leopard"),
        ("largest-box", [("deer", LARGE)], "taken as deer"),
        ("multi", [("leopard", SMALL), ("deer", LARGE)], "used 2 times"),
    ],
)
def test_of_two_classes_the_policy_decides_and_says_so(
    policy: Multi, kept: list[tuple[str, Box]], said: str
) -> None:
    samples = [_sample("leopard", SMALL), _sample("deer", LARGE)]
    assert _kept(samples, policy) == kept
    (problem,) = _choose(samples, policy).problems
    assert (problem.kind, problem.where) == ("several", "a.jpg leopard")
    assert problem.what == f"leopard and deer: {said} (--multi {policy})"


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        ("drop", [LARGE]),
        ("first", [SMALL]),
        ("largest-box", [LARGE]),
        ("multi", [SMALL, LARGE]),
    ],
)
def test_of_one_class_no_policy_but_first_and_multi_leaves_the_largest_box(
    policy: Multi, kept: list[Box]
) -> None:
    samples = [_sample("leopard", SMALL), _sample("leopard", LARGE), _sample("leopard")]
    assert _kept(samples, policy) == [("leopard", box) for box in kept]
    assert _choose(samples, policy).problems == []
    assert _choose(samples, policy).same_class == 1


def test_the_largest_box_may_be_in_pixels() -> None:
    big = Sample(Path("a.jpg"), "leopard", None, None, None, None, "r", pixel_box=(0, 0, 90, 90))
    small = Sample(Path("a.jpg"), "leopard", None, None, None, None, "r", pixel_box=(0, 0, 9, 9))
    assert _choose([small, big], "drop").samples == [big]


@pytest.mark.parametrize("policy", ["drop", "first", "largest-box", "multi"])
def test_a_blank_beside_an_animal_is_no_blank(policy: Multi) -> None:
    samples = [_sample("empty"), _sample("leopard")]
    assert _kept(samples, policy) == [("leopard", None)]
    (problem,) = _choose(samples, policy).problems
    assert problem.what == "blank beside leopard: not taken as blank"


def test_the_same_label_twice_is_one() -> None:
    for policy in ("drop", "multi"):
        chosen = _choose([_sample("leopard"), _sample("leopard")], policy)
        assert (len(chosen.samples), chosen.problems, chosen.same_class) == (1, [], 0)


def test_images_keep_their_order_and_are_apart() -> None:
    samples = [_sample("deer", name="b.jpg"), _sample("leopard"), _sample("deer", name="b.jpg")]
    assert [s.path.name for s in _choose(samples, "drop").samples] == ["b.jpg", "a.jpg"]


def _two_animals(folder: Path, policy: Multi) -> tuple[LabelledImage, ...]:
    save(folder / "a.jpg", draw("leopard", 0))
    save(folder / "b.jpg", draw("blank", 1))
    rows: list[tuple[object, ...]] = [
        ("path", "label", "x_min", "y_min", "x_max", "y_max"),
        ("a.jpg", "leopard", 0.1, 0.1, 0.2, 0.2),
        ("a.jpg", "deer", 0.5, 0.5, 0.9, 0.9),
        ("b.jpg", "blank", "", "", "", ""),
    ]
    table = write_table(folder / "labels.csv", rows)
    return read_dataset(ReadingOptions(data=table, multi=policy)).images


def test_a_table_with_a_row_a_box_gives_an_image_a_box(tmp_path: Path) -> None:
    images = _two_animals(tmp_path, "multi")
    assert [image.class_name for image in images] == ["leopard", "deer", "blank"]
    assert images[1].box == pytest.approx((0.5, 0.5, 0.4, 0.4))
    assert images[0].sequence == images[1].sequence != images[2].sequence


def test_of_a_frame_with_two_animals_each_is_learned_by_its_crop_alone(tmp_path: Path) -> None:
    images = _two_animals(tmp_path, "multi")
    assert [image.crop_only for image in images] == [True, True, False]
    regions = regions_of(images, [0, 1], views=1)
    assert [(region.image, region.box) for region in regions] == [
        (0, images[0].box), (1, images[1].box),
    ]  # fmt: skip


def test_by_default_a_frame_with_two_animals_is_left_out_and_named(tmp_path: Path) -> None:
    assert [image.class_name for image in _two_animals(tmp_path, "drop")] == ["blank"]
