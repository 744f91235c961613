"""The kinds of adapters by name, and which go together: all that is known of them without torch."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from edgeclip.errors import ConfigError

ZERO_SHOT, AUTO, META = "zero-shot", "auto", "meta"
AUTO_FIRST = ("head", "gda", "tip", "proker", "blend")
"""Rung S1 of `--method auto`: heads on cached features."""
AUTO_THEN = ("linear", "visual+head", "visual+xmodal+head", "block+head")
"""Rung S2, in the order of trial."""

Level = Literal["features", "tokens", "weights", "stages"]
"""Cached image features; tokens inside a ViT; the weights of a ViT; stages of a ResNet."""


class Kind(NamedTuple):
    """What is known of a kind of component by its name.

    Attributes:
        trained: Whether gradient steps follow; else it is complete when made.
        level: What it looks at, see `Level`.
    """

    trained: bool = True
    level: Level = "features"


_FREE, _TOKENS, _WEIGHTS = Kind(trained=False), Kind(level="tokens"), Kind(level="weights")
KINDS: dict[str, Kind] = {
    "head": Kind(), "taskres": Kind(), "lpplus": _FREE, "linear": Kind(), "proj": Kind(),
    "gda": _FREE, "meta": _FREE, "prompt": Kind(), "text": Kind(), "text_block": Kind(),
    "tip": _FREE, "tip_f": Kind(), "proker": _FREE, "blend": _FREE,
    "visual": Kind(), "xmodal": Kind(),
    "block": _TOKENS, "block_xmodal": _TOKENS, "pooling": _TOKENS,
    "mlp_ln": Kind(), "parallel_mlp": _WEIGHTS, "ln": _WEIGHTS, "lora": _WEIGHTS, "svd": _WEIGHTS,
    "stages": Kind(level="stages"),
}  # fmt: skip
"""By name; the cheapest on the device first, last those that need a graph of their own."""

_BIND_THE_SAME = (("tip", "tip_f", "proker", "blend"), ("linear", "proj", "mlp_ln"))
_LEVELS: dict[Level, str] = {
    "tokens": "binds slots inside a ViT",
    "weights": "changes the weights of a ViT",
    "stages": "is made for a ResNet",
}


def kinds_of(name: str) -> tuple[str, ...]:
    """Return the kinds that `visual+head` names, trained ones first; none for `zero-shot`.

    Raises:
        ConfigError: A part is not known, stands twice, two parts are training-free, bind the same
            slots, or look into the encoder in ways that do not go together.
    """
    if name == ZERO_SHOT:
        return ()
    kinds = [part.strip() for part in name.split("+")]
    for kind in kinds:
        if kind not in KINDS:
            near = difflib.get_close_matches(kind, [*KINDS, ZERO_SHOT, AUTO], n=1)
            hint = f"did you mean {near[0]}?" if near else f"methods are {', '.join(KINDS)}"
            raise ConfigError(f"--method {name}: {kind!r} is not known: {hint}")
    free = [kind for kind in kinds if not KINDS[kind].trained]
    if len(set(kinds)) < len(kinds) or len(free) > 1:
        raise ConfigError(f"--method {name}: name each part once, and one training-free at most")
    for index, kind in enumerate(kinds):
        if other := clash(kind, kinds[:index]):
            raise ConfigError(
                f"--method {name}: {other} and {kind} have the same place: choose one"
            )
    _refuse_two_levels(name, kinds)
    return tuple(sorted(kinds, key=lambda kind: not KINDS[kind].trained))


def changes_features(kind: str) -> bool:
    """Return whether an adapter of a kind reaches into the encoder, or changes its weights."""
    return KINDS[kind].level != "features" or kind == "mlp_ln"


def tried_by(method: str) -> set[str]:
    """Return the kinds that a method may make; of `auto` those of all its rungs.

    Raises:
        ConfigError: See `kinds_of`.
    """
    names = (*AUTO_FIRST, *AUTO_THEN) if method == AUTO else (method,)
    return {kind for name in names for kind in kinds_of(name)}


def clash(kind: str, others: Iterable[str]) -> str | None:
    """Return which of other components a pack cannot hold beside one of a kind, if any."""
    alike = next((group for group in _BIND_THE_SAME if kind in group), (kind,))
    return next((other for other in others if other in alike), None)


def _refuse_two_levels(name: str, kinds: Sequence[str]) -> None:
    inside = [kind for kind in kinds if KINDS[kind].level != "features"]
    if "mlp_ln" in kinds and inside:
        raise ConfigError(
            f"--method {name}: mlp_ln is baked behind the encoder as it is, and {inside[0]} looks"
            " into it: choose one; each goes with adapters of the head"
        )
    for kind in inside[1:]:
        first, other = KINDS[inside[0]].level, KINDS[kind].level
        if first != other:
            raise ConfigError(
                f"--method {name}: {inside[0]} {_LEVELS[first]}, {kind} {_LEVELS[other]}: choose"
                " one; each goes with adapters of the head"
            )
