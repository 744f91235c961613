"""ResNet-50: its parameters, its stride, and weights that are read from files or asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from edgeclip.baselines.resnet import (
    RESNET50_PARAMETERS,
    pretrained_resnet50,
    resnet50_weights,
    untrained_resnet50,
)
from edgeclip.errors import SetupError
from scripts.train_demo_resnet import parts_of


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(5)
    return untrained_resnet50(7, 96).eval()


@pytest.fixture(scope="module")
def parts(model: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    for number, data in enumerate(parts_of(model, 14_000_000)):
        (folder / f"resnet50-{number}.safetensors").write_bytes(data)
    return folder


def test_the_stated_parameters_are_those_with_the_thousand_way_classifier() -> None:
    with torch.device("meta"):
        whole = untrained_resnet50(1000, 224)
    assert sum(parameter.numel() for parameter in whole.parameters()) == RESNET50_PARAMETERS


@pytest.mark.parametrize(("size", "places"), [(96, 6), (127, 8), (128, 4), (224, 7)])
def test_small_inputs_keep_their_places_by_a_stride_of_one(size: int, places: int) -> None:
    with torch.device("meta"):
        model = untrained_resnet50(3, size)
        seen: list[torch.Size] = []
        model.get_submodule("layer4").register_forward_hook(
            lambda _module, _given, output: seen.append(output.shape)
        )
        model(torch.zeros(2, 3, size, size))
    assert seen[0][2:] == (places, places)


def test_parts_are_small_and_join_to_the_same_layers(model: nn.Module, parts: Path) -> None:
    assert all(file.stat().st_size < 15_000_000 for file in parts.iterdir())
    loaded = pretrained_resnet50(4, 96, parts).state_dict()
    for name, tensor in model.state_dict().items():
        if not name.startswith("fc."):
            assert torch.allclose(loaded[name], tensor, atol=1e-3), name
    assert loaded["fc.weight"].shape == (4, 2048)


def test_torchvisions_own_file_loads_without_its_classifier(
    model: nn.Module, tmp_path: Path
) -> None:
    file = tmp_path / "resnet50-11ad3fa6.pth"
    torch.save(model.state_dict(), file)
    loaded = pretrained_resnet50(3, 224, file).state_dict()
    assert torch.equal(loaded["layer4.2.conv3.weight"], model.state_dict()["layer4.2.conv3.weight"])


def test_absent_weights_are_named_with_what_to_do_and_never_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    with pytest.raises(SetupError, match=r"resnet50-11ad3fa6\.pth there, or.*--resnet-weights"):
        resnet50_weights(None)
    with pytest.raises(SetupError, match=r"no ResNet-50 weights at .*nowhere"):
        resnet50_weights(tmp_path / "nowhere")
    assert not (tmp_path / "hub").exists()


def test_weights_in_torchs_cache_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "checkpoints/resnet50-0676ba61.pth"
    file.parent.mkdir()
    file.write_bytes(b"x")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert resnet50_weights(None) == file


@pytest.mark.parametrize("name", ["cut.safetensors", "cut.pth"])
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04 not all of it")
    with pytest.raises(SetupError, match=rf"{name} cannot be read as weights") as caught:
        pretrained_resnet50(2, 96, tmp_path / name)
    assert "\n" not in str(caught.value)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file({"conv1.weight": torch.zeros(8, 3, 7, 7)}, tmp_path / "other.safetensors")
    with pytest.raises(SetupError, match="does not hold a ResNet-50 of torchvision"):
        pretrained_resnet50(2, 96, tmp_path / "other.safetensors")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="does not hold a ResNet-50"):
        pretrained_resnet50(2, 96, tmp_path)
