"""The hash by which an encoder's weights are known."""

from __future__ import annotations

import hashlib
from typing import Any

import torch


def hash_weights(state: dict[str, Any]) -> str:
    """Return the SHA-256 over names, types, shapes and bytes of a state dict, in sorted order."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
