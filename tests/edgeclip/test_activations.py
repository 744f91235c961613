"""A weight file under an open_clip name runs with the activation that it was trained with."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch

from edgeclip.activations import file_takes_quick_gelu
from edgeclip.clip import load_backbone
from edgeclip.errors import ConfigError, SetupError
from support.tiny_packs import TinyEncoder

KNOWN = ("tiny-own", "tiny-own-quickgelu")


@pytest.fixture
def weights(encoder: TinyEncoder, tmp_path: Path) -> Path:
    """A file of weights whose model open_clip knows by two names."""
    content = json.loads(encoder.config.read_text())
    for name in KNOWN:
        config = tmp_path / f"{name}.json"
        config.write_text(json.dumps(content | {"quick_gelu": name.endswith("quickgelu")}))
        load_backbone(str(config), str(encoder.weights))  # registers the name
    file = tmp_path / "alone" / "weights.safetensors"
    file.parent.mkdir()
    file.write_bytes(encoder.weights.read_bytes())
    return file


def _beside(file: Path, *, quick_gelu: bool) -> None:
    content = {"model_cfg": {"embed_dim": 24, "quick_gelu": quick_gelu}, "preprocess_cfg": {}}
    (file.parent / "open_clip_config.json").write_text(json.dumps(content))


def test_where_nothing_says_the_activation_a_line_names_the_other_model(
    weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        backbone = load_backbone("tiny-own", str(weights))
    assert backbone.base.activation == "gelu"
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{weights} does not say its activation and is taken to be GELU's: weights of OpenAI,"
        " MetaCLIP or DFN, or fine-tuned from them, need --backbone tiny-own-quickgelu"
    )


@pytest.mark.parametrize("quick_gelu", [True, False])
def test_the_configuration_beside_the_file_decides(
    quick_gelu: bool, weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _beside(weights, quick_gelu=quick_gelu)
    backbone = load_backbone("tiny-own", str(weights))
    assert backbone.base.activation == ("quick_gelu" if quick_gelu else "gelu")
    assert not caplog.records


def test_a_name_is_believed_unless_the_weights_own_configuration_says_otherwise(
    weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert load_backbone(KNOWN[1], str(weights)).base.activation == "quick_gelu"
    assert not caplog.records
    _beside(weights, quick_gelu=False)
    with pytest.raises(ConfigError, match=r"trained with GELU .*: name --backbone tiny-own$"):
        load_backbone(KNOWN[1], str(weights))


@pytest.mark.parametrize("content", ["{", "[]", '{"model_cfg": 3}', "{}"])
def test_a_configuration_that_is_none_says_nothing(content: str, tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text(content)
    said: list[str] = []
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"")
    assert not file_takes_quick_gelu("tiny-own", file, KNOWN, warn=said.append)
    assert len(said) == 1
    assert not file_takes_quick_gelu("only", file, KNOWN, warn=said.append)
    assert len(said) == 1, "there is no other name to give"


@pytest.mark.filterwarnings(
    "ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning"
)
def test_an_archive_of_torchscript_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "ViT-B-32.pt"
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)), file)  # type: ignore[no-untyped-call]
    message = r"archive of TorchScript.*use --backbone ViT-B-32-quickgelu --pretrained openai"
    with pytest.raises(SetupError, match=message):
        load_backbone("ViT-B-32", str(file))
    torch.save({"weight": torch.ones(2)}, file)
    assert not file_takes_quick_gelu("ViT-B-32", file, ())
