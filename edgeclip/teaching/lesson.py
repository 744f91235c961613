"""A class as it was taught: all that was looked at, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.prompts import ClassPrompts
from edgeclip.regions import Strips
from edgeclip.taught import Taught
from edgeclip.teaching.account import Account
from edgeclip.teaching.column import Seen
from edgeclip.teaching.ground import Ground
from edgeclip.teaching.looking import Looking
from edgeclip.teaching.placing import Placed
from edgeclip.teaching.request import TeachRequest
from edgeclip.teaching.sights import Material
from edgeclip.teaching.widening import Widened


@dataclass(frozen=True)
class Sight:
    """All that was looked at.

    Attributes:
        looking: By which ground, and encoder.
        strips: Rows that were cut from frames.
        pixels: `(m, S, S, 3)` uint8, the encoder's inputs from the images that show the class.
        base: `(m, E)` float32, their base embeddings.
        taught: What the ground says of these.
        others: And of the frames without it that were given.
        carried: And of those that the pack carries.
        prompts: Of the class.
        text: `(E,)` float32, unit, what they say; None where no words were read.
    """

    looking: Looking
    strips: Strips
    pixels: NDArray[np.uint8]
    base: NDArray[np.float32]
    taught: Seen
    others: Seen
    carried: Seen
    prompts: ClassPrompts
    text: NDArray[np.float32] | None


@dataclass(frozen=True)
class Lesson:
    """A class as it was taught, to be written.

    Attributes:
        request: What was asked for.
        ground: What it was added to.
        material: Images.
        sight: What was seen in them.
        widened: The pack's tensors.
        placed: Where the threshold is, and why.
        before: What taught the pack below.
        meta_sha256: Of the meta weights, or None.
    """

    request: TeachRequest
    ground: Ground
    material: Material
    sight: Sight
    widened: Widened
    placed: Placed
    before: Taught
    meta_sha256: str | None = None

    @property
    def account(self) -> Account:
        """From how little the class was taught."""
        return Account(
            name=self.request.name,
            how="meta-adapter" if self.meta_sha256 else "closed form",
            images=len(self.material.taught.images),
            others=len(self.material.others),
            carried=len(self.ground.carried),
            left_out=self.placed.left_out,
            threshold=self.placed.basis,
            words_read=self.sight.text is not None,
        )
