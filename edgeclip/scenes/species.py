"""Who walks past the camera: proportions, coat and words of every species, people and vehicles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from edgeclip.scenes import figures, trimmings
from edgeclip.scenes.bodies import BodyPlan, Figure, Pose, quadruped
from edgeclip.scenes.coats import Coat
from edgeclip.scenes.trimmings import Trimming

Size = Literal["small", "medium-sized", "large"]


@dataclass(frozen=True)
class Species:
    """Something that a camera place can show.

    Attributes:
        name: As in labels.
        height_m: Of the shoulder, of a bird's back, of a person, of a vehicle's roof.
        size: Word for captions.
        groups: What a person calls it who does not know the species.
        looks: Adjectives that hold in any light.
        colors: Adjectives that hold by day.
        traits: Further phrases for captions.
        coat: Colours and pattern.
        body: Four-legged proportions, or one of the other figures.
        trims: Horns, manes and the like.
        held_out: Never in the training of the demo backbone, neither pixels nor name.
        strides: Usual stride, shoulder heights.
    """

    name: str
    height_m: float
    size: Size
    groups: tuple[str, ...]
    looks: tuple[str, ...]
    colors: tuple[str, ...]
    traits: tuple[str, ...]
    coat: Coat
    body: BodyPlan | Literal["bird", "person", "vehicle"]
    trims: tuple[Trimming, ...] = ()
    held_out: bool = False
    strides: float = 0.28

    def figure(self, pose: Pose, rng: np.random.Generator) -> Figure:
        """Return the outlines in a pose; `rng` chooses clothes, paint and horns."""
        if self.body == "bird":
            return figures.ground_bird(pose, rng)
        if self.body == "person":
            return figures.person(pose, rng)
        if self.body == "vehicle":
            return figures.vehicle(pose, rng)
        bare = quadruped(self.body, pose)
        extra = [part for trim in self.trims for part in trim(self.body, pose, bare)]
        return Figure((*bare.parts, *extra), bare.eyes, bare.head, bare.neck_base)


_CAT = BodyPlan(
    length=1.5, hip=0.97, depth=0.5, tuck=0.1, arch=-0.04, leg=(0.13, 0.075),
    neck=(0.34, 20, 0.2), head=(0.19, 0.12, 0.11), ear=(0.09, 0.075),
    tail=(1.25, 0.065, 0.055), tail_angles=(215, 250, 262, 230, 195, 160),
)  # fmt: skip
_LION = BodyPlan(
    length=1.35, hip=0.97, depth=0.52, tuck=0.1, arch=-0.03, leg=(0.14, 0.075),
    neck=(0.36, 28, 0.22), head=(0.2, 0.15, 0.11), ear=(0.08, 0.07),
    tail=(0.95, 0.05, 0.03), tail_angles=(225, 255, 268, 250),
)  # fmt: skip
_SERVAL = BodyPlan(
    length=1.05, hip=1.0, depth=0.36, tuck=0.08, leg=(0.095, 0.04),
    neck=(0.4, 48, 0.12), head=(0.13, 0.09, 0.065), ear=(0.2, 0.085),
    tail=(0.5, 0.045, 0.035), tail_angles=(230, 260, 268),
)  # fmt: skip
_HYENA = BodyPlan(
    length=1.15, hip=0.78, depth=0.48, tuck=0.1, leg=(0.11, 0.055),
    neck=(0.5, 28, 0.2), head=(0.19, 0.18, 0.12), ear=(0.13, 0.09),
    tail=(0.4, 0.06, 0.05), tail_angles=(240, 262),
)  # fmt: skip
_ZEBRA = BodyPlan(
    length=1.2, hip=1.02, depth=0.48, tuck=0.08, arch=-0.04, leg=(0.11, 0.05),
    neck=(0.58, 52, 0.17), head=(0.15, 0.32, 0.09), ear=(0.16, 0.05),
    tail=(0.55, 0.035, 0.03), tail_angles=(245, 265, 270),
)  # fmt: skip
_IMPALA = BodyPlan(
    length=1.08, hip=1.0, depth=0.4, tuck=0.1, leg=(0.09, 0.028),
    neck=(0.5, 62, 0.1), head=(0.11, 0.17, 0.055), ear=(0.18, 0.05), round_ears=False,
    tail=(0.3, 0.035, 0.03), tail_angles=(250, 265),
)  # fmt: skip
_DUIKER = BodyPlan(
    length=1.05, hip=1.1, depth=0.46, tuck=0.06, arch=0.06, leg=(0.095, 0.032),
    neck=(0.34, 28, 0.12), head=(0.13, 0.17, 0.06), ear=(0.12, 0.05),
    tail=(0.18, 0.03, 0.025), tail_angles=(250,),
)  # fmt: skip
_WARTHOG = BodyPlan(
    length=1.15, hip=0.95, depth=0.56, tuck=0.08, leg=(0.12, 0.045),
    neck=(0.3, 4, 0.26), head=(0.23, 0.34, 0.13), ear=(0.12, 0.05), round_ears=False,
    tail=(0.6, 0.028, 0.022), tail_angles=(100, 92, 84),
)  # fmt: skip
_BABOON = BodyPlan(
    length=0.88, hip=0.84, depth=0.42, tuck=0.1, leg=(0.12, 0.055),
    neck=(0.28, 40, 0.19), head=(0.19, 0.2, 0.1), ear=(0.06, 0.045),
    tail=(0.95, 0.045, 0.03), tail_angles=(125, 160, 230, 262, 268),
)  # fmt: skip
_ELEPHANT = BodyPlan(
    length=0.9, hip=0.98, depth=0.56, tuck=0.02, arch=0.05, leg=(0.16, 0.12),
    neck=(0.3, 12, 0.26), head=(0.26, 0.06, 0.16), ear=(0.05, 0.05),
    tail=(0.5, 0.02, 0.016), tail_angles=(250, 268, 270),
)  # fmt: skip
_PORCUPINE = BodyPlan(
    length=1.25, hip=0.95, depth=0.68, tuck=0.0, arch=0.1, leg=(0.12, 0.07),
    neck=(0.26, 0, 0.22), head=(0.2, 0.18, 0.12), ear=(0.06, 0.05),
    tail=(0.2, 0.06, 0.05), tail_angles=(210,),
)  # fmt: skip
_MONGOOSE = BodyPlan(
    length=2.1, hip=0.98, depth=0.6, tuck=0.05, arch=0.08, leg=(0.13, 0.07),
    neck=(0.45, 18, 0.21), head=(0.19, 0.26, 0.07), ear=(0.06, 0.07),
    tail=(1.7, 0.13, 0.04), tail_angles=(195, 200, 195, 185),
)  # fmt: skip

_ALL = (
    Species(
        "leopard", 0.68, "large", ("animal", "cat", "big cat"), ("spotted",), ("golden",),
        ("a long tail",),
        Coat((206, 160, 92), (26, 18, 12), (236, 222, 196), "rosettes", 0.12, 0.56),
        _CAT, held_out=True,
    ),
    Species(
        "lion", 0.95, "large", ("animal", "cat", "big cat"), ("plain",), ("tan",),
        ("a tufted tail",),
        Coat((196, 156, 104), belly=(222, 196, 156), belly_line=0.54), _LION,
        (trimmings.tail_tuft,),
    ),
    Species(
        "spotted hyena", 0.82, "large", ("animal", "dog-like animal"), ("blotched", "spotted"),
        ("grey",), ("a sloping back",),
        Coat((158, 138, 108), (62, 46, 36), pattern="blotches", mark_size=0.12, leg_tone=0.8),
        _HYENA, (trimmings.nape_crest,),
    ),
    Species(
        "serval", 0.58, "medium-sized", ("animal", "cat", "small cat"), ("spotted",),
        ("yellow",), ("large ears", "long legs"),
        Coat((212, 172, 108), (28, 22, 18), (238, 228, 208), "spots", 0.07, 0.66), _SERVAL,
    ),
    Species(
        "zebra", 1.3, "large", ("animal", "grazing animal"), ("striped",),
        ("black and white",), ("a stiff mane",),
        Coat((230, 224, 214), (28, 24, 24), pattern="stripes", mark_size=0.075), _ZEBRA,
        (trimmings.upright_mane, trimmings.tail_tuft), strides=0.2,
    ),
    Species(
        "impala", 0.9, "medium-sized", ("animal", "antelope"), ("plain", "white-bellied"),
        ("reddish brown",), ("long horns", "thin legs"),
        Coat((172, 104, 58), belly=(236, 226, 208), belly_line=0.66), _IMPALA,
        (trimmings.lyre_horns,), strides=0.24,
    ),
    Species(
        "duiker", 0.5, "small", ("animal", "antelope"), ("plain", "dark"), ("dark grey",),
        ("an arched back", "short horns"),
        Coat((104, 88, 78), belly=(128, 112, 98), belly_line=0.62, leg_tone=0.7), _DUIKER,
        (trimmings.short_horns,), strides=0.2,
    ),
    Species(
        "warthog", 0.7, "medium-sized", ("animal", "pig"), ("plain",), ("grey",),
        ("tusks", "an upright tail"),
        Coat((116, 104, 94), leg_tone=0.8), _WARTHOG, (trimmings.boar_head,), strides=0.22,
    ),
    Species(
        "baboon", 0.68, "medium-sized", ("animal", "monkey"), ("plain",), ("olive brown",),
        ("an arched tail",),
        Coat((122, 106, 70), belly=(138, 124, 92), belly_line=0.6, leg_tone=0.75), _BABOON,
        (trimmings.face_mask,), strides=0.26,
    ),
    Species(
        "elephant", 2.7, "large", ("animal", "giant"), ("plain",), ("grey",),
        ("a trunk", "great ears"),
        Coat((122, 114, 108)), _ELEPHANT, (trimmings.trunk_and_tusks,), strides=0.16,
    ),
    Species(
        "porcupine", 0.36, "small", ("animal", "rodent"), ("dark",), ("black",),
        ("black and white quills",),
        Coat((54, 44, 40), leg_tone=0.9), _PORCUPINE, (trimmings.quills,), strides=0.14,
    ),
    Species(
        "mongoose", 0.2, "small", ("animal", "carnivore"), ("plain",), ("brown",),
        ("a long body",),
        Coat((112, 84, 58), belly=(134, 106, 78), belly_line=0.5, leg_tone=0.75), _MONGOOSE,
        strides=0.3,
    ),
    Species(
        "guineafowl", 0.46, "small", ("animal", "bird"), ("speckled",), ("black",),
        ("a small head",),
        Coat((52, 52, 60), (226, 226, 232), pattern="speckles", mark_size=0.04), "bird",
        strides=0.12,
    ),
    Species(
        "person", 1.72, "large", ("human", "walker"), ("clothed",), (), (),
        Coat((90, 90, 90)), "person",
    ),
    Species(
        "vehicle", 1.8, "large", ("car",), ("painted",), (), ("wheels",),
        Coat((90, 90, 90)), "vehicle",
    ),
)  # fmt: skip

BLANK = "blank"
"""The label of a frame without animal, person or vehicle."""

SPECIES: Mapping[str, Species] = MappingProxyType({species.name: species for species in _ALL})
"""Every species, person and vehicle by name."""
