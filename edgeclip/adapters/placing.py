"""Graphs that run the tower where it lies: inputs and slots go there, outputs come back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor

OutputsT = TypeVar("OutputsT", bound=tuple[Tensor, ...])


def moved(slots: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Return tensors on a device, with gradients to where they are."""
    return {name: slot.to(device) for name, slot in slots.items()}


def back(outputs: OutputsT) -> OutputsT:
    """Return outputs on the CPU, where adapters and losses are; on the CPU nothing is copied."""
    kind = type(outputs)
    return kind(*(output.cpu() for output in outputs))
