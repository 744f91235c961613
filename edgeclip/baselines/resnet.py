"""ResNet-50 as torchvision builds it, and its weights from files at hand: nothing is fetched.

He et al., CVPR 2016, arXiv 1512.03385. Inputs smaller than 128 px are seen at full resolution by
the first convolution (stride 1 in place of 2), since a stride of 32 would leave 3 x 3 places of
96 px; the parameters are the same, so weights of either stride load into the other.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from edgeclip.errors import SetupError

RESNET50_PARAMETERS = 25_557_032
"""Trainable parameters with the 1000-way classifier of ImageNet, by which ratios are stated."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pixels, 0..1 RGB; what all its published weights expect."""

_FULL_STRIDE_FROM_PX = 128
_HUB_FILES = ("resnet50-11ad3fa6.pth", "resnet50-0676ba61.pth")  # torchvision's V2 and V1
_CLASSIFIER = "fc."

State = dict[str, Tensor]


def untrained_resnet50(classes: int, size: int) -> nn.Module:
    """Return a ResNet-50 with random weights, from torch's global generator.

    Args:
        classes: Outputs of its classifier.
        size: Side of its inputs, px.
    """
    model: nn.Module = torchvision.models.resnet50(weights=None, num_classes=classes)
    stem = model.get_submodule("conv1")
    if size < _FULL_STRIDE_FROM_PX and isinstance(stem, nn.Conv2d):
        stem.stride = (1, 1)
    return model


def pretrained_resnet50(classes: int, size: int, weights: Path | None) -> nn.Module:
    """Return a ResNet-50 with pretrained layers below a new classifier.

    Args:
        classes: Outputs of its classifier.
        size: Side of its inputs, px.
        weights: See `resnet50_weights`.

    Raises:
        SetupError: The weights are absent, or are no ResNet-50's.
    """
    path = resnet50_weights(weights)
    state = {name: t for name, t in _read(path).items() if not name.startswith(_CLASSIFIER)}
    model = untrained_resnet50(classes, size)
    wanted = {name: t for name, t in model.state_dict().items() if not name.startswith(_CLASSIFIER)}
    if {n: t.shape for n, t in state.items()} != {n: t.shape for n, t in wanted.items()}:
        raise SetupError(f"{path} does not hold a ResNet-50 of torchvision: name another file")
    model.load_state_dict(state, strict=False)  # all but the classifier, as compared above
    return model


def resnet50_weights(given: Path | None) -> Path:
    """Return the file or folder of pretrained weights.

    Args:
        given: A `.safetensors` or torchvision's `.pth` file, or a folder of `.safetensors` parts;
            None looks for torchvision's ImageNet weights in torch's cache.

    Raises:
        SetupError: There are none; the message says what to copy where.
    """
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    candidates = [given] if given else [cache / name for name in _HUB_FILES]
    for path in candidates:
        if path.exists():
            return path
    raise SetupError(
        f"no ResNet-50 weights at {candidates[0]}: copy torchvision's {_HUB_FILES[0]} there, or"
        " name its file by --resnet-weights"
    )


def _read(path: Path) -> State:
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    state: State = {}
    try:
        for file in files:
            if file.suffix == ".safetensors":
                state |= load_file(file)
            else:  # weights_only: tensors and nothing that could run
                state |= torch.load(file, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, ValueError, TypeError, EOFError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SetupError(f"{path} cannot be read as weights ({reason}): copy it anew") from error
    return state
