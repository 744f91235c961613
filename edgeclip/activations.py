"""Which activation a weight file was trained with: weights alone do not show it.

A tower of QuickGELU whose weights run with GELU gives other features without an error. open_clip
knows the activation of its tags; of a file only what lies beside it tells.
"""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Literal

from edgeclip.errors import ConfigError, SetupError

log = logging.getLogger(__name__)
_SUFFIX = "-quickgelu"
_BESIDE = "open_clip_config.json"  # what open_clip's own folders of weights say of them


def file_takes_quick_gelu(
    name: str, file: Path, known: Collection[str], *, warn: Callable[[str], None] = log.warning
) -> bool:
    """Return whether the model is to be built with QuickGELU although its name does not say so.

    `open_clip_config.json` beside the file decides. Without one the name is believed, and where the
    other activation has a name as well, a line says so.

    Args:
        name: As open_clip knows the model.
        file: Its weights.
        known: Names of open_clip's models.
        warn: Takes that line.

    Raises:
        ConfigError: The name asks for QuickGELU, and the weights' own configuration for GELU.
        SetupError: It is an archive of TorchScript, as OpenAI published it, which may run code.
    """
    _refuse_torchscript(name, file, known)
    said = _said_beside(file)
    if name.endswith(_SUFFIX):
        if said is False:
            plain = name.removesuffix(_SUFFIX)
            raise ConfigError(f"{file} was trained with GELU ({_BESIDE}): name --backbone {plain}")
        return False
    if said is None and name + _SUFFIX in known:
        warn(
            f"{file} does not say its activation and is taken to be GELU's: weights of OpenAI,"
            f" MetaCLIP or DFN, or fine-tuned from them, need --backbone {name}{_SUFFIX}"
        )
    return bool(said)


def activation_of(model: Any) -> Literal["gelu", "quick_gelu", "other"]:
    """Return what the image tower of an open_clip model runs with."""
    names = {type(module).__name__ for module in model.visual.modules()}
    if "QuickGELU" in names:
        return "quick_gelu"
    return "gelu" if "GELU" in names else "other"


def _said_beside(file: Path) -> bool | None:
    try:
        content = json.loads((file.parent / _BESIDE).read_text(encoding="utf-8"))
        model = content["model_cfg"]
        return bool(model.get("quick_gelu", False))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _refuse_torchscript(name: str, file: Path, known: Collection[str]) -> None:
    if not zipfile.is_zipfile(file):
        return
    with zipfile.ZipFile(file) as archive:
        is_script = any(entry.endswith("/constants.pkl") for entry in archive.namelist())
    if is_script:
        own = name if name.endswith(_SUFFIX) or name + _SUFFIX not in known else name + _SUFFIX
        raise SetupError(
            f"{file} is an archive of TorchScript, as OpenAI published its weights, and may run"
            f" code: use --backbone {own} --pretrained openai, or save its state_dict"
        )
