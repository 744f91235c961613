"""Weights of a meta-adapter on disk: safetensors that say which encoder and classes made them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from edgeclip.adapters.meta import MetaWeights
from edgeclip.contract.files import write_bytes
from edgeclip.errors import PackError

_ABOUT = "about"  # one key, since the order of several is not kept


class MetaOrigin(BaseModel):
    """Where weights come from.

    Attributes:
        encoder_sha256: Of the encoder whose features they were trained on.
        classes: That they were trained on.
        tensors_sha256: Of the weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder_sha256: str
    classes: tuple[str, ...]
    tensors_sha256: str


def meta_sha256(weights: MetaWeights) -> str:
    """Return the hash of weights, by name and value."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()


def write_meta(
    weights: MetaWeights, path: Path, *, encoder_sha256: str, classes: Sequence[str]
) -> MetaOrigin:
    """Write weights as safetensors, whole or not at all, the same bits for the same values.

    Args:
        weights: As trained.
        path: The file.
        encoder_sha256: Of the encoder whose features they were trained on.
        classes: That they were trained on.
    """
    origin = MetaOrigin(
        encoder_sha256=encoder_sha256, classes=tuple(classes), tensors_sha256=meta_sha256(weights)
    )
    tensors = {name: tensor.contiguous() for name, tensor in weights.state_dict().items()}
    about = json.dumps(origin.model_dump(mode="json"))
    write_bytes(path, save(tensors, metadata={_ABOUT: about}))
    return origin


def read_meta(path: Path, *, encoder_sha256: str) -> MetaWeights:
    """Return weights as written.

    Args:
        path: A file of `write_meta`.
        encoder_sha256: Of the encoder at hand.

    Raises:
        PackError: The file is missing, damaged, something else, or for another encoder.
    """
    try:
        with safe_open(path, framework="pt") as opened:
            about = (opened.metadata() or {})[_ABOUT]
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        origin = MetaOrigin.model_validate_json(about)
        weights = MetaWeights(len(tensors["gate"]))
        weights.load_state_dict(tensors)
    except (SafetensorError, OSError, KeyError, RuntimeError, ValidationError) as error:
        reason = " ".join(str(error).split())[:120]
        raise PackError(f"{path} is no meta-adapter ({reason}): name another file") from error
    if origin.encoder_sha256 != encoder_sha256:
        raise PackError(
            f"{path} was trained on the encoder {origin.encoder_sha256[:12]}, not on"
            f" {encoder_sha256[:12]}: name the backbone that it belongs to, or train it again"
        )
    if origin.tensors_sha256 != meta_sha256(weights):
        raise PackError(f"{path} is damaged (its hash does not match): copy it again")
    return weights.eval()
