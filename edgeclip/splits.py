"""Train, validation and test: whole locations, then whole sequences, never single images.

The finest honest split is searched for: locations apart for all three parts; else test locations
apart and validation by sequence; else sequences alone, and then nothing is known about other
places. The search is seeded, so the same data and seed give the same split.

Where training places have sequences to spare, some of them are a second test part, `test_seen`:
other sequences at known places (cis), beside unseen places (trans).
"""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from edgeclip.contract.hashing import sha256_bytes
from edgeclip.errors import DataError
from edgeclip.labels.classes import BLANK, require_targets
from edgeclip.split_checks import RANDOM_SPLIT, check_parts, places_are_apart
from edgeclip.split_groups import Images, bursts_by_class, location_groups, sequence_groups
from edgeclip.split_rows import PARTS, Part
from edgeclip.split_search import assign_groups
from edgeclip.split_seen import choose_seen
from edgeclip.taught import NOTHING_TAUGHT, Stated, Taught, stated_by_data

Level = Literal["location", "location, validation by sequence", "sequence", "as given"]
NEEDED: Final[tuple[Part, ...]] = PARTS[:3]
LEVELS: Final[tuple[Level, ...]] = ("location", "location, validation by sequence", "sequence")
_SHARES = (0.6, 0.2, 0.2)
_NESTED_SHARES = (0.75, 0.25)


@dataclass(frozen=True)
class Split:
    """Which part each image is in.

    Attributes:
        parts: One a image, in the images' order.
        level: What is kept apart.
        warnings: What a reader of the figures must know.
        before: What taught the earlier packs that this training stands on; the table keeps it,
            so that no later training is tested on it.
    """

    parts: tuple[Part, ...]
    level: Level
    warnings: tuple[str, ...]
    before: Taught = NOTHING_TAUGHT

    def indices(self, part: Part) -> list[int]:
        """Return the positions of a part's images."""
        return [index for index, own in enumerate(self.parts) if own == part]

    def to_csv(self, images: Images) -> str:
        """Return the split as a table: sha256, part, class, location, sequence, file name."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["sha256", "part", "class", "location", "sequence", "file"])
        own = {i.facts.sha256 for i in images}
        rows = [
            (i.facts.sha256, part, i.class_name, i.location or "", i.sequence, i.path.name)
            for i, part in zip(images, self.parts, strict=True)
        ]
        rows += [
            (sha256, row.part, row.class_name, row.location or "", row.sequence, row.file)
            for sha256, row in self.before.rows.items()
            if sha256 not in own
        ]
        writer.writerows(sorted(rows))
        return text.getvalue()

    def sha256(self, images: Images) -> str:
        """Return the hash of the table."""
        return sha256_bytes(self.to_csv(images).encode())


def split_images(
    images: Images,
    targets: Sequence[str],
    *,
    seed: int,
    levels: Sequence[Level] = LEVELS,
    taught: Taught = NOTHING_TAUGHT,
) -> Split:
    """Return the finest split in which each part holds each target and something else.

    Args:
        images: All usable images.
        targets: Classes that are scored.
        seed: Of the search.
        levels: What may be tried, finest first.
        taught: What an earlier pack learned from, which never tests.

    Raises:
        DataError: Even by sequence there are too few images; the message counts them.
    """
    places = location_groups(images)
    bursts = sequence_groups(images, places)
    has_places = any(image.location for image in images)
    known_places = taught.groups(images, places, places=True)
    known_bursts = taught.groups(images, bursts, places=False)
    for level in levels:
        parts: list[Part] | None = None
        if level == "sequence":
            parts = _assign(images, bursts, targets, seed, known_bursts)
        elif has_places and level == "location":
            parts = _assign(images, places, targets, seed, known_places)
        elif has_places:
            parts = _nested(images, (places, bursts), targets, seed, known_places)
        if parts is not None:
            return _with_seen(images, parts, level, targets, seed, known_bursts)
    raise DataError(_too_few(images, bursts, targets, taught))


def plan_split(
    images: Images,
    class_names: Sequence[str],
    targets: Sequence[str],
    *,
    seed: int,
    taught: Taught = NOTHING_TAUGHT,
    insisted: bool = False,
) -> tuple[tuple[str, ...], Split]:
    """Return the targets and a split in which they can be scored.

    Args:
        images: All usable images.
        class_names: Of the data set.
        targets: As asked for; where empty, every class but blank for which a split exists.
        seed: Of the search.
        taught: What an earlier pack learned from, which never tests.
        insisted: Take the split that the source states though it tests at places that taught.

    Raises:
        ConfigError: A target is no class of the data.
        DataError: No split exists, or the one that the source states tests on what taught.
    """
    require_targets(targets, class_names)
    if images and all(image.part for image in images):
        return _given(images, class_names, targets, (taught, stated_by_data(insisted=insisted)))
    if targets:
        return tuple(targets), split_images(images, targets, seed=seed, taught=taught)
    bursts = bursts_by_class(images, sequence_groups(images, location_groups(images)))
    wanted = sorted(set(class_names) - {BLANK}, key=lambda name: (-len(bursts[name]), name))
    enough = [name for name in wanted if len(bursts[name]) >= len(NEEDED)]
    for level in LEVELS:  # places apart matter more than many targets
        for count in range(len(enough), 0, -1):  # the rarest class gives way first
            with contextlib.suppress(DataError):
                chosen = enough[:count]
                split = split_images(images, chosen, seed=seed, levels=[level], taught=taught)
                return tuple(chosen), split
    most = enough[:1] or wanted[:1]
    return tuple(most), split_images(images, most, seed=seed, taught=taught)


def _given(
    images: Images,
    class_names: Sequence[str],
    targets: Sequence[str],
    barred: tuple[Taught, Stated],
) -> tuple[tuple[str, ...], Split]:
    """Return the split that the source states."""
    parts = tuple(image.part or "train" for image in images)
    chosen = targets_of(images, parts, class_names, targets)
    check_parts(images, parts, places_apart=False)  # one that tears them is read if insisted on
    bursts = sequence_groups(images, location_groups(images))
    taught, stated = barred
    said = taught.refuse_tested(images, parts, bursts, stated=stated)
    random = said or not places_are_apart(images, parts)
    return chosen, Split(parts, "as given", (RANDOM_SPLIT,) if random else ())


def targets_of(
    images: Images, parts: Sequence[Part], class_names: Sequence[str], targets: Sequence[str]
) -> tuple[str, ...]:
    """Return the targets that a given split can score: those asked for, else all but blank.

    Raises:
        DataError: A part that is needed lacks one of them.
    """
    held = [
        {i.class_name for i, own in zip(images, parts, strict=True) if own == p} for p in NEEDED
    ]
    everywhere = set.intersection(*held)
    chosen = tuple(targets) or tuple(n for n in class_names if n in everywhere and n != BLANK)
    missing = [name for name in chosen if name not in everywhere]
    if missing or not chosen:
        name = ", ".join(missing) or "every class but blank"
        raise DataError(
            f"the given split lacks {name} in a part: leave --split out, or add"
            " --no-use-split where the data state it, and one is made"
        )
    return chosen


def _with_seen(
    images: Images,
    parts: list[Part],
    level: Level,
    targets: Sequence[str],
    seed: int,
    barred: Collection[str],
) -> Split:
    """Set sequences of training places apart for `test_seen`, and check what came out."""
    warnings = _warnings(images, level)
    if level != "sequence":  # there the test part is of known places already
        bursts = sequence_groups(images, location_groups(images))
        training = [index for index, part in enumerate(parts) if part == "train"]
        seen = choose_seen(images, bursts, training, targets, seed=seed, barred=barred)
        for index in seen:
            parts[index] = "test_seen"
        if not seen:
            warnings.append(
                "too few sequences at the training places to test there too: the difference"
                " between known and new places is not known"
            )
    check_parts(images, parts, places_apart=level != "sequence")
    return Split(tuple(parts), level, tuple(warnings))


def _assign(
    images: Images,
    groups: Sequence[str],
    targets: Sequence[str],
    seed: int,
    barred: Collection[str],
) -> list[Part] | None:
    """Put whole groups into the three parts, or return None where a target is missing in one."""
    classes = [image.class_name for image in images]
    found = assign_groups(groups, classes, targets, seed=seed, shares=_SHARES, barred=barred)
    return None if found is None else [PARTS[found[group]] for group in groups]


def _nested(
    images: Images,
    groups: tuple[Sequence[str], Sequence[str]],
    targets: Sequence[str],
    seed: int,
    barred: Collection[str],
) -> list[Part] | None:
    """Hold out places for the test, then sequences of the other places for validation."""
    (places, bursts), classes = groups, [image.class_name for image in images]
    outer = assign_groups(places, classes, targets, seed=seed, shares=_NESTED_SHARES, barred=barred)
    if outer is None:
        return None
    rest = [index for index, place in enumerate(places) if outer[place] == 0]
    inner = assign_groups(
        [bursts[i] for i in rest],
        [classes[i] for i in rest],
        targets,
        seed=seed,
        shares=_NESTED_SHARES,
    )
    if inner is None:
        return None
    parts: list[Part] = ["test"] * len(images)
    for index in rest:
        parts[index] = PARTS[inner[bursts[index]]]
    return parts


def _warnings(images: Images, level: Level) -> list[str]:
    unknown = sum(image.location is None for image in images)
    warnings = []
    if level == "sequence":
        warnings.append(
            "the split is by sequence, not by place: nothing is known about other places"
        )
    if level == "location, validation by sequence":
        warnings.append("too few places for three parts: validation shares places with training")
    if unknown > 0:
        own = "" if level == "sequence" else ": only these are split by sequence"
        warnings.append(f"no location is known of {unknown} of {len(images)} images{own}")
    alone = sum(image.sequence.startswith("?/file ") for image in images)
    if alone:
        warnings.append(
            f"{alone} images have neither place, sequence nor time: bursts may lie on both sides"
        )
    return warnings


def _too_few(images: Images, bursts: Sequence[str], targets: Sequence[str], taught: Taught) -> str:
    by_class = bursts_by_class(images, bursts)
    counted = [f"{name} {len(by_class[name])}" for name in targets]
    others = set().union(*(own for name, own in by_class.items() if name not in targets), set())
    return (
        f"too few sequences to train, validate and test: {', '.join(counted)}, others"
        f" {len(others)}; three of each target and of the rest are needed"
        + (f", one of them not among what taught {taught.pack}" if taught.pack else "")
        + ": add images or targets"
    )
