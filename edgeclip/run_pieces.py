"""Pieces of one training in its run folder, known by all that they are computed from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeclip.adapters.component import Frozen
from edgeclip.adapters.model import arrays
from edgeclip.config import Recipe
from edgeclip.fit_state import Checkpoint
from edgeclip.methods import Base
from edgeclip.run_folder import RunFolder
from edgeclip.training import TrainingRows

Logits = NDArray[np.float32]
What = str | Mapping[str, float] | NDArray[np.int64]


@dataclass(frozen=True)
class Pieces:
    """Files of a run folder that belong to some rows, a start and a recipe.

    Attributes:
        run: The folder.
        content: Hash of rows, start and recipe.
    """

    run: RunFolder
    content: str

    def name(self, kind: str, what: Sequence[What]) -> str:
        """Return the file's name of a piece.

        Args:
            kind: `ROUND` or `FIT`.
            what: Method, setting, and rows by index; JSON, or arrays.
        """
        digest = hashlib.sha256(f"{self.run.encoder_sha256} {self.content}".encode())
        for part in what:
            data = part.tobytes() if isinstance(part, np.ndarray) else json.dumps(part).encode()
            digest.update(f"{len(data)}\n".encode() + data)
        return f"{kind}-{digest.hexdigest()[:32]}"

    def logits(self, name: str, shares: Sequence[float]) -> dict[float, Logits] | None:
        """Return the logits of a finished round by share, or None."""
        known = self.run.get(name)
        if known is None:
            return None
        if set(known) != {repr(share) for share in shares}:
            self.run.leave_aside(name, "other shares")
            return None
        self.run.taken.rounds += 1
        return {share: known[repr(share)].astype(np.float32) for share in shares}

    def keep_logits(self, name: str, logits: Mapping[float, Logits]) -> None:
        """Store the logits of a round by share."""
        self.run.put(name, {repr(share): values for share, values in logits.items()})

    def checkpoint(self, name: str, *, keeps_end: bool = False) -> Checkpoint:
        """Return where the state of a fit is kept.

        Args:
            name: Of the fit.
            keeps_end: Whether what it gives is kept too.
        """
        return Checkpoint(self.run, name, keeps_end=keeps_end)


def pieces_of(run: RunFolder, base: Base, rows: TrainingRows, recipe: Recipe) -> Pieces:
    """Return the pieces of a training.

    Args:
        run: The folder.
        base: What every method starts from.
        rows: Of the training part; its tokens follow from its images, as z and f do.
        recipe: Of all fits.
    """
    digest = hashlib.sha256(recipe.sha256.encode())
    named = {**arrays(base.start.slots()), "columns": base.start.columns.numpy()}
    for number, component in enumerate(base.before):
        moves = component.moves if isinstance(component, Frozen) else {}
        own = arrays({**component.slots(), **component.state_dict(), **moves})
        named |= {f"{number}.{component.kind}.{name}": value for name, value in own.items()}
    if base.meta:
        named |= {f"meta.{name}": value for name, value in arrays(base.meta.state_dict()).items()}
    named |= {"z": rows.features.z, "f": rows.features.f}
    named |= {"classes": rows.classes, "origins": rows.origins}
    if rows.beside:
        named |= {"beside.z": rows.beside.features.z, "beside.f": rows.beside.features.f}
    for name, value in named.items():
        digest.update(f"{name} {value.dtype} {value.shape}".encode())
        digest.update(value.tobytes())
    digest.update(json.dumps([list(rows.locations), rows.sequences]).encode())
    return Pieces(run, digest.hexdigest())
