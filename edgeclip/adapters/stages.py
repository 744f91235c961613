"""Stage adapters: a small bottleneck of 1x1 convolutions behind each stage of a ResNet tower."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from edgeclip.adapters.block import drawn
from edgeclip.adapters.class_head import ZeroShot
from edgeclip.adapters.component import Component
from edgeclip.adapters.head_graph import HeadGraph, HeadOutputs
from edgeclip.adapters.model import Inputs, arrays
from edgeclip.adapters.placing import back, moved
from edgeclip.adapters.starts import refuse_dead_start
from edgeclip.adapters.stored import FusionClass
from edgeclip.adapters.tower_deltas import PREFIX
from edgeclip.contract.slots import HEAD_SLOTS, filled_slots
from edgeclip.errors import PackError
from edgeclip.tower_kinds import STAGES, require_stages
from edgeclip.towers import FrozenTower

_PARTS = ("down", "down_bias", "up", "up_bias")


@dataclass(frozen=True)
class StageSettings:
    """How stage adapters are built.

    Attributes:
        last: k, how many stages from the end have one, 1 to 4.
        hidden: h, channels of the bottleneck.
        scale: s, fixed.
        trailing_relu: Refused: see `starts`.
    """

    last: int = 4
    hidden: int = 16
    scale: float = 0.1
    trailing_relu: bool = False

    def check(self) -> None:
        """Refuse what could not be learned.

        Raises:
            ValueError: A number is out of range, or the start is dead.
        """
        if not 1 <= self.last <= len(STAGES) or self.hidden < 1:
            raise ValueError(f"last {self.last} is not in 1..4, or hidden {self.hidden} below 1")
        refuse_dead_start(zero_up=True, zero_gate=self.scale == 0, trailing_relu=self.trailing_relu)


class StageAdapters(Component):
    """h' = h + s (ReLU(h W_d + b_d) W_u + b_u) at each place of a stage's output.

    The block adapter's form (Houlsby et al., arXiv 1902.00751) as 1x1 convolutions, for towers
    without blocks. No slot expresses it: the pack asks for a graph of its own. W_u and b_u are
    zero at the start.

    Args:
        tower: Frozen, a ResNet.
        settings: See there.

    Raises:
        ConfigError: The tower is no ResNet.
        ValueError: The settings could not be learned.
    """

    kind: ClassVar[str] = "stages"
    fusion: ClassVar[FusionClass] = "F2"
    rate: ClassVar[float] = 5e-4

    def __init__(self, tower: FrozenTower, settings: StageSettings | None = None) -> None:
        super().__init__()
        require_stages(tower.visual)
        self.settings = settings or StageSettings()
        self.settings.check()
        self.stages = STAGES[-self.settings.last :]
        hidden = self.settings.hidden
        self.values = nn.ParameterDict()
        for stage in self.stages:
            channels = stage_channels(tower.visual, stage)
            own = {
                "down": drawn(channels, hidden),
                "down_bias": nn.Parameter(torch.zeros(hidden)),
                "up": nn.Parameter(torch.zeros(hidden, channels)),
                "up_bias": nn.Parameter(torch.zeros(channels)),
            }
            self.values.update({f"{stage}_{name}": value for name, value in own.items()})

    def slots(self, share: float = 1.0) -> dict[str, Tensor]:
        """Return the adapters' tensors; scale and share are folded into the up-projection."""
        found = {}
        for stage in self.stages:
            for name in _PARTS:
                factor = share * self.settings.scale if name.startswith("up") else 1.0
                found[_key(stage, name)] = factor * self.values[f"{stage}_{name}"]
        return found


class StageBranch(nn.Module):
    """h -> h + ReLU(h down + down_bias) up + up_bias over `(B, C, H, W)`.

    Args:
        down: `(C, h)`.
        down_bias: `(h,)`.
        up: `(h, C)`.
        up_bias: `(C,)`.
    """

    def __init__(self, down: Tensor, down_bias: Tensor, up: Tensor, up_bias: Tensor) -> None:
        super().__init__()
        for name, value in zip(_PARTS, (down, down_bias, up, up_bias), strict=True):
            self.register_buffer(name, value.detach().clone())

    def forward(self, h: Tensor) -> Tensor:
        """Return `(B, C, H, W)`."""
        return adapted_stage(h, {name: getattr(self, name) for name in _PARTS})


class StageGraph:
    """Runs the stages of a ResNet with adapters behind them, then the head.

    Args:
        tower: Frozen; it is not written to.
        cut: How many stages lie below the activations in `tokens`; 0 is behind the stem.

    Attributes:
        tower: As given.

    Raises:
        ConfigError: The tower is no ResNet.
    """

    def __init__(self, tower: FrozenTower, cut: int = 0) -> None:
        require_stages(tower.visual)
        self.tower, self._cut, self._head = tower, cut, HeadGraph()

    def neutral(self, start: ZeroShot) -> dict[str, Tensor]:
        """Return every slot of the head at zero-shot; no adapter is the tower as it is."""
        width, embed_dim = self.tower.projection.shape
        filled = filled_slots(arrays(start.slots()), width=width, embed_dim=embed_dim)
        return {name: torch.from_numpy(np.array(slot)) for name, slot in filled.items()}

    def takes(self, slot: str) -> bool:
        """Return whether it is a slot of the head, or a part of a stage adapter."""
        return slot in HEAD_SLOTS or is_stage_key(slot)

    def __call__(self, inputs: Inputs, slots: Mapping[str, Tensor]) -> HeadOutputs:
        """Return the outputs; z and f are computed anew from the activations in `tokens`.

        Raises:
            ValueError: There are no activations, or an adapter lies below the cut.
        """
        h = inputs.tokens
        if h is None:
            raise ValueError("the stage graph needs activations of the tower in place of tokens")
        if not isinstance(h, Tensor):
            h = torch.from_numpy(h.array()).float()
        if below := [s for s in STAGES[: self._cut] if _key(s, "up") in slots]:
            raise ValueError(f"the adapter behind {below[0]} lies below cut {self._cut}")
        visual: Any = self.tower.visual
        device = self.tower.projection.device
        h, slots = h.to(device), moved(slots, device)
        for stage in STAGES[self._cut :]:
            h = getattr(visual, stage)(h)
            if _key(stage, "up") in slots:
                h = adapted_stage(h, {name: slots[_key(stage, name)] for name in _PARTS})
        z = visual.attnpool(h)
        head = {name: slots[name] for name in HEAD_SLOTS}
        outputs: HeadOutputs = self._head(z, z @ self.tower.projection, **head)
        return back(outputs)


def adapted_stage(h: Tensor, parts: Mapping[str, Tensor]) -> Tensor:
    """Return a stage's output `(B, C, H, W)` after its adapter."""
    hidden = torch.relu(_pointwise(h, parts["down"]) + parts["down_bias"][:, None, None])
    return h + (_pointwise(hidden, parts["up"]) + parts["up_bias"][:, None, None])


def tower_with_stages(tower: FrozenTower, deltas: Mapping[str, Tensor]) -> FrozenTower:
    """Return a copy of a tower with stage adapters inside it; the tower itself stays as it is.

    Args:
        tower: Frozen, a ResNet.
        deltas: Of a pack of stage adapters.

    Raises:
        ConfigError: The tower is no ResNet.
        PackError: The tensors are not of this tower.
    """
    require_stages(tower.visual)
    copied = copy.deepcopy(tower)
    if surplus := sorted(name for name in deltas if not is_stage_key(name)):
        raise PackError(f"{surplus[0]} is no stage adapter of a ResNet: use the pack's encoder")
    for stage in STAGES:
        names = [_key(stage, name) for name in _PARTS]
        if not set(names) & set(deltas):
            continue
        if missing := [name for name in names if name not in deltas]:
            raise PackError(f"the pack lacks {missing[0]}: copy it again")
        parts = [deltas[name] for name in names]
        _require_fit(stage, parts, stage_channels(copied.visual, stage))
        branch = StageBranch(*parts)
        setattr(copied.visual, stage, nn.Sequential(getattr(copied.visual, stage), branch))
    return copied.eval()


def is_stage_key(name: str) -> bool:
    """Return whether a `delta.` tensor of this name belongs to a stage adapter."""
    return name in {_key(stage, part) for stage in STAGES for part in _PARTS}


def _require_fit(stage: str, parts: Sequence[Tensor], channels: int) -> None:
    down = parts[0]
    if down.shape[0] != channels:
        raise PackError(
            f"{_key(stage, 'down')} is of {down.shape[0]} channels, the encoder's {stage} has"
            f" {channels}: use the pack's encoder"
        )
    hidden = down.shape[-1]
    expected = [(channels, hidden), (hidden,), (hidden, channels), (channels,)]
    for name, part, shape in zip(_PARTS, parts, expected, strict=True):
        if tuple(part.shape) != shape:
            raise PackError(
                f"{_key(stage, name)} has shape {tuple(part.shape)}, expected {shape}: copy the"
                " pack again"
            )


def stage_channels(visual: Any, stage: str) -> int:
    """Return C of a stage's output."""
    return int(list(getattr(visual, stage))[-1].conv3.out_channels)


def _pointwise(h: Tensor, weight: Tensor) -> Tensor:
    return nn.functional.conv2d(h, weight.T[:, :, None, None])


def _key(stage: str, name: str) -> str:
    return f"{PREFIX}{stage}.adapter.{name}"
