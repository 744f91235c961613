"""Captions in English, each with the facts it states, so that a trainer knows where it holds.

A caption is true of every image whose facts include the caption's: "a spotted animal at night" of
each spotted animal in infrared, whatever its species.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeclip.scenes.species import BLANK, SPECIES
from edgeclip.scenes.subjects import SceneSpec, Subject

Facts = frozenset[str]

_NEAR, _FAR = 0.34, 0.18  # heights (part of the frame) from which, to which, it is near, far away
_HIDDEN = 0.75  # visible share below which plants are mentioned
_WINDY = 0.5
_LIGHT_WORDS = {
    "day": ("by day", "in daylight"),
    "dusk": ("at dusk",),
    "infrared": ("at night", "in infrared", "in the dark"),
}
_SCENERY = {
    "moving branches": ("moving branches", "branches and leaves moving in the wind"),
    "sun spots": ("sun spots", "sun spots and shadows on the ground"),
}
_MANNERS = {
    "near": ("near the camera", "near"),
    "far away": ("far away",),
    "partly hidden": ("partly hidden by grass and leaves", "partly hidden behind plants"),
    "feeding": ("feeding",),
}
_MEDIUM = (
    "a photo of", "a camera trap photo of", "a camera trap image of", "a trail camera photo of",
    "an image of", "",
)  # fmt: skip
_NIGHT_MEDIUM = "an infrared night photo of"
_EMPTY = (
    "an empty scene", "a blank camera trap photo", "no animal", "a blank camera trap image",
    "a photo of a blank", "an empty camera trap photo", "blank", "a photo of nothing",
    "a camera trap photo of an empty scene", "an empty scene, no animal", "grass and bushes",
    "a camera trap photo of grass and bushes", "an empty grass scene",
)  # fmt: skip
_KINDS = tuple(SPECIES.values())
_VOCABULARY: tuple[Facts, ...] = (
    frozenset(SPECIES),
    frozenset(word for kind in _KINDS for word in kind.groups),
    frozenset(word for kind in _KINDS for word in (*kind.looks, *kind.colors)),
    frozenset(word for kind in _KINDS for word in kind.traits),
    frozenset(kind.size for kind in _KINDS),
)


@dataclass(frozen=True)
class Caption:
    """A sentence and the facts it states."""

    text: str
    facts: Facts


def subject_facts(subject: Subject, light: str) -> Facts:
    """Return what can be said of a close view of a subject under a kind of light."""
    kind = subject.kind
    words = {kind.name, kind.size, *kind.groups, *kind.looks, *kind.traits, light}
    return frozenset(words if light == "infrared" else words | set(kind.colors))


def frame_facts(spec: SceneSpec, seen: Sequence[tuple[Subject, float]]) -> Facts:
    """Return what can be said of a whole frame.

    Args:
        spec: What was rendered.
        seen: Visible subjects from far to near, each with its visible share 0..1.
    """
    facts: set[str] = {spec.light.kind}
    if not seen:
        facts.add(BLANK)
        if spec.wind > _WINDY:
            facts.add("moving branches")
        if spec.light.kind == "day" and spec.light.sun > 0.7:
            facts.add("sun spots")
        return frozenset(facts)
    for subject, share in seen:
        facts |= subject_facts(subject, spec.light.kind)
        facts |= _manner(subject, share)
    return frozenset(facts)


def _manner(subject: Subject, share: float) -> set[str]:
    words = set()
    if subject.height >= _NEAR:
        words.add("near")
    if subject.height <= _FAR:
        words.add("far away")
    if share < _HIDDEN:
        words.add("partly hidden")
    if subject.pose.head_drop > 35 and subject.species != "person":
        words.add("feeding")
    return words


def describe(facts: Facts, rng: np.random.Generator) -> Caption:
    """Return one of the captions that are true where `facts` hold.

    Args:
        facts: Of a frame or of a close view.
        rng: Chooses words and template.
    """
    if BLANK in facts:
        return _describe_blank(facts, rng)
    noun, stated = _noun(facts, rng)
    said = [noun]
    manner = [word for word in _MANNERS if word in facts]
    if manner and rng.random() < 0.3:
        stated.add(word := str(rng.choice(manner)))
        said.append(str(rng.choice(_MANNERS[word])))
    elif rng.random() < 0.12:
        said.append("in the vegetation")
    return _with_light(said, stated, str(rng.choice(_MEDIUM)), facts, rng)


def _describe_blank(facts: Facts, rng: np.random.Generator) -> Caption:
    said, stated = [str(rng.choice(_EMPTY))], {BLANK}
    scenery = [word for word in _SCENERY if word in facts]
    if scenery and rng.random() < 0.5:
        stated.add(word := str(rng.choice(scenery)))
        phrase = str(rng.choice(_SCENERY[word]))
        said = [f"{phrase}, no animal"] if rng.random() < 0.5 else [phrase]
    return _with_light(said, stated, "", facts, rng)


def _with_light(
    said: list[str], stated: set[str], medium: str, facts: Facts, rng: np.random.Generator
) -> Caption:
    """Return the caption; four times in ten it says what the light is."""
    if rng.random() < 0.4:
        light = next(kind for kind in _LIGHT_WORDS if kind in facts)
        stated.add(light)
        if light == "infrared" and rng.random() < 0.5:
            medium = _NIGHT_MEDIUM
        else:
            said.append(str(rng.choice(_LIGHT_WORDS[light])))
    return Caption(" ".join([medium, *said]).strip(), frozenset(stated))


def _noun(facts: Facts, rng: np.random.Generator) -> tuple[str, set[str]]:
    """Return `a zebra`, `a large striped animal with a stiff mane` and the like."""
    names, groups, looks, traits, sizes = (sorted(facts & words) for words in _VOCABULARY)
    if rng.random() < 0.6:
        name = str(rng.choice(names))
        return _with_article(name), {name}
    chosen = str(rng.choice(groups))
    said, stated = [chosen], {chosen}
    if looks and rng.random() < 0.75:
        look = str(rng.choice(looks))
        said.insert(0, look)
        stated.add(look)
    if sizes and rng.random() < 0.3:
        said.insert(0, sizes[0])
        stated.add(sizes[0])
    text = _with_article(" ".join(said))
    if traits and rng.random() < 0.35:
        trait = str(rng.choice(traits))
        text = f"{text} with {trait}"
        stated.add(trait)
    return text, stated


def _with_article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
