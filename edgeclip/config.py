"""The training configuration: what is learned from, how, and what is asked of the result."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from edgeclip.cache_store import LIMIT_GB
from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.pack import Probability, TaskName, Version
from edgeclip.contract.settings import Settings
from edgeclip.devices import DeviceName
from edgeclip.labels.reading import ReadingOptions

MOST_FOLDS = 6  # with more places, a round holds out several: deep methods are fitted once a round


_MOST_VIEWS, _LEAST_VIEWS = 10, 4
_ABOUT_VIEWS = 2000  # of all images together, frames alone: two minutes of a ViT-B/32 on a CPU


class Recipe(Settings):
    """How the adapter is fitted; two runs with one recipe and one data set give one pack."""

    steps: int = Field(300, ge=0, le=100_000, description="Optimiser steps; no early stop.")
    batch: int = Field(256, ge=2, le=65_536, description="Regions a step.")
    token_batch: int = Field(
        32, ge=2, le=65_536, description="Regions a step, where blocks of the tower are run."
    )
    learning_rate: float = Field(
        1e-3, gt=0, le=1, description="Of most adapters, at a logit scale of 100; blocks take half."
    )
    prompt_rate: float = Field(
        2e-3, gt=0, le=1, description="Learning rate of soft prompts (SGD), at that scale likewise."
    )
    weight_decay: float = Field(1e-2, ge=0, le=1, description="On matrices.")
    warmup: float = Field(0.05, ge=0, lt=1, description="Share of the steps.")
    ema: float = Field(0.999, ge=0, lt=1, description="Of the weights; the average is the result.")
    anchor: float = Field(
        1.0, ge=0, le=100_000, description="Weight of the pull to the text features."
    )
    kl: float | None = Field(
        None, ge=0, le=100, description="Of consistency with zero-shot; None: min(1, 4/images)."
    )
    prior: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the classes' frequency that is given back to the logits of what is"
        " trained (logit adjustment); 0: classes alike.",
    )
    pseudo_labels: float | None = Field(
        None,
        ge=0.5,
        le=1,
        description="Calibrated probability from which frames without labels are taken for what"
        " the start says; None: never.",
    )
    view_kl: float = Field(0.0, ge=0, le=100, description="Of consistency between two views.")
    ratio: float = Field(0.2, gt=0, le=1, description="Of the visual branch while training.")
    learn_ratio: bool = Field(False, description="Of the visual branch: tanh(rho), from ratio.")
    reduction: int = Field(4, ge=1, description="Embedding width / hidden width.")
    text_samples: bool = Field(
        False, description="Text features as samples beside the images' (methods of the head)."
    )
    attention: int = Field(32, ge=1, le=4096, description="Width of cross-modal attention.")
    xmodal: Literal["text", "random", "shuffled"] = Field(
        "text", description="Tokens of cross-modal attention; the others show what text adds."
    )
    blocks: int = Field(4, ge=1, le=8, description="Last blocks with a block adapter.")
    block_hidden: int = Field(32, ge=1, le=256, description="Hidden width of a block adapter.")
    tuned_blocks: int | None = Field(
        None, ge=1, le=100, description="Last blocks that ln, lora and svd change; None: all."
    )
    pooling_attention: int = Field(32, ge=1, le=512, description="Width of pooling's attention.")
    views: int = Field(
        0,
        ge=0,
        le=50,
        description="Of each training region; 0: by the number of images, from 10 for few to 4.",
    )
    strip_top_px: int = Field(0, ge=0, description="Rows of burned-in text, cut off.")
    strip_bottom_px: int = Field(0, ge=0, description="The same at the bottom.")
    seed: int = Field(1, ge=0, lt=2**31, description="Of split and training.")

    @field_validator("learn_ratio")
    @classmethod
    def _starts_below_one(cls, learned: bool, info: ValidationInfo) -> bool:
        """Tanh(rho), which the learned ratio is, never reaches 1."""
        if learned and info.data.get("ratio") == 1:
            raise ValueError("a learned ratio starts below 1: set ratio to less, such as 0.2")
        return learned

    @field_validator("views")
    @classmethod
    def _has_two_views(cls, views: int, info: ValidationInfo) -> int:
        """Consistency between two views needs two."""
        if views == 1 and info.data.get("view_kl"):
            raise ValueError("view_kl compares two views: ask for 2 or more, or set view_kl to 0")
        return views

    def views_of(self, images: int) -> int:
        """Return how many views a region has.

        Unless `views` says so: as many as keep the encoder's work in bounds, since it grows with
        them, while few images gain from more.

        Args:
            images: Training and validation images.
        """
        return self.views or min(_MOST_VIEWS, max(_LEAST_VIEWS, _ABOUT_VIEWS // max(images, 1)))

    @property
    def sha256(self) -> str:
        """Hash of all values: the recipe's id in the pack."""
        return sha256_bytes(self.model_dump_json().encode())


class TrainConfig(ReadingOptions):
    """All of one `edgeclip train`: how the labels are read, and the rest."""

    prompts: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    targets: tuple[str, ...] = ()
    backbone: str
    pretrained: str | None = None
    method: str = Field(
        "auto", min_length=1, max_length=100, description="auto, zero-shot, or names joined by +."
    )
    on: Path | None = Field(
        None, strict=False, description="An earlier pack, whose adapters stay as they are."
    )
    unlabelled: Path | None = Field(
        None, strict=False, description="Frames of the target cameras that nobody labelled."
    )
    meta_weights: Path | None = Field(
        None, strict=False, description="Of `meta`; None: those carried with the backbone."
    )
    folds: int = Field(
        MOST_FOLDS,
        ge=1,
        le=100,
        description="Rounds that hold places out; 1: the validation part.",
    )
    budget_minutes: float | None = Field(
        None,
        ge=0,
        le=100_000,
        description="For methods that run the tower; None: 10 for `auto`, no limit for one named.",
    )
    task: TaskName | None = None
    version: Version | None = Field(
        None, description="None: 1.0.0, or the next after that of `on` where the task is the same."
    )
    out: Path = Field(strict=False)
    overwrite: bool = False
    resume: bool = Field(False, description="Continue an interrupted run of the same pack.")
    cache: Path | None = Field(None, strict=False, description="None: features are not kept.")
    cache_gb: float = Field(
        LIMIT_GB, gt=0, le=100_000, description="Of the whole cache, in 10^9 bytes."
    )
    device: DeviceName = Field("auto", description="Of the frozen encoder.")
    min_precision: Probability | None = None
    min_recall: Probability | None = None
    attributes: str | None = Field(
        None, min_length=1, description="A file of what is asked in words, or `usual`; None: none."
    )
    split: Path | None = Field(None, strict=False, description="A split.csv; None: it is made.")
    allow_random_split: bool = Field(
        False, description="Of that split: also one in which places both teach and test."
    )
    recipe: Recipe = Recipe()

    @field_validator("out")
    @classmethod
    def _has_a_name(cls, out: Path) -> Path:
        """The run, its lock and the folder in the making lie beside the pack, named by it."""
        if out.name in ("", ".."):
            raise ValueError("name a folder of its own, neither . nor / nor ..")
        return out


def default_cache() -> Path:
    """Return where features are kept: below XDG_CACHE_HOME, else in the home folder."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "edgeclip" / "features"
