"""`pack.json`: what an adapter pack says of itself, and how it is read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from edgeclip.contract.deltas import changes_weights, check_deltas
from edgeclip.contract.hashing import sha256_file
from edgeclip.contract.misplaced import misplaced
from edgeclip.contract.preprocess_spec import PreprocessSpec
from edgeclip.contract.prompt_columns import columns_sha256, split_sentences
from edgeclip.contract.slots import GraphKind, filled_deep_slots, filled_slots, graph_of
from edgeclip.contract.validation import explain
from edgeclip.errors import PackError

PACK_SCHEMA: Final = "edgeclip.pack/1"
PACK_FILE = "pack.json"
TENSORS_FILE = "adapter.safetensors"
GOLDEN_FILE = "golden.npz"
PARTS_FILE = "parts.safetensors"
ROUTER_FILE = "router.safetensors"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
TaskName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
Version = Annotated[str, StringConstraints(pattern=r"^\d{1,5}\.\d{1,5}\.\d{1,5}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$")]
Probability = Annotated[float, Field(ge=0, le=1)]
ObservationType = Literal["animal", "human", "vehicle", "blank", "unknown", "unclassified"]


def version_numbers(version: str) -> tuple[int, ...]:
    """Return a version as numbers, which compare as versions do: 1.10.0 is newer than 1.9.0."""
    return tuple(int(part) for part in version.split("."))


class Part(BaseModel):
    """A part of a manifest: frozen; unknown keys are refused, since they may change the meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Base(Part):
    """The frozen encoder that a pack belongs to."""

    arch: str = Field(description="open_clip's model name, or `demo`.")
    pretrained: str = Field(description="open_clip's tag, or the checkpoint's file name.")
    activation: Literal["gelu", "quick_gelu", "other"]
    width: int = Field(ge=1, description="D, before the visual projection.")
    embed_dim: int = Field(ge=1, description="E.")
    image_size: int = Field(ge=16, le=1024)
    blocks: int = Field(
        0, ge=0, description="L, transformer blocks of the image tower; 0 where adapters know none."
    )
    params: int = Field(ge=1, description="Parameters of the image tower.")
    weights_sha256: Sha256 = Field(description="Of the image and text towers' weights.")


class Thresholds(Part):
    """When a class is seen: all in [0, 1], of the calibrated probability.

    A visit opens at a median >= `on` with a best frame >= `peak`, and lasts while >= `off`.
    """

    on: Probability
    off: Probability
    peak: Probability

    @model_validator(mode="after")
    def _in_order(self) -> Thresholds:
        if not self.off <= self.on <= self.peak:
            raise ValueError("thresholds must be in the order off <= on <= peak")
        return self


class PackClass(Part):
    """One class: its name, what kind of observation it is, and the prompts that described it."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    observation_type: ObservationType
    scientific_name: str | None = None
    prompts: list[str] = Field(min_length=1)
    columns: list[Annotated[int, Field(ge=1)]] = Field(
        [], description="Of the class matrix: how many of `prompts` each is the mean of, in order."
    )


class Training(Part):
    """Where the pack came from, so that a result can be repeated."""

    images: int = Field(ge=0)
    labels_used: int = Field(ge=0, description="Training and validation images together.")
    steps: int = Field(ge=0, description="Gradient steps of its adapters; 0 without any.")
    seed: int
    trainable_params: int = Field(ge=0)
    data_sha256: Sha256
    split_sha256: Sha256
    meta_sha256: Sha256 | None = Field(None, description="Of the weights of its meta-adapter.")
    earlier_sha256: Sha256 | None = Field(None, description="Tensors of the pack it stands on.")
    earlier_known: bool = Field(True, description="Whether the split names all that taught those.")


class AdapterPart(Part):
    """One adapter of a pack: what it binds, so that it can be taken out or put into another."""

    kind: str
    fusion_class: Literal["F0", "F1", "F2"]
    slots: list[str] = Field(description="Slots that are its own.")
    moves: list[str] = Field(description="Of class_weights and class_bias: what it added to.")


class PackManifest(Part):
    """`pack.json`."""

    schema_: Literal["edgeclip.pack/1"] = Field(PACK_SCHEMA, alias="schema")
    task: TaskName
    version: Version
    created_at: AwareDatetime
    tool: dict[str, str] = Field(description="Versions of edgeclip, torch, open_clip.")
    method: str
    recipe_sha256: Sha256
    fusion_class: Literal["F0", "F1", "F2", "bake-only"] = Field(
        description="The dearest of its adapters'; bake-only where no graph with slots takes it."
    )
    graph: GraphKind = Field(
        description="The smallest graph that takes all of `slots` but those under `delta.`."
    )
    slots: dict[str, list[int]] = Field(
        description="Shape of each tensor; those under `delta.` change the encoder's own weights."
    )
    adapters: list[AdapterPart] = Field(
        [], description="In their order; empty for zero-shot, and for packs that do not say."
    )
    share: float = Field(1.0, ge=0, description="Of what was learned (WiSE), as stored.")
    base: Base
    preprocess: PreprocessSpec
    strip_top_px: int | None = Field(
        None,
        ge=0,
        description="Rows of burned-in text cut off the training images; null: not said.",
    )
    strip_bottom_px: int | None = Field(None, ge=0, description="The same at the bottom.")
    classes: list[PackClass] = Field(min_length=2)
    column_class: list[int] = Field(min_length=2)
    prompts_sha256: Sha256
    thresholds: dict[str, Thresholds] = Field(min_length=1)
    temperature: float = Field(gt=0)
    training: Training
    metrics: dict[str, float]
    files: dict[FileName, Sha256]

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, in the order of the probabilities."""
        return [item.name for item in self.classes]

    @property
    def targets(self) -> list[str]:
        """Names of the classes that have thresholds: those a detection can name."""
        return list(self.thresholds)

    @property
    def prompt_columns(self) -> dict[str, list[list[str]]] | None:
        """By class the sentences of each of its columns; None for a pack that does not say."""
        found = {
            item.name: split_sentences(item.prompts, item.columns, self.column_class.count(index))
            for index, item in enumerate(self.classes)
        }
        told = {name: columns for name, columns in found.items() if columns is not None}
        return told if len(told) == len(found) else None

    @property
    def is_bake_only(self) -> bool:
        """Whether it changes the encoder's own weights, so that it needs a graph of its own."""
        return changes_weights(self.slots)

    @model_validator(mode="after")
    def _consistent(self) -> PackManifest:
        check_deltas(
            self.slots,
            fusion_class=self.fusion_class,
            graph=self.graph,
            params=self.base.params,
        )
        names = self.class_names
        if len(set(names)) != len(names):
            raise ValueError("class names must differ")
        if sorted(set(self.column_class)) != list(range(len(names))):
            raise ValueError("column_class must name every class and no other")
        if self.column_class != sorted(self.column_class):  # no hash would tell of a swap
            raise ValueError("column_class must be in the order of the classes")
        if self.graph == "head" and graph_of(self.slots) == "deep":
            raise ValueError("graph is head, but slots reach into the encoder")
        if unknown := sorted(set(self.thresholds) - set(names)):
            raise ValueError(f"thresholds for classes that do not exist: {', '.join(unknown)}")
        for index, item in enumerate(self.classes):
            own = self.column_class.count(index), len(item.prompts)
            if item.columns and (len(item.columns), sum(item.columns)) != own:
                raise ValueError(f"columns of {item.name} do not add up to its prompts")
        return self

    @staticmethod
    def from_json(text: str, source: str) -> PackManifest:
        """Return the manifest in a JSON text.

        Args:
            text: The content of `pack.json`.
            source: Its path, for the error.

        Raises:
            PackError: Not JSON, another format version, or a wrong field.
        """
        try:
            return PackManifest.model_validate_json(text)
        except ValidationError as error:
            raise PackError(explain(error, PackManifest, source)) from error

    def to_json(self) -> str:
        """Return the manifest as indented JSON, ended by a newline."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


def filled_for(
    graph: GraphKind, base: Base, tensors: Mapping[str, NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    """Return a tensor for every slot of a graph of an encoder, in their order.

    Args:
        graph: Which; a `deep` graph takes packs of a `head` graph too.
        base: The encoder.
        tensors: A pack's tensors by slot name, float32.

    Raises:
        PackError: The tensors do not fit graph and encoder.
    """
    sizes = {"width": base.width, "embed_dim": base.embed_dim}
    if graph == "deep":
        return filled_deep_slots(tensors, **sizes, blocks=base.blocks)
    return filled_slots(tensors, **sizes)


def read_pack_manifest(folder: Path, *, check_hashes: bool = True) -> PackManifest:
    """Return a pack's manifest after checking that its files are there and unaltered.

    Args:
        folder: The pack, with `pack.json` in it.
        check_hashes: Also compare the SHA-256 of each file.

    Raises:
        PackError: There is no pack, or it is damaged, or of another format version, or its prompts
            are not those that it was trained with.
    """
    path = folder / PACK_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PackError(misplaced(folder, PACK_FILE, error)) from error
    manifest = PackManifest.from_json(text, str(path))
    for name in (TENSORS_FILE, GOLDEN_FILE):
        if name not in manifest.files:
            raise PackError(f"{path}: files lacks {name}: the pack is incomplete, train it again")
    columns = manifest.prompt_columns
    if columns is not None and columns_sha256(columns) != manifest.prompts_sha256:
        raise PackError(
            f"{path}: its prompts or class names are not those that it was trained with (their hash"
            " differs): copy the pack again, or train it with these prompts"
        )
    if check_hashes:
        for name, expected in manifest.files.items():
            _check_file(folder / name, expected)
    return manifest


def _check_file(path: Path, expected: str) -> None:
    try:
        found = sha256_file(path)
    except OSError as error:
        raise PackError(f"{path} is missing or unreadable: copy the pack again") from error
    if found != expected:
        raise PackError(f"{path} was altered or cut short (SHA-256 differs): copy the pack again")


def utc_text(at: datetime) -> str:
    """Return a time as RFC 3339 in UTC with milliseconds and Z."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
