"""Frames of the target cameras that nobody labelled: drawn, opened, and what is left out of them.

An image that is labelled is never one of them, in whatever part of the split it is, nor is another
copy of its shot or another frame of its burst: what a test image shows teaches nothing.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath

import numpy as np

from edgeclip.archive.listed_files import ListedFiles
from edgeclip.archive.part_work import place_of
from edgeclip.archive.stores import ImageStore, Listed, LocalFolder, open_store
from edgeclip.config import TrainConfig
from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.plurals import counted
from edgeclip.errors import DataError
from edgeclip.labels.dataset import LabelledImage
from edgeclip.labels.scan import ImageFacts, scan_images
from edgeclip.labels.sequences import MOST_GAP
from edgeclip.labels.similar import same_shots
from edgeclip.labels.times import parse_time
from edgeclip.progress import Bars
from edgeclip.split_rows import SplitRow
from edgeclip.splits import Split

MOST_FRAMES = 1000
"""Opened of an archive, drawn by the seed: more cost encoding and say little that is new."""


@dataclass(frozen=True)
class UnlabelledFrames:
    """Frames that may be learned from, and what was left out.

    Attributes:
        images: Without a class.
        listed: Images of the source.
        drawn: Of these, that were opened.
        labelled: Left out: labelled too, or of a labelled image's shot or burst.
        repeated: Left out: the same shot as another of them.
        unreadable: Left out: could not be opened.
        of_test_places: Of `images`, from places that test images are from.
    """

    images: tuple[LabelledImage, ...]
    listed: int
    drawn: int
    labelled: int
    repeated: int
    unreadable: int
    of_test_places: int

    @property
    def sha256(self) -> str:
        """Hash of the frames' contents; their order does not matter."""
        return sha256_bytes("\n".join(sorted(i.facts.sha256 for i in self.images)).encode())

    def taught_beside(self, split: Split) -> Split:
        """Return a split whose table hands these frames on as images that taught.

        So neither a later pack nor an evaluation tests on them, and their places are known ones.
        """
        rows = {
            image.facts.sha256: SplitRow(
                "train", image.location, "", image.sequence, PurePosixPath(image.sequence).name
            )
            for image in self.images
        }
        before = split.before
        return replace(split, before=replace(before, rows={**rows, **before.rows}))

    def described(self) -> str:
        """Return in one line what was taken and what was not."""
        left = {
            "labelled too, or of a labelled burst": self.labelled,
            "the same shot as another": self.repeated,
            "could not be read": self.unreadable,
        }
        without = "".join(f"; {count} left out: {why}" for why, count in left.items() if count)
        return (
            f"{counted(len(self.images), 'frame')} without labels of {self.listed}"
            f" ({self.drawn} drawn{without})"
        )


@dataclass(frozen=True)
class FrameUse:
    """What became of frames without labels.

    Attributes:
        frames: That were at hand.
        pseudo_labels: How many of them the start was sure of.
        is_taken: Whether what is stored took gradient steps, and so learned from them.
    """

    frames: UnlabelledFrames
    pseudo_labels: int
    is_taken: bool

    def metrics(self) -> dict[str, float]:
        """Return the counts for the pack: of what taught it."""
        if not self.is_taken:
            return {}
        return {
            "unlabelled/frames": float(len(self.frames.images)),
            "unlabelled/pseudo_labels": float(self.pseudo_labels),
        }

    def notes(self) -> list[str]:
        """Return what must be known of the pack's figures."""
        found, tested = self.frames.described(), self.frames.of_test_places
        if not self.is_taken:
            why = "what the pack holds takes no gradient steps"
            return [f"FRAMES WITHOUT LABELS TAUGHT NOTHING: {why} ({found})"]
        warned = "they may do harm (docs/adapters.md): compare with a training without them"
        said = [f"{found} taught, too; {self.pseudo_labels} of them by a pseudo-label: {warned}"]
        if tested:
            said.append(
                f"{tested} FRAMES WITHOUT LABELS ARE OF PLACES THAT TEST: none of the test's images"
                " or bursts, but these places count as known, and new ones may be harder"
            )
        return said


@contextmanager
def unlabelled_frames(
    config: TrainConfig, images: Sequence[LabelledImage], split: Split, bars: Bars
) -> Iterator[UnlabelledFrames | None]:
    """Yield the frames of `--unlabelled`, or None where there is none; copies go with the block.

    Args:
        config: Names them; its seed draws.
        images: All labelled images.
        split: Of these.
        bars: Progress.

    Raises:
        DataError: There is nothing at that path, it cannot be listed, or not one frame can be used.
    """
    if config.unlabelled is None:
        yield None
        return
    source = str(config.unlabelled)
    store = open_store(source)
    listed = list(store.images())
    order = np.random.default_rng(config.recipe.seed).permutation(len(listed))
    chosen = [listed[index] for index in sorted(order[:MOST_FRAMES].tolist())]
    with tempfile.TemporaryDirectory() as folder:
        paths = _paths(store, chosen, Path(folder))
        advance = bars.add("opening frames without labels", len(paths))
        facts = scan_images(list(paths.values()), zone=config.zone, advance=lambda: advance(1))
        readable = {
            image: (path, own)
            for (image, path), own in zip(paths.items(), facts, strict=True)
            if isinstance(own, ImageFacts)
        }
        found = [_image(image, path, own, config) for image, (path, own) in readable.items()]
        fresh = _not_labelled(found, images)
        kept = _once(fresh)
        if not kept:
            raise DataError(
                f"--unlabelled {source}: none of {counted(len(chosen), 'frame')} can be used:"
                f" {len(found) - len(fresh)} are labelled too, or of labelled bursts, and"
                f" {len(chosen) - len(found)} cannot be read"
            )
        tested = _tested_places(images, split)
        yield UnlabelledFrames(
            images=tuple(kept),
            listed=len(listed),
            drawn=len(chosen),
            labelled=len(found) - len(fresh),
            repeated=len(fresh) - len(kept),
            unreadable=len(chosen) - len(found),
            of_test_places=sum(image.location in tested for image in kept),
        )


def _tested_places(images: Sequence[LabelledImage], split: Split) -> set[str]:
    return {
        own.location
        for own, part in zip(images, split.parts, strict=True)
        if part in ("test", "test_seen") and own.location
    }


def _paths(store: ImageStore, chosen: Sequence[Listed], folder: Path) -> dict[Listed, Path]:
    """Return where each frame lies; those of a zip are copied, without those that it cannot give.

    Args:
        store: Of the frames.
        chosen: Some of its images.
        folder: Takes copies.
    """
    if isinstance(store, LocalFolder | ListedFiles):
        return {image: Path(store.root) / image.name for image in chosen}  # a whole path wins
    found: dict[Listed, Path] = {}
    for number, image in enumerate(chosen):
        path = folder / f"{number}{PurePosixPath(image.name).suffix}"
        try:
            path.write_bytes(store.read(image.name))
        except DataError:
            continue  # counted as one that cannot be read
        found[image] = path
    return found


def _image(listed: Listed, path: Path, facts: ImageFacts, config: TrainConfig) -> LabelledImage:
    told_at = parse_time(listed.time, config.zone) if listed.time else None
    return LabelledImage(
        path=path,
        class_name="",
        location=place_of(listed) or None,
        captured_at=told_at or facts.taken_at,
        sequence=listed.name,
        seq_id=listed.sequence,
        box=None,
        facts=facts,
    )


def _not_labelled(
    found: Sequence[LabelledImage], labelled: Sequence[LabelledImage]
) -> list[LabelledImage]:
    """Return the frames that are of no labelled image's content, shot or burst."""
    known = {image.facts.sha256 for image in labelled}
    heads = _shots([*labelled, *found])[len(labelled) :]
    at: Mapping[str, list[datetime]] = defaultdict(list)
    for image in labelled:
        if image.location and image.captured_at:
            at[image.location].append(image.captured_at)
    fresh = []
    for image, head in zip(found, heads, strict=True):
        copied = head is not None and head < len(labelled)
        taken, times = image.captured_at, at.get(image.location or "", [])
        of_burst = taken is not None and any(abs(taken - other) <= MOST_GAP for other in times)
        if image.facts.sha256 not in known and not copied and not of_burst:
            fresh.append(image)
    return fresh


def _once(frames: Sequence[LabelledImage]) -> list[LabelledImage]:
    """Return one frame of each content and shot."""
    contents = {image.facts.sha256: image for image in reversed(frames)}
    single = [image for image in frames if contents[image.facts.sha256] is image]
    heads = _shots(single)
    return [
        image for index, image in enumerate(single) if heads[index] is None or heads[index] == index
    ]


def _shots(images: Sequence[LabelledImage]) -> list[int | None]:
    undated = [image.captured_at is None and not image.seq_id for image in images]
    return same_shots([image.facts.thumbnail for image in images], undated)
