"""The frozen encoder under watch: whatever changes one of its weights is found after the fit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from edgeclip.clip import Backbone
from edgeclip.errors import ArtefactError
from edgeclip.weight_hash import hash_weights

_WORD_BYTES = 8


class BaseWatch:
    """Remembers the weights of both towers, and says whether they still are the same.

    `auto` makes hundreds of fits, many of them shorter than hashing all weights. So after each fit
    sums over all bytes are compared, which takes as long as reading them: a change of any one
    8-byte word changes its tensor's sum, whichever way it was made; changes of several would have
    to cancel out in 64 bits. `check_hash` computes SHA-256 at the end.

    Args:
        backbone: Where it lies now, on a CPU or a GPU; it must stay there.
    """

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self._sums = {name: word_sum(tensor) for name, tensor in self._state().items()}
        self._sha256 = hash_weights(dict(self._state()))

    def check(self, method: str) -> None:
        """Compare the sums of all weights with those of the start.

        Args:
            method: Whose fit has just ended.

        Raises:
            ArtefactError: A weight changed.
        """
        for name, tensor in self._state().items():
            if word_sum(tensor) != self._sums[name]:
                raise ArtefactError(
                    f"the encoder's weights changed in the fit of {method} ({name}): nothing was"
                    " written"
                )

    def check_hash(self) -> None:
        """Compare the SHA-256 of all weights with that of the start.

        Raises:
            ArtefactError: A weight changed.
        """
        if hash_weights(dict(self._state())) != self._sha256:
            raise ArtefactError("the encoder's weights changed in the fits: nothing was written")

    def _state(self) -> Mapping[str, Tensor]:
        model, _ = self._backbone.text_model()
        text = {k: v for k, v in model.state_dict().items() if not k.startswith("visual.")}
        return {**self._backbone.tower.state_dict(), **text}


def word_sum(tensor: Tensor) -> int:
    """Return the sum of a tensor's bytes, taken in words of eight, modulo 2^64."""
    found = tensor.detach().cpu().contiguous().reshape(-1).numpy().view(np.uint8)
    whole = len(found) - len(found) % _WORD_BYTES
    words, rest = found[:whole].view(np.uint64), found[whole:]
    return (int(words.sum(dtype=np.uint64)) + int(rest.sum(dtype=np.uint64))) % 2**64
