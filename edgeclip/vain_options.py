"""Options that could not do anything, and values that cannot be meant: refused before torch loads.

With torch and a backbone a command takes ten seconds and more to begin.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edgeclip.attributes.asked import read_asked
from edgeclip.config import Recipe, TrainConfig
from edgeclip.contract.pack import read_pack_manifest
from edgeclip.errors import ConfigError, DataError
from edgeclip.evaluation_request import BASELINE_NAMES, EvaluationRequest
from edgeclip.kinds import AUTO, KINDS, changes_features, kinds_of, tried_by
from edgeclip.labels.sources import require_source
from edgeclip.split_file import read_split_rows

_TUNED = ("ln", "lora", "svd")
_READ_TOKENS = ("xmodal", "block_xmodal")


def check_training(config: TrainConfig) -> None:
    """Check what can be told of a training without its encoder and images.

    Raises:
        ConfigError: The method is not known, or an option has no effect with it.
        DataError: There is nothing at --data or --unlabelled, or --split cannot be read.
        PackError: --on is no pack, or damaged.
    """
    kinds, recipe, method = tried_by(config.method), config.recipe, config.method
    require_source(config.data)
    if config.on:
        read_pack_manifest(config.on)
    _check_split(config.split, allow_random_split=config.allow_random_split)
    _check_attributes(config)
    if recipe.text_samples and not any(KINDS[kind].trained for kind in kinds):
        raise ConfigError(
            f"--text-samples teach what takes gradient steps, and {method} takes none: leave them"
            " out, or name a method such as head"
        )
    _check_unlabelled(config, kinds)
    if recipe.xmodal != "text" and kinds.isdisjoint(_READ_TOKENS):
        raise ConfigError(
            f"--xmodal {recipe.xmodal} is for {' and '.join(_READ_TOKENS)}, and {method} has none"
            " of them: leave it out"
        )
    if recipe.prompt_rate != Recipe().prompt_rate and "prompt" not in kinds:
        raise ConfigError(
            f"--prompt-rate {recipe.prompt_rate:g} is for prompt, and {method} has none: leave it"
            " out, or add +prompt to the method"
        )
    if recipe.tuned_blocks is not None and kinds.isdisjoint(_TUNED):
        raise ConfigError(
            f"--tuned-blocks {recipe.tuned_blocks} is for {', '.join(_TUNED)}, and {method} has"
            " none of them: leave it out"
        )


def _check_attributes(config: TrainConfig) -> None:
    if not config.attributes:
        return
    read_asked(config.attributes)
    if config.method == AUTO:
        return  # some of its rungs answer them; the end says where the chosen one does not
    if inside := [kind for kind in kinds_of(config.method) if changes_features(kind)]:
        raise ConfigError(
            f"--attributes are answered on the encoder's own features, and {inside[0]} of"
            f" {config.method} changes them: leave one of them out, or name a method of the head,"
            " such as visual or tip"
        )


def _check_unlabelled(config: TrainConfig, kinds: Iterable[str]) -> None:
    frames, recipe = config.unlabelled, config.recipe
    if frames is None:
        if recipe.pseudo_labels is not None:
            raise ConfigError(
                f"--pseudo-labels {recipe.pseudo_labels:g} is for the frames of --unlabelled, and"
                " none are given: name them, or leave it out"
            )
        return
    if not frames.exists():
        raise DataError(f"--unlabelled {frames}: nothing lies there: name a folder, CSV or zip")
    if not any(KINDS[kind].trained for kind in kinds) or not recipe.steps:
        raise ConfigError(
            f"--unlabelled teaches what takes gradient steps, and {config.method} takes none:"
            " leave it out, or name a method such as head"
        )
    if recipe.kl == 0 and recipe.pseudo_labels is None:
        raise ConfigError(
            "--unlabelled teaches by consistency with zero-shot, and kl is 0: leave one of them"
            " out, or add --pseudo-labels 0.95"
        )


def check_evaluation(request: EvaluationRequest, *, device_given: bool) -> None:
    """Check what can be told of an evaluation without its encoder and images.

    Args:
        request: What is asked for.
        device_given: Whether somebody named the device.

    Raises:
        ConfigError: A baseline is not known, or an option has no effect.
        DataError: There is nothing at --data, or --split cannot be read.
        PackError: There is no pack, or it is damaged.
    """
    if unknown := [name for name in request.baselines if name not in BASELINE_NAMES]:
        raise ConfigError(f"--baseline {unknown[0]} is not known: use {', '.join(BASELINE_NAMES)}")
    if request.reading.use_split is not None:
        option = "--use-split" if request.reading.use_split else "--no-use-split"
        raise ConfigError(
            f"{option} says how a training splits: an evaluation takes the pack's own split, or"
            " that of --split FILE: leave it out"
        )
    for option, is_given in (
        ("--resnet-weights", request.resnet_weights is not None),
        ("--device", device_given),
    ):
        if is_given and "resnet50" not in request.baselines:
            raise ConfigError(f"{option} is of the ResNet-50: add --baseline resnet50, or leave it")
    read_pack_manifest(request.pack)
    require_source(request.reading.data)
    _check_split(request.split, allow_random_split=request.allow_random_split)


def _check_split(split: Path | None, *, allow_random_split: bool) -> None:
    if split:
        read_split_rows(split)
    elif allow_random_split:
        raise ConfigError(
            "--allow-random-split is for the table of --split, and none is given: leave it out;"
            " a split that is made keeps places apart"
        )
