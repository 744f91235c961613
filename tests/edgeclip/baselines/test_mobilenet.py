"""MobileNetV2: named as what it is, from given weights alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from edgeclip.baselines.mobilenet import mobilenet_v2
from edgeclip.errors import SetupError


def test_its_layers_come_from_the_file_and_its_classifier_is_new(tmp_path: Path) -> None:
    torch.manual_seed(0)
    given = timm.create_model("mobilenetv2_100", pad_type="same", num_classes=10)
    file = tmp_path / "mobilenet.safetensors"
    save_file(given.state_dict(), file)
    cnn = mobilenet_v2(64, file)
    model = cnn.build(3).eval()
    first, second = given.state_dict()["conv_stem.weight"], model.state_dict()["conv_stem.weight"]
    assert torch.equal(first, second)
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 3)
    assert "not a ResNet-50" in cnn.note


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"no MobileNetV2 weights at .*nowhere"):
        mobilenet_v2(64, tmp_path / "nowhere")


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.safetensors"
    save_file({"conv1.weight": torch.zeros(2, 2)}, file)
    with pytest.raises(SetupError, match=r"other\.safetensors is no MobileNetV2 of timm"):
        mobilenet_v2(64, file).build(3)


@pytest.mark.real_weights
def test_the_imagenet_weights_fit(real_weights: Path) -> None:
    file = real_weights.parent / "mobilenetv2-imagenet/mobilenetv2_100.safetensors"
    assert sum(p.numel() for p in mobilenet_v2(224, file).build(2).parameters()) == 2_226_434
