"""Image towers as open_clip defines them, with random weights and a small text tower."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip  # noqa: TID251 - its own towers are what is tried
from safetensors.torch import save_file

from edgeclip import clip
from support.tiny_packs import TinyEncoder

_TEXT = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}


def write_open_clip_tower(folder: Path, name: str) -> TinyEncoder:
    """Write an encoder with the image tower of one of open_clip's models.

    Args:
        folder: Is made.
        name: Of the model.
    """
    folder.mkdir(parents=True)
    content = json.dumps({**open_clip.get_model_config(name), "text_cfg": _TEXT})
    plain, config = folder / "plain.json", folder / f"{name}-random.json"
    for path in (plain, config):  # by its name open_clip would choose a tokenizer, and fetch it
        path.write_text(content)
    model, _ = clip.untrained_model(plain, seed=0)
    weights = folder / f"{name}.safetensors"
    save_file(model.state_dict(), weights)
    return TinyEncoder(config, weights)
