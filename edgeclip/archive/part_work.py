"""One part of an archive: read, look, answer; what comes out depends on the part alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from edgeclip.archive.answering import Answer, Answerer, Facts, Views
from edgeclip.archive.boxing import box_of
from edgeclip.archive.looking import Looking, Seen
from edgeclip.archive.records import DIGITS, DISTANCE_DIGITS, BoxRecord, Category, Record
from edgeclip.archive.stores import ImageStore, Listed
from edgeclip.contract.attribute_answers import AttributeBank, Attributes
from edgeclip.contract.preprocess_spec import Box
from edgeclip.contract.static_facts import facts_of_image
from edgeclip.errors import DataError
from edgeclip.labels.times import parse_time

BATCH = 32
_READERS = 2  # so that a disk or a bucket is waited for beside the computing


@dataclass(frozen=True)
class Given:
    """A box that a detector gave."""

    box: Box
    confidence: float
    category: Category


GivenBoxes = Callable[[str], Sequence[Given]]
"""The boxes of an image, by its name in the archive."""


@dataclass(frozen=True)
class PartWork:
    """What a part needs; used by several threads at once.

    Attributes:
        store: Gives bytes.
        looking: Makes views of them.
        answerer: Answers for views.
        boxes: A detector's, or a function that gives none.
        facts: What a person knows of all images, for the static keys of several packs.
    """

    store: ImageStore
    looking: Looking
    answerer: Answerer
    boxes: GivenBoxes
    facts: Mapping[str, str]

    def do(self, images: Sequence[Listed], advance: Callable[[int], None]) -> list[Record]:
        """Return the records of a part, in its order.

        Args:
            images: Of the part.
            advance: Told how many are done since the last call.

        Raises:
            BackendError: The runtime failed.
        """
        records: list[Record] = []
        with ThreadPoolExecutor(_READERS) as readers:
            looked = readers.map(self._look, images)
            for batch in _batches(zip(images, looked, strict=True)):
                records += self._answered(batch)
                advance(len(batch))
        return records

    def can_be_read(self, image: Listed) -> bool:
        """Say whether an image has an answer, and is no failure."""
        return isinstance(self._look(image), Seen)

    def _look(self, image: Listed) -> Seen | DataError:
        boxes = [given.box for given in self.boxes(image.name)]
        try:
            return self.looking.look(image.name, self.store.read(image.name), boxes)
        except DataError as error:
            return error

    def _answered(self, batch: Sequence[tuple[Listed, Seen | DataError]]) -> list[Record]:
        able = [(image, seen) for image, seen in batch if isinstance(seen, Seen)]
        answers: Iterator[Answer] = iter(())
        if able:
            counts = [len(seen.views) for _, seen in able]
            frames = np.repeat(np.cumsum([0, *counts[:-1]]), counts).tolist()
            facts = [known for pair in able for known in [self._facts(*pair)] * len(pair[1].views)]
            stacked = np.concatenate([seen.views for _, seen in able])
            answers = iter(self.answerer.answer(Views(stacked, facts, frames)))
        return [self._record(image, seen, answers) for image, seen in batch]

    def _facts(self, image: Listed, seen: Seen) -> Facts:
        """Return what is known of an image, where packs ask."""
        rows = self.answerer.rows
        return facts_of_image(place_of(image), rows, self.facts, infrared=seen.infrared)

    def _record(self, image: Listed, seen: Seen | DataError, answers: Iterator[Answer]) -> Record:
        location = place_of(image)
        if isinstance(seen, DataError):
            return Record(
                file=image.name, location=location, sequence=image.sequence, failure=str(seen)
            )
        own = [next(answers) for _ in seen.views]
        surest = max(own, key=self._sure)
        probabilities = _rounded(surest.probabilities)
        told_at = parse_time(image.time, self.looking.zone) if image.time else None
        return Record(
            file=image.name,
            location=location,
            sequence=image.sequence,
            width=seen.width,
            height=seen.height,
            taken_at=told_at or seen.taken_at,
            infrared=seen.infrared,
            probabilities=probabilities,
            pack=surest.pack,
            boxes=self._boxes(image.name, own[1:]),
            where=self._where(own, probabilities, seen),
            attributes=self._in_words(own, surest),
            distance=_rounded_distance(own[0].distance),
        )

    def _where(
        self, own: Sequence[Answer], probabilities: Sequence[float], seen: Seen
    ) -> Box | None:
        """Return the box of what is decided; none beside a detector's, which see better."""
        if len(own) > 1:
            return None
        view = self.looking.strips.rest_of(seen.height)
        answerer = self.answerer
        return box_of(own[0], probabilities, answerer.manifest, answerer.deciders, view)

    def _in_words(self, own: Sequence[Answer], surest: Answer) -> Attributes | None:
        """Return what the views say to the attributes; nothing of people, or of no animal.

        Args:
            own: Of the image's views, the whole frame first.
            surest: The one of them that counts.
        """
        bank, classes = self._bank(surest), self.answerer.manifest.classes
        likeliest = [classes[int(answer.probabilities.argmax())] for answer in (surest, *own)]
        shows_person = any(item.observation_type == "human" for item in likeliest)
        if bank is None or shows_person or likeliest[0].observation_type != "animal":
            return None
        if own[0].features is None or surest.features is None:
            return None
        probabilities = bank.probabilities(own[0].features, surest.features)
        return bank.told(probabilities, likeliest[0].name)

    def _bank(self, answer: Answer) -> AttributeBank | None:
        """Return what the pack that answered asks in words; the prompts alone ask nothing."""
        return self.answerer.banks.get(answer.pack) if answer.pack else None

    def _sure(self, answer: Answer) -> float:
        """Return how sure an answer is of a target, as the device chooses between two views."""
        names = self.answerer.manifest.class_names
        targets = self.answerer.deciders.targets_of(answer.pack)
        return max(float(answer.probabilities[names.index(name)]) for name in targets)

    def _boxes(self, name: str, crops: Sequence[Answer]) -> tuple[BoxRecord, ...]:
        return tuple(
            BoxRecord(
                box=given.box,
                confidence=given.confidence,
                category=given.category,
                probabilities=_rounded(answer.probabilities),
            )
            for given, answer in zip(self.boxes(name), crops, strict=True)
        )


def place_of(image: Listed) -> str:
    """Return where the camera stood: the table's word, else the image's folder; empty at the root.

    Args:
        image: Of an archive.
    """
    place = image.location or str(PurePosixPath(image.name).parent)
    return "" if place == "." else place


def _batches(
    items: Iterator[tuple[Listed, Seen | DataError]],
) -> Iterator[list[tuple[Listed, Seen | DataError]]]:
    batch: list[tuple[Listed, Seen | DataError]] = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _rounded(probabilities: NDArray[np.float32]) -> tuple[float, ...]:
    return tuple(round(float(value), DIGITS) for value in probabilities)


def _rounded_distance(distance: float | None) -> float | None:
    return None if distance is None else round(distance, DISTANCE_DIGITS)
