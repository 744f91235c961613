"""What features say to a pack's attributes, and how a detection tells of it.

One product of the features that the encoder made anyway with the stored text features: no pass
through the encoder, no text tower.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from edgeclip.contract.attributes import (
    ATTRIBUTE_TENSORS_FILE,
    MOST_GROUPS,
    TEXT_FEATURES,
    FieldValue,
    PackAttributes,
    Word,
    read_attributes,
)
from edgeclip.contract.pack import Base, PackManifest, Probability
from edgeclip.contract.postprocess import softmax
from edgeclip.errors import PackError

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
Array = NDArray[np.float32]


FieldName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{1,32}$")]


class _Part(BaseModel):
    """Frozen; unknown fields are ignored on reading, as in all of a detection."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class AttributeAnswer(_Part):
    """An answer that reached its threshold."""

    group: Word
    option: Word
    words: Word | Annotated[str, StringConstraints(max_length=0)] = Field(
        description="In a caption; empty: the answer fills a field alone."
    )
    probability: Probability
    verified: bool = Field(description="Whether labelled images showed how often it is right.")
    field: FieldName | None = Field(None, description="Of a Camtrap DP observation.")
    value: FieldValue | None = Field(None, description="Of that field.")


class Attributes(_Part):
    """What the frames of a visit say to the questions of the pack, beside its class."""

    caption: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,400}$")]
    frames: int = Field(ge=1, description="Frames whose probabilities were averaged.")
    answers: list[AttributeAnswer] = Field(min_length=1, max_length=MOST_GROUPS)


@dataclass(frozen=True)
class AttributeBank:
    """A pack's questions with their text features, ready to be asked.

    Attributes:
        asked: The groups.
        text: `(E, O)` float32, unit columns: the options of all groups, in order.
    """

    asked: PackAttributes
    text: Array

    @staticmethod
    def read(
        folder: Path,
        manifest: PackManifest,
        read_tensors: Callable[[Path], Mapping[str, NDArray[np.generic]]],
    ) -> AttributeBank | None:
        """Return a pack's attributes; None where it has none.

        Args:
            folder: The pack's, whose hashes were checked.
            manifest: Of the pack.
            read_tensors: Reads a file of tensors; raises PackError where it holds none.

        Raises:
            PackError: One of its two files is damaged, or they do not belong together.
        """
        asked = read_attributes(folder, manifest)
        if asked is None:
            return None
        tensors = read_tensors(folder / ATTRIBUTE_TENSORS_FILE)
        return AttributeBank.of(asked, tensors, manifest.base)

    @staticmethod
    def of(
        asked: PackAttributes, tensors: Mapping[str, NDArray[np.generic]], base: Base
    ) -> AttributeBank:
        """Return the bank of what the two files of a pack hold.

        Raises:
            PackError: The tensors are not those of the groups and the encoder.
        """
        text = tensors.get(TEXT_FEATURES)
        shape = (base.embed_dim, sum(len(group.options) for group in asked.groups))
        if text is None or text.shape != shape or text.dtype != np.float32:
            found = "missing" if text is None else f"{text.shape} {text.dtype}"
            raise PackError(
                f"{ATTRIBUTE_TENSORS_FILE}: {TEXT_FEATURES} is {found}, expected {shape} float32:"
                " copy the pack again"
            )
        values = np.asarray(text, np.float32)
        if not np.allclose(np.linalg.norm(values, axis=0), 1, atol=1e-3):  # so of nan too
            raise PackError(f"{ATTRIBUTE_TENSORS_FILE}: {TEXT_FEATURES} are no unit features")
        return AttributeBank(asked, values)

    def probabilities(self, frame: Array, animal: Array) -> Array:
        """Return `(O,)` float32: of each group's options they sum to 1.

        Args:
            frame: `(E,)` float32 by the untouched encoder, unit norm, of the whole frame.
            animal: Of the view that is surest of the animal.
        """
        logits = self.asked.logit_scale * (np.stack([frame, animal]) @ self.text)
        return np.concatenate(
            [
                softmax(logits[row : row + 1, own], group.temperature)[0]
                for group, own in zip(self.asked.groups, self.columns, strict=True)
                for row in (int(group.view == "animal"),)
            ]
        )

    @property
    def columns(self) -> list[slice]:
        """Of each group, where its options stand."""
        ends = np.cumsum([len(group.options) for group in self.asked.groups]).tolist()
        return [
            slice(end - len(g.options), end) for g, end in zip(self.asked.groups, ends, strict=True)
        ]

    def told(self, probabilities: Array, class_name: str, *, frames: int = 1) -> Attributes | None:
        """Return what is told of a class's frames; None where no answer is likely enough.

        Args:
            probabilities: `(O,)` float32, the mean over the frames.
            class_name: For the caption.
            frames: How many they were.
        """
        answers = []
        for group, own in zip(self.asked.groups, self.columns, strict=True):
            best = int(probabilities[own].argmax())
            option, probability = group.options[best], float(probabilities[own][best])
            if not probability >= group.threshold or not option.is_said:
                continue
            answers.append(
                AttributeAnswer(
                    group=group.name,
                    option=option.name,
                    words=option.words,
                    probability=round(min(probability, 1.0), 4),
                    verified=group.verified,
                    field=group.field if option.value else None,
                    value=option.value,
                )
            )
        if not answers:
            return None
        return Attributes(caption=caption_of(class_name, answers), frames=frames, answers=answers)


def caption_of(class_name: str, answers: Iterable[AttributeAnswer]) -> str:
    """Return one line: `leopard, night (unverified: walking, two animals)`.

    Args:
        class_name: What was seen.
        answers: About it; those without words add none.
    """
    said = [answer for answer in answers if answer.words]
    name = _CONTROL.sub(" ", class_name)
    sure = ", ".join([name, *(answer.words for answer in said if answer.verified)])
    doubted = ", ".join(answer.words for answer in said if not answer.verified)
    return f"{sure} (unverified: {doubted})" if doubted else sure
