"""A pack's answer: from the graph's columns, or from the embedding that all packs share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.postprocess import class_probabilities, softmax
from edgeclip.contract.routing import pack_logits
from edgeclip.contract.slots import HEAD_SLOTS, reaches_inside
from edgeclip_device.sights import Sight

if TYPE_CHECKING:
    from edgeclip.contract.pack import ObservationType, PackManifest
    from edgeclip_device.packs import LoadedPack

_MOST_TOP = 5  # a detection carries no more
_SURE = 0.5

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Classification:
    """What a pack says of a frame.

    Attributes:
        class_names: In the pack's order.
        probabilities: `(C,)` float32 in [0, 1], sum 1: of the view, whole frame or crop, that is
            surer of a target.
        from_crop: Whether that was the crop.
        infer_ms: Preprocessing and graph.
        scene_features: `(E,)` float32 of the whole frame, before the adapters; for drift.
        task: Of the pack.
        kinds: What kind of observation each class is; empty where nothing is said of them.
        human: Probability of a person in either view.
        sight: What the encoder saw of the surer view.
        answers: `(O,)` float32 of the options of the pack's attributes; None without them, or
            where the pack changes the encoder that answers them.
    """

    class_names: tuple[str, ...]
    probabilities: Array
    from_crop: bool
    infer_ms: float
    scene_features: Array
    task: str = ""
    kinds: tuple[ObservationType, ...] = field(default=(), repr=False)
    human: float = 0.0
    sight: Sight = field(default=Sight(), repr=False)
    answers: Array | None = field(default=None, repr=False)

    def probability(self, class_name: str) -> float:
        """Return the probability of one class, in [0, 1]."""
        return float(self.probabilities[self.class_names.index(class_name)])

    def margin(self, class_name: str) -> float:
        """Return its distance to the likeliest other class, in [-1, 1]."""
        index = self.class_names.index(class_name)
        others = np.delete(self.probabilities, index)
        return float(self.probabilities[index] - others.max())

    def top(self) -> list[tuple[str, float]]:
        """Return the likeliest classes, at most five, the likeliest first."""
        order = np.argsort(-self.probabilities, kind="stable")[:_MOST_TOP]
        return [
            (self.class_names[int(i)], round(float(np.clip(self.probabilities[i], 0, 1)), 4))
            for i in order
        ]

    @property
    def sure_class(self) -> tuple[str, ObservationType] | None:
        """Name and kind of the likeliest class, or None where not even that one reaches 0.5."""
        best = int(self.probabilities.argmax())
        if self.probabilities[best] < _SURE or not self.kinds:
            return None
        return self.class_names[best], self.kinds[best]


def shares_a_pass(pack: LoadedPack) -> bool:
    """Say whether a pack can be computed from the embedding of the untouched encoder."""
    moved = pack.slots.get("projection_delta")
    bends = moved is None or bool(moved.any())  # none at all: the pack is baked into the graph
    return not bends and not reaches_inside(pack.manifest.slots)


def columns_from(pack: LoadedPack, base: Array) -> Array:
    """Return `(B, K)` column probabilities of a pack that shares a pass.

    Args:
        pack: The pack.
        base: `(B, E)` float32 embeddings of the untouched encoder, unit norm.
    """
    head = {name: value for name, value in pack.slots.items() if name in HEAD_SLOTS}
    return softmax(pack_logits(head, base), float(head["temperature"][0]))


def read_answer(manifest: PackManifest, columns: Array, scene_features: Array) -> Classification:
    """Return a pack's answer for a frame of one or two views; what it took is left open.

    Args:
        manifest: Of the pack.
        columns: `(B, K)` float32, the whole frame first, then the crop.
        scene_features: `(E,)` float32 of the whole frame.
    """
    names = manifest.class_names
    kinds = tuple(item.observation_type for item in manifest.classes)
    classes = class_probabilities(columns, manifest.column_class, len(names))
    targets = [names.index(name) for name in manifest.targets]
    surest = int(classes[:, targets].max(axis=1).argmax())
    people = [index for index, kind in enumerate(kinds) if kind == "human"]
    return Classification(
        class_names=tuple(names),
        probabilities=classes[surest],
        from_crop=surest == 1,
        infer_ms=0.0,
        scene_features=scene_features,
        task=manifest.task,
        kinds=kinds,
        human=float(classes[:, people].sum(axis=1).max()) if people else 0.0,
    )
