"""An adapter is taken out of a pack, and the others stay bit for bit."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from edgeclip import cli
from edgeclip.adapters.model import AdapterModel, arrays
from edgeclip.contract.pack import PARTS_FILE
from edgeclip.errors import ConfigError
from edgeclip.kinds import Level
from edgeclip.methods import fresh_model, parse_method
from edgeclip.pack_parts import adapter_records, parts_bytes, read_parts
from edgeclip.pack_removal import Removal, remove_adapter
from edgeclip.packs import Pack, check_golden, load_pack, pack_files, write_pack
from support.every_kind import SMALL, Bench, make_bench
from support.tiny_packs import TinyEncoder, write_tiny_pack
from support.towers import disturb

AT = datetime(2026, 7, 1, tzinfo=timezone.utc)


def _written(bench: Bench, method: str, folder: Path) -> AdapterModel:
    """Write a pack of adapters that are as after some training."""
    model = fresh_model(parse_method(method), bench.base, bench.rows, SMALL)
    disturb(model, by=0.1)
    model.eval()
    tensors = model.pack_tensors()
    write_tiny_pack(folder / "bare", bench.backbone, tensors)
    bare = load_pack(folder / "bare")
    manifest = bare.manifest.model_copy(
        update={"adapters": adapter_records(model.stored()), "method": method}
    )
    start = arrays(bench.base.start.slots())
    files = {
        **pack_files(tensors, bare.golden), PARTS_FILE: parts_bytes(start, model.stored()),
    }  # fmt: skip
    write_pack(folder / "pack", manifest, files, report={"split.csv": "sha256\n"})
    return model


@pytest.mark.parametrize(
    ("level", "method", "kind", "left"),
    [
        ("features", "visual+xmodal+head", "visual", "xmodal+head"),
        ("features", "visual+xmodal+head", "head", "visual+xmodal"),
        ("tokens", "visual+block+block_xmodal+head", "block", "visual+block_xmodal+head"),
        ("tokens", "block+head", "block", "head"),
        ("weights", "lora+head", "lora", "head"),
        ("features", "visual", "visual", "zero-shot"),
    ],
)
def test_the_others_stay_bit_for_bit_and_golden_outputs_are_theirs(
    level: Level, method: str, kind: str, left: str, tmp_path: Path
) -> None:
    bench = make_bench(level, tmp_path / "tower")
    model = _written(bench, method, tmp_path)
    folder = tmp_path / "pack"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    remove_adapter(Removal(folder, kind, tmp_path / "less"), bench.backbone, at=AT)
    assert {path: path.read_bytes() for path in before} == before
    less, whole = load_pack(tmp_path / "less"), load_pack(folder)
    assert (less.manifest.method, less.manifest.metrics) == (left, {})
    assert less.manifest.created_at == AT
    assert less.manifest.training.earlier_sha256 == whole.manifest.files["adapter.safetensors"]
    assert (tmp_path / "less/report/split.csv").read_text() == "sha256\n"
    rest = [part for part in model.parts if part.kind != kind]
    expected = AdapterModel(bench.base.start, rest, bench.graph).eval().pack_tensors()
    _same_tensors(less, expected)
    assert check_golden(less, bench.backbone) == 0.0
    assert not np.array_equal(less.golden.logits, whole.golden.logits)
    assert [
        part.kind for part in read_parts(tmp_path / "less", less.manifest, less.tensors)[1]
    ] == [part.kind for part in rest]
    again = Removal(folder, kind, tmp_path / "less")
    with pytest.raises(ConfigError, match="is not empty: choose another --out, or add --overwrite"):
        remove_adapter(again, bench.backbone, at=AT)
    replaced = remove_adapter(replace(again, overwrite=True), bench.backbone, at=AT)
    assert replaced.files == less.manifest.files
    deep = any(part.kind.startswith("block") for part in rest)
    assert less.manifest.graph == ("deep" if deep else "head")


def _same_tensors(pack: Pack, expected: dict[str, np.ndarray]) -> None:
    assert pack.tensors.keys() == expected.keys()
    for name, value in expected.items():
        if name in ("class_weights", "class_bias"):  # sums of what each adapter added
            np.testing.assert_allclose(pack.tensors[name], value, atol=1e-6)
        else:
            np.testing.assert_array_equal(pack.tensors[name], value)


def test_an_adapter_that_the_pack_does_not_have_is_named(tmp_path: Path) -> None:
    bench = make_bench("features", tmp_path / "tower")
    _written(bench, "visual+head", tmp_path)
    with pytest.raises(ConfigError, match="has no adapter block: it has visual, head"):
        remove_adapter(Removal(tmp_path / "pack", "block", tmp_path / "x"), bench.backbone, at=AT)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "name --part of a set, or --adapter of a pack"),
        (("--part", "a", "--adapter", "b"), "name --part of a set, or --adapter of a pack"),
        (("--part", "a", "--backbone", "demo"), "--backbone and --pretrained are for --adapter"),
    ],
)
def test_the_command_wants_one_of_both(
    options: tuple[str, ...], message: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    line = ["edgeclip", "pack", "remove", str(tmp_path), "--out", str(tmp_path / "out"), *options]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_the_command_removes_and_says_whose_the_thresholds_are(
    pack: Path, encoder: TinyEncoder, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    names = ["--backbone", str(encoder.config), "--pretrained", str(encoder.weights)]
    out = tmp_path / "less"
    line = ["edgeclip", "pack", "remove", str(pack), "--adapter", "visual", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", [*line, *names])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "is without visual: head is left" in said
    assert "thresholds are those of the whole pack" in said
    assert check_golden(load_pack(out), encoder.load()) == 0.0
