"""The one module that talks to open_clip: load a frozen CLIP, embed images and prompts.

A backbone is named as open_clip names it (`ViT-B-32` and a pretrained tag or checkpoint file), or
by the JSON file of a model configuration, or `demo`: the small CLIP that edgeclip carries.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from edgeclip.activations import activation_of, file_takes_quick_gelu
from edgeclip.contract.pack import Base
from edgeclip.contract.preprocess_spec import PreprocessSpec
from edgeclip.errors import ConfigError, DataError, SetupError
from edgeclip.loading import refuse_other_files, why_no_tokenizer, why_not_loaded
from edgeclip.tower_kinds import block_count
from edgeclip.towers import FrozenTower, Lower, LowerTower, UpperTower, split_tower
from edgeclip.weight_hash import hash_weights

log = logging.getLogger(__name__)

DEMO = "demo"
DEMO_FOLDER = Path(__file__).parent / "backbones" / DEMO
_DEMO_MODEL = "edgeclip-demo"


@dataclass(frozen=True)
class Backbone:
    """A frozen CLIP.

    Attributes:
        base: What packs and bundles store of it.
        preprocess: How a frame becomes its input.
        tower: Normalised `(B, 3, S, S)` float32 -> `(z, f)`, `(B, D)` and `(B, E)`.
        logit_scale: exp of the learned value.
    """

    base: Base
    preprocess: PreprocessSpec
    tower: FrozenTower
    logit_scale: float
    _model: Any  # open_clip is untyped
    _tokenizer: Callable[[], Callable[[list[str]], Tensor]]
    _known: dict[str, Tensor] = field(default_factory=dict, repr=False, compare=False)

    def embed_images(self, images: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        """Return z and f, before and after the visual projection, not normalised.

        Args:
            images: `(B, S, S, 3)` uint8, RGB, from `contract.preprocess.prepare`.

        Returns:
            z `(B, D)` and f = zP `(B, E)`, float32 on the CPU.
        """
        with torch.inference_mode():
            z, f = self.tower(self.pixels(images))
        return z.float().cpu().clone(), f.float().cpu().clone()

    def embed_tokens(self, images: NDArray[np.uint8], lower: Lower) -> Tensor:
        """Return what the tower's lower part gives, `(B, N, D)` tokens, float32 on the CPU.

        Args:
            images: As for `embed_images`.
            lower: Of this backbone's tower, from `towers.split_at`; of a ResNet, activations come
                out, and of no part at all the normalised pixels.
        """
        with torch.inference_mode():
            tokens: Tensor = lower(self.pixels(images))
        return tokens.float().cpu().clone()

    @property
    def computed_by(self) -> str:
        """What features depend on beside the input: weights, and a device that rounds otherwise."""
        device = self.tower.projection.device.type
        return self.base.weights_sha256 + ("" if device == "cpu" else f" {device}")

    def split(self, cut: int) -> tuple[LowerTower, UpperTower]:
        """Return the image tower in two parts, the lower one of `cut` blocks.

        Raises:
            ConfigError: Adapters do not know this tower's blocks.
        """
        return split_tower(self.tower.visual, self.tower.projection, cut)

    def pixels(self, images: NDArray[np.uint8]) -> Tensor:
        """Return normalised `(B, 3, S, S)` where the tower is, for `(B, S, S, 3)` uint8."""
        mean, std = (torch.tensor(v) for v in (self.preprocess.mean, self.preprocess.std))
        pixels = (torch.from_numpy(images).float() / 255 - mean) / std
        device = next(self.tower.parameters()).device
        return pixels.permute(0, 3, 1, 2).contiguous().to(device)

    def embed_prompts(self, prompts: Sequence[Sequence[str]]) -> Tensor:
        """Return T: for each class the unit mean of its prompts' unit features.

        Args:
            prompts: C lists, each of one or more sentences.

        Returns:
            `(C, E)` float32, rows of unit norm, on the CPU.

        Raises:
            DataError: A class has no prompt.
            SetupError: The tokenizer is not on this machine.
        """
        if any(not group for group in prompts):
            raise DataError("a class has no prompt: give each class at least one")
        with torch.inference_mode():
            means = [self._sentences(list(group)).mean(0) for group in prompts]
            return torch.stack([functional.normalize(mean, dim=0) for mean in means]).cpu().clone()

    def _sentences(self, wanted: list[str]) -> Tensor:
        """Return the unit features of sentences; a ViT-B/32 encodes one as slowly as an image."""
        missing = [sentence for sentence in dict.fromkeys(wanted) if sentence not in self._known]
        if missing:
            tokens = self._tokenizer()(missing).to(next(self._model.parameters()).device)
            features = functional.normalize(self._model.encode_text(tokens).float(), dim=-1)
            self._known.update(zip(missing, features, strict=True))
        return torch.stack([self._known[sentence] for sentence in wanted])

    def text_model(self) -> tuple[Any, Callable[[list[str]], Tensor]]:
        """Return open_clip's model and its tokenizer, for `text_tower.text_tower`."""
        return self._model, self._tokenizer()


def load_backbone(name: str, pretrained: str | None = None, *, device: str = "cpu") -> Backbone:
    """Return a frozen CLIP with its weights.

    Args:
        name: `demo`, an open_clip model name, or the JSON file of a model configuration.
        pretrained: open_clip's tag, or a checkpoint file; not used by `demo`.
        device: Where it runs: `cpu`, `cuda`, ...

    Raises:
        ConfigError: There is no such model or tag, or the file is of another activation.
        SetupError: The weights are not on this machine and cannot be fetched, or do not fit.
    """
    model_name, weights = known_backbone(name, pretrained)
    quick_gelu = _takes_quick_gelu(name, model_name, weights)
    with _quiet():
        try:
            model = open_clip.create_model(
                model_name,
                pretrained=weights,
                device=device,
                force_quick_gelu=quick_gelu,
                require_pretrained=True,
            )
        except Exception as error:  # a foreign checkpoint fails in any way: assert, unpickling, key
            raise SetupError(why_not_loaded(name, weights, error)) from error
    label = weights if not Path(weights).is_file() else Path(weights).name
    return _freeze(model, name if name == DEMO else model_name, model_name, label)


def _takes_quick_gelu(name: str, model_name: str, weights: str) -> bool:
    """Return whether it is to be built with QuickGELU although its configuration does not say."""
    if name == model_name and Path(weights).is_file():
        return file_takes_quick_gelu(name, Path(weights), open_clip.list_models())
    tag = open_clip.get_pretrained_cfg(model_name, weights) or {}
    return bool(tag.get("quick_gelu", False))


def untrained_model(config: Path, seed: int) -> tuple[Any, Callable[[list[str]], Tensor]]:
    """Return a CLIP with random weights and its tokenizer, to be trained from the start.

    Args:
        config: JSON file of an open_clip model configuration.
        seed: Of the random weights.
    """
    model_name = _register(config)
    torch.manual_seed(seed)
    with _quiet():
        model = open_clip.create_model(model_name, pretrained=None)
    return model, _tokenizer(model_name)


def known_backbone(name: str, pretrained: str | None) -> tuple[str, str]:
    """Return the name that open_clip knows, and its tag or checkpoint file; loads nothing.

    Raises:
        ConfigError: There is no such model, tag or file.
        SetupError: The file holds no weights.
    """
    if pretrained is not None and Path(pretrained).is_file():
        refuse_other_files(Path(pretrained))
    if name == DEMO:
        weights = DEMO_FOLDER / "demo.safetensors"
        return _register(DEMO_FOLDER / "demo.json", _DEMO_MODEL), str(weights)
    if name.endswith(".json"):
        if pretrained is None or not Path(pretrained).is_file():
            raise ConfigError(
                f"--backbone {name} needs --pretrained FILE, found {pretrained}: name a checkpoint"
            )
        return _register(Path(name)), pretrained
    known = open_clip.list_models()
    if name not in known:
        near = difflib.get_close_matches(name, [*known, DEMO], n=1)
        hint = f"did you mean {near[0]}?" if near else "see open_clip.list_models()"
        raise ConfigError(f"--backbone {name} is not a model of open_clip: {hint}")
    return name, _known_weights(name, pretrained)


def _known_weights(name: str, pretrained: str | None) -> str:
    tags = open_clip.list_pretrained_tags_by_model(name)
    if pretrained is not None and (pretrained in tags or Path(pretrained).is_file()):
        return pretrained
    choices = ", ".join(tags) or "none, so name a checkpoint file"
    if pretrained is None:
        raise ConfigError(f"--backbone {name} needs --pretrained TAG or FILE: tags are {choices}")
    raise ConfigError(
        f"--pretrained {pretrained} is neither a file nor a tag of {name}: tags are {choices}"
    )


def _register(config: Path, name: str | None = None) -> str:
    """Make a model configuration known to open_clip; return its name there."""
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
        complete = {"embed_dim", "vision_cfg", "text_cfg"} <= set(content)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{config}: no readable model configuration ({error})") from error
    if not complete:
        raise ConfigError(f"{config}: embed_dim, vision_cfg or text_cfg is missing: not a model")
    model_name = name or config.stem
    # open_clip.add_model_config registers by file name only, which would make `demo` a model name.
    open_clip.factory._MODEL_CONFIGS[model_name] = content  # noqa: SLF001
    return model_name


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what open_clip logs and warns; its errors are raised and translated."""
    root = logging.getLogger()
    before = root.level, root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before[1])


def _freeze(model: Any, arch: str, model_name: str, pretrained: str) -> Backbone:
    model.requires_grad_(False).eval()
    weights_sha256 = hash_weights(model.state_dict())
    cfg = open_clip.get_model_preprocess_cfg(model)
    config = open_clip.get_model_config(model_name)
    size = int(np.max(cfg["size"]))
    params = sum(parameter.numel() for parameter in model.visual.parameters())
    tower = FrozenTower(model.visual, int(config["embed_dim"])).eval()
    width, embed_dim = tower.projection.shape
    base = Base(
        arch=arch,
        pretrained=pretrained,
        activation=activation_of(model),
        width=width,
        embed_dim=embed_dim,
        image_size=size,
        blocks=block_count(model.visual),
        params=params,
        weights_sha256=weights_sha256,
    )
    preprocess = PreprocessSpec(size=size, mean=tuple(cfg["mean"]), std=tuple(cfg["std"]))
    scale = float(model.logit_scale.exp())
    return Backbone(base, preprocess, tower, scale, model, cache(partial(_tokenizer, model_name)))


def _tokenizer(model_name: str) -> Any:
    """Return it at its first use: images need none, and some take a library and files more."""
    with _quiet():
        try:
            return open_clip.get_tokenizer(model_name)
        except ImportError as error:
            raise SetupError(
                f"no tokenizer of {model_name} is here ({error}): pip install transformers"
            ) from error
        except OSError as error:
            raise SetupError(why_no_tokenizer(model_name, error)) from error
