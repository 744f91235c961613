"""Where the frozen encoder runs: on the CPU, or on a CUDA device where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from edgeclip.errors import ConfigError, SetupError

if TYPE_CHECKING:
    import torch

DeviceName = Literal["auto", "cpu", "cuda"]


def device_label(device: torch.device) -> str:
    """Return what a device is called: `cpu`, or `cuda` with the name of the GPU."""
    import torch

    if device.type != "cuda":
        return device.type
    return f"{device.type} ({torch.cuda.get_device_name(device)})"


def device_for(name: str) -> torch.device:
    """Return the device that an option names, see `DeviceName`; `auto` is CUDA where there is any.

    Raises:
        ConfigError: There is no such name.
        SetupError: CUDA was asked for, and there is none.
    """
    import torch

    if name not in get_args(DeviceName):
        raise ConfigError(f"--device {name} is not known: use auto, cpu or cuda")
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise SetupError(
            "--device cuda: PyTorch finds no CUDA device here: look at `nvidia-smi` and at the"
            " build of PyTorch, or use --device cpu"
        )
    torch.backends.cudnn.allow_tf32 = False  # features must be those of a CPU, but for rounding
    return torch.device("cuda")
