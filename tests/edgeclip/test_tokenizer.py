from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest

from edgeclip import clip
from edgeclip.errors import SetupError
from support.tiny_packs import TinyEncoder, write_encoder


@pytest.fixture
def siglip(tmp_path: Path) -> TinyEncoder:
    """A small encoder whose name makes open_clip choose SigLIP's tokenizer."""
    plain = write_encoder(tmp_path)
    return TinyEncoder(plain.config.rename(tmp_path / "tiny-SigLIP.json"), plain.weights)


@pytest.fixture
def _without_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)  # importing it fails, installed or not


@pytest.mark.usefixtures("_without_transformers")
def test_images_need_no_tokenizer_and_a_sentence_says_which_one_is_missing(
    siglip: TinyEncoder,
) -> None:
    backbone = siglip.load()
    size = backbone.base.image_size
    _, features = backbone.embed_images(np.zeros((1, size, size, 3), np.uint8))
    assert features.shape == (1, backbone.base.embed_dim)
    with pytest.raises(SetupError, match=r"no tokenizer of tiny-SigLIP is here \(.*transformers"):
        backbone.embed_prompts([["a photo of a leopard"]])


def test_files_of_a_tokenizer_that_cannot_be_fetched_are_told_apart_from_a_missing_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("We couldn't connect to the hub\nto load the files")

    library = types.ModuleType("transformers")
    library.AutoTokenizer = types.SimpleNamespace(from_pretrained=offline)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "transformers", library)
    message = r"could not be fetched: connect once .*We couldn't connect to the hub to load"
    with pytest.raises(SetupError, match=message) as caught:
        write_encoder(tmp_path, text={"hf_tokenizer_name": "somebody/some-tokenizer"})
    assert "pip install" not in str(caught.value)


def test_a_tokenizer_is_loaded_once_for_all_sentences(tmp_path: Path) -> None:
    backbone = write_encoder(tmp_path).load()
    assert backbone.text_model()[1] is backbone.text_model()[1]
    assert clip.load_backbone(clip.DEMO).text_model()[1] is not backbone.text_model()[1]
