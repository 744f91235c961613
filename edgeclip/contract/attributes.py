"""`attributes.json` of a pack: what is asked of an image in words beside its class.

A group is a question with two answers or more, each described by sentences. The text features of
the answers lie in `attributes.safetensors`, so that a device needs no text tower. A pack without
both files asks nothing; `pack.json` names them by hash like any other file of the pack.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from pydantic import BeforeValidator, Field, StringConstraints, ValidationError, model_validator

from edgeclip.contract.pack import PackManifest, Part, Probability, Sha256
from edgeclip.contract.validation import explain
from edgeclip.errors import PackError

ATTRIBUTES_SCHEMA: Final = "edgeclip.attributes/1"
ATTRIBUTES_FILE = "attributes.json"
ATTRIBUTE_TENSORS_FILE = "attributes.safetensors"
TEXT_FEATURES = "text_features"
MOST_GROUPS, MOST_OPTIONS = 8, 12
TAGS = "observationTags"
NONE = "none"
"""The answer that says nothing: neither words nor a value."""

CamtrapField = Literal["behavior", "lifeStage", "sex", "count", "observationTags"]
"""Fields of a Camtrap DP observation that an answer may fill; none of them names an individual."""

View = Literal["frame", "animal"]
Word = Annotated[str, StringConstraints(pattern=r"^\w[\w '-]{0,31}$")]
Sentence = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{3,300}$")]


def _text(value: object) -> object:
    """A count or a yes may be written as such; a pack holds all values as text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


FieldValue = Annotated[
    str, BeforeValidator(_text), StringConstraints(pattern=r"^\w[\w :'-]{0,63}$")
]

_TAG = re.compile(r"[A-Za-z]\w{0,31}:\w[\w -]{0,31}")
_ALLOWED: dict[str, tuple[str, ...]] = {
    "lifeStage": ("adult", "subadult", "juvenile"),
    "sex": ("female", "male"),
}


class AttributeOption(Part):
    """One answer of a group."""

    name: Word
    prompts: list[Sentence] = Field(min_length=1, max_length=16)
    caption: Word | Literal[""] | None = Field(
        None, description="Its words in a caption; empty: none. Left out: its name."
    )
    value: FieldValue | None = Field(None, description="Of the group's field; None leaves it empty")
    labels: list[FieldValue] = Field(
        [], max_length=64, description="What a table of labels calls it, beside name and value."
    )

    @property
    def words(self) -> str:
        """What a caption says."""
        return "" if self.name == NONE else self.name if self.caption is None else self.caption

    @property
    def is_said(self) -> bool:
        """Whether a detection tells of it."""
        return bool(self.words or self.value)


class AskedGroup(Part):
    """A question, before it is known how far its answers can be believed."""

    name: Word
    field: CamtrapField | None = Field(None, description="Of a Camtrap DP observation.")
    column: str | None = Field(
        None, min_length=1, max_length=100, description="Of a table of labels; else field, or name."
    )
    view: View = Field("animal", description="What is looked at: where the animal is, or all.")
    threshold: Probability = Field(0.6, description="An answer below it is not told.")
    options: list[AttributeOption] = Field(min_length=2, max_length=MOST_OPTIONS)

    @property
    def label_column(self) -> str:
        """The column of a table that says what is true."""
        if self.column:
            return self.column
        own = None if self.field == TAGS else self.field
        return own or self.name

    @model_validator(mode="after")
    def _answers_differ(self) -> AskedGroup:
        names = [option.name.casefold() for option in self.options]
        if twice := _twice(names):
            raise ValueError(f"two options of {self.name} are called {twice}")
        sentences = [s.casefold() for option in self.options for s in set(option.prompts)]
        if twice := _twice(sentences):
            raise ValueError(f"two options of {self.name} have the sentence {twice!r}")
        meant = [text for option in self.options for text in meanings(option)]
        if twice := _twice(meant):
            raise ValueError(f"two options of {self.name} are labelled {twice}")
        if not any(option.is_said for option in self.options):
            raise ValueError(f"no option of {self.name} has a caption or a value")
        return self

    @model_validator(mode="after")
    def _values_fit(self) -> AskedGroup:
        for option in self.options:
            if option.name == NONE and (option.value or option.caption):
                raise ValueError(f"{NONE} of {self.name} says nothing: no value, no caption")
            if option.value is None:
                continue
            if self.field is None:
                raise ValueError(f"{option.name} has a value, but {self.name} names no field")
            if wrong := _why_not(self.field, option.value):
                raise ValueError(f"{option.name}: {option.value!r} is no {self.field}: {wrong}")
        return self


class Measured(Part):
    """How right the answers were on labelled images that had no part in the temperature."""

    images: int = Field(ge=1)
    places: int = Field(ge=0, description="Locations of these images; 0: they name none.")
    accuracy: Probability = Field(description="Of the likeliest answer, told or not.")
    commonest: Probability = Field(description="Of naming the commonest answer every time.")
    told: Probability = Field(description="Share of the images whose answer reached the threshold.")
    told_accuracy: Probability | None = Field(description="Of those; null where none did.")
    calibration_error: Probability = Field(description="ECE over 15 bins, of the likeliest answer.")


class AttributeGroup(AskedGroup):
    """A question as a pack asks it."""

    temperature: float = Field(1.0, gt=0, description="Divides the logits.")
    verified: bool = Field(False, description="Measured, and right as often as it claims.")
    measured: Measured | None = Field(None, description="Null where no labels were at hand.")

    @model_validator(mode="after")
    def _verified_is_measured(self) -> AttributeGroup:
        if self.verified and self.measured is None:
            raise ValueError(f"{self.name} is verified, but not measured")
        return self


class PackAttributes(Part):
    """`attributes.json`."""

    schema_: Literal["edgeclip.attributes/1"] = Field(ATTRIBUTES_SCHEMA, alias="schema")
    weights_sha256: Sha256 = Field(description="Of the encoder whose text features these are.")
    logit_scale: float = Field(gt=0)
    groups: list[AttributeGroup] = Field(min_length=1, max_length=MOST_GROUPS)

    @model_validator(mode="after")
    def _questions_differ(self) -> PackAttributes:
        refuse_alike(self.groups)
        return self

    def to_json(self) -> str:
        """Return it as indented JSON, ended by a newline."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


def meanings(option: AttributeOption) -> set[str]:
    """Return, without case, what a table may write for an option."""
    own = [option.name, *option.labels, *([option.value] if option.value else [])]
    return {text.casefold() for text in own}


def refuse_alike(groups: list[AttributeGroup] | list[AskedGroup]) -> None:
    """Refuse two groups of one name, or that fill one field.

    Raises:
        ValueError: There are such; tags alone may be filled by several.
    """
    if twice := _twice([group.name.casefold() for group in groups]):
        raise ValueError(f"two groups are called {twice}")
    fields = [group.field for group in groups if group.field not in (None, TAGS)]
    if twice := _twice([str(field) for field in fields]):
        raise ValueError(f"two groups fill {twice}")


def read_attributes(folder: Path, manifest: PackManifest) -> PackAttributes | None:
    """Return what a pack asks in words; None where it asks nothing.

    Args:
        folder: The pack's, whose hashes were checked.
        manifest: Of the pack.

    Raises:
        PackError: The file is damaged, of another format version, or of another encoder.
    """
    if ATTRIBUTES_FILE not in manifest.files:
        return None
    path = folder / ATTRIBUTES_FILE
    if ATTRIBUTE_TENSORS_FILE not in manifest.files:
        raise PackError(f"{path} stands without {ATTRIBUTE_TENSORS_FILE}: copy the pack again")
    try:
        found = PackAttributes.model_validate_json(path.read_bytes())
    except OSError as error:
        raise PackError(f"{path} is missing or unreadable: copy the pack again") from error
    except ValidationError as error:
        raise PackError(explain(error, PackAttributes, str(path))) from error
    if found.weights_sha256 != manifest.base.weights_sha256:
        raise PackError(f"{path} is of another encoder than the pack: make the attributes again")
    return found


def fits(field: str, value: str) -> bool:
    """Say whether a value can stand in a field that answers may fill."""
    return field in get_args(CamtrapField) and _why_not(field, value) is None


def _twice(texts: list[str]) -> str | None:
    return next((text for at, text in enumerate(texts) if text in texts[:at]), None)


def _why_not(field: str, value: str) -> str | None:
    """Return why a value cannot stand in a field of Camtrap DP, or None."""
    if field in _ALLOWED and value not in _ALLOWED[field]:
        return f"it is one of {', '.join(_ALLOWED[field])}"
    if field == "count" and not re.fullmatch(r"[1-9][0-9]{0,3}", value):
        return "it is a whole number from 1"
    if field == TAGS and not _TAG.fullmatch(value):
        return "write key:value"
    return None
