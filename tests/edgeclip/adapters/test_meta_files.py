from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from edgeclip.adapters.meta import MetaWeights
from edgeclip.adapters.meta_files import meta_sha256, read_meta, write_meta
from edgeclip.errors import PackError

ENCODER = "e" * 64


@pytest.fixture
def weights() -> MetaWeights:
    torch.manual_seed(3)
    made = MetaWeights(6)
    for parameter in made.parameters():
        parameter.data.add_(torch.randn(parameter.shape))
    return made


@pytest.fixture
def file(weights: MetaWeights, tmp_path: Path) -> Path:
    path = tmp_path / "meta.safetensors"
    write_meta(weights, path, encoder_sha256=ENCODER, classes=("lion", "zebra"))
    return path


def test_written_weights_come_back_bit_for_bit(weights: MetaWeights, file: Path) -> None:
    again = read_meta(file, encoder_sha256=ENCODER)
    assert all(map(torch.equal, weights.state_dict().values(), again.state_dict().values()))
    assert meta_sha256(again) == meta_sha256(weights)
    assert not again.training


def test_the_same_weights_give_the_same_file_and_others_another_hash(
    weights: MetaWeights, file: Path, tmp_path: Path
) -> None:
    write_meta(weights, tmp_path / "again", encoder_sha256=ENCODER, classes=("lion", "zebra"))
    assert (tmp_path / "again").read_bytes() == file.read_bytes()
    before = meta_sha256(weights)
    weights.bias.data += 1e-6
    assert meta_sha256(weights) != before


def test_weights_for_another_encoder_are_refused(file: Path) -> None:
    with pytest.raises(PackError, match=r"was trained on the encoder eeeeeeeeeeee, not on ffff"):
        read_meta(file, encoder_sha256="f" * 64)


def _absent(file: Path) -> None:
    file.unlink()


def _other(file: Path) -> None:
    file.write_bytes(b"something else")


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-8])


def _of_another_kind(file: Path) -> None:
    from safetensors.torch import save_file

    save_file({"gate": torch.zeros(6)}, file)


@pytest.mark.parametrize("damage", [_absent, _other, _cut, _of_another_kind])
def test_what_is_no_meta_adapter_is_refused_in_one_line(
    damage: Callable[[Path], None], file: Path
) -> None:
    damage(file)
    with pytest.raises(PackError, match="is no meta-adapter") as refused:
        read_meta(file, encoder_sha256=ENCODER)
    assert "\n" not in str(refused.value)


def test_one_changed_bit_is_noticed(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    with pytest.raises(PackError, match="is damaged"):
        read_meta(file, encoder_sha256=ENCODER)
