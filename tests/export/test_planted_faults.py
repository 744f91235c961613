"""Faults planted where a user would meet them: each command ends in one clear line and its code."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from safetensors.numpy import load_file, save_file

from support import stand_in_tensorrt
from support.altered_bundles import PACK, change_json, hash_again
from support.export_commands import Finished, Run, command_line, environment, refused
from support.tiny_packs import TinyEncoder, random_tensors, write_encoder, write_tiny_pack

Fault = Callable[[Path], None]


def _named(encoder: TinyEncoder) -> tuple[object, ...]:
    return "--backbone", encoder.config, "--pretrained", encoder.weights


def test_a_weight_that_is_no_number_makes_no_bundle(run: Run, tmp_path: Path) -> None:
    encoder = write_encoder(tmp_path / "encoder")
    write_tiny_pack(tmp_path / "pack", encoder.load(), random_tensors(1, columns=3, names=()))
    tensors = load_file(encoder.weights)
    tensors["visual.conv1.weight"][0, 0, 0, 0] = np.nan
    save_file(tensors, encoder.weights)
    path = tmp_path / "pack/pack.json"
    base = json.loads(path.read_text())["base"]
    change_json(path, base=base | {"weights_sha256": encoder.load().base.weights_sha256})
    out = tmp_path / "bundle"
    done = run("bundle", "--pack", tmp_path / "pack", "--out", out, *_named(encoder))
    refused(done, 3, "weights are finite visual.conv1.weight is not", "name sound weights")
    assert not out.exists()


def _swap_names(pack: Path) -> None:
    one, other, *rest = json.loads((pack / "pack.json").read_text())["classes"]
    change_json(pack / "pack.json", classes=[other, one, *rest])


def _swap_columns(pack: Path) -> None:
    one, other, *rest = json.loads((pack / "pack.json").read_text())["column_class"]
    change_json(pack / "pack.json", column_class=[other, one, *rest])


LABELS = pytest.mark.parametrize(
    ("fault", "words"),
    [
        (_swap_names, "its prompts or class names are not those that it was trained with"),
        (_swap_columns, "column_class must be in the order of the classes"),
    ],
    ids=["names", "columns"],
)


@LABELS
def test_labels_in_a_wrong_order_make_no_bundle(
    fault: Fault, words: str, run: Run, pack_folder: Path, encoder: TinyEncoder, tmp_path: Path
) -> None:
    pack, out = Path(shutil.copytree(pack_folder, tmp_path / "pack")), tmp_path / "bundle"
    fault(pack)
    refused(run("bundle", "--pack", pack, "--out", out, *_named(encoder)), 5, words)
    assert not out.exists()


@LABELS
def test_labels_in_a_wrong_order_are_found_in_a_bundle(
    fault: Fault, words: str, run: Run, bundle: Path
) -> None:
    fault(bundle / PACK)
    refused(run("verify", bundle), 5, "pack.json was altered or cut short: copy the bundle again")
    hash_again(bundle)
    refused(run("verify", bundle), 5, words)


def test_a_class_matrix_in_a_wrong_order_computes_other_outputs(run: Run, bundle: Path) -> None:
    path = bundle / PACK / "adapter.safetensors"
    tensors = load_file(path)
    tensors["class_weights"] = np.ascontiguousarray(tensors["class_weights"][:, ::-1])
    save_file(tensors, path)
    hash_again(bundle)
    done = run("verify", bundle, "--backend", "ort")
    refused(done, 3, "leopard 1.0.0, ONNX Runtime: logits", "do not ship this bundle")


def _weights(bundle: Path) -> Path:
    return next(bundle.glob("backbone/*/weights.fp16.bin"))


def _cut(bundle: Path) -> None:
    path = _weights(bundle)
    path.write_bytes(path.read_bytes()[:-4096])


def _flip_a_byte(bundle: Path) -> None:
    data = bytearray(_weights(bundle).read_bytes())
    data[len(data) // 2] ^= 0x40
    _weights(bundle).write_bytes(data)


def _older(bundle: Path) -> None:
    change_json(bundle / "manifest.json", schema="edgeclip.bundle/1")


def _of_another_version(bundle: Path) -> None:
    change_json(bundle / PACK / "pack.json", version="1.2.0")
    hash_again(bundle)


WRONG_BUNDLES = pytest.mark.parametrize(
    ("fault", "words"),
    [
        (_cut, "weights.fp16.bin was altered or cut short: copy the bundle again"),
        (_flip_a_byte, "weights.fp16.bin was altered or cut short: copy the bundle again"),
        (_older, "the bundle's format is edgeclip.bundle/1, this software reads"),
    ],
    ids=["truncated weight file", "flipped byte", "older version"],
)


@WRONG_BUNDLES
@pytest.mark.parametrize("command", ["verify", "engine", "benchmark", "sign", "add-pack"])
def test_a_wrong_bundle_is_refused_by_every_command_that_computes_or_changes(
    fault: Fault,
    words: str,
    command: str,
    run: Run,
    bundle: Path,
    pack_folder: Path,
    tmp_path: Path,
) -> None:
    run("keygen", tmp_path / "team")
    more = {"sign": ("--key", tmp_path / "team"), "add-pack": (pack_folder,)}.get(command, ())
    fault(bundle)
    refused(run(command, bundle, *more), 5, words)
    assert not (bundle / "engines").exists()


def test_a_pack_that_is_another_than_the_manifest_says_isrefused(run: Run, bundle: Path) -> None:
    _of_another_version(bundle)
    done = run("verify", bundle)
    refused(done, 5, "pack.json is leopard 1.2.0, manifest.json says leopard 1.0.0")


def test_a_foreign_pack_neither_makes_a_bundle_nor_enters_one(
    run: Run, bundle: Path, encoder: TinyEncoder, tmp_path: Path
) -> None:
    other = write_encoder(tmp_path / "other", seed=9)
    write_tiny_pack(tmp_path / "pack", other.load(), random_tensors(1, columns=3, names=()))
    before = (bundle / "manifest.json").read_bytes()
    refused(run("add-pack", bundle, tmp_path / "pack"), 5, "export a bundle of its own")
    assert (bundle / "manifest.json").read_bytes() == before
    out = tmp_path / "bundle-of-it"
    done = run("bundle", "--pack", tmp_path / "pack", "--out", out, *_named(encoder))
    refused(done, 5, "the pack was trained on another encoder")
    assert not out.exists()


def _unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[-1].op_type = "Levitate"


def _transpose_bytes(model: onnx.ModelProto) -> None:
    """Turn the frames while they are bytes still, which TensorRT cannot."""
    cast = next(node for node in model.graph.node if node.op_type == "Cast")
    cast.input[0] = "turned_back"
    turned = helper.make_node("Transpose", ["images"], ["turned"], perm=[0, 3, 1, 2])
    back = helper.make_node("Transpose", ["turned"], ["turned_back"], perm=[0, 2, 3, 1])
    for node in (back, turned):
        model.graph.node.insert(0, node)


def _change_graphs(bundle: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    for path in bundle.glob("backbone/*/*.onnx"):
        model = onnx.load(path, load_external_data=False)
        change(model)
        path.write_bytes(model.SerializeToString())
    hash_again(bundle)


@pytest.mark.rtx
def test_an_unknown_operator_is_named_by_runtime_and_builder(run: Run, bundle: Path) -> None:
    _change_graphs(bundle, _unknown_operator)
    refused(run("verify", bundle, "--backend", "ort"), 4, "Levitate")
    refused(run("engine", bundle), 4, "Levitate")
    assert not (bundle / "engines").exists()


@pytest.mark.rtx
def test_bytes_that_are_transposed_before_the_cast_become_no_engine(run: Run, bundle: Path) -> None:
    _change_graphs(bundle, _transpose_bytes)
    refused(run("engine", bundle), 4, "model.trt.onnx", "type UInt8 but must")
    assert not (bundle / "engines").exists()


def _interrupted(
    *arguments: object, first: Path | None, at: str, sign: signal.Signals = signal.SIGINT
) -> Finished:
    """Press Ctrl-C, or send another signal, as soon as a command prints a line that begins so."""
    process = subprocess.Popen(
        command_line(*arguments),
        env=environment(first, PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert any(line.startswith(at) for line in iter(process.stdout.readline, ""))
        process.send_signal(sign)
        try:
            out, errors = process.communicate(timeout=300)
        finally:
            process.kill()  # one that did not end would be waited for without end
    return Finished(process.returncode, out, errors)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_build_and_leaves_nothing_of_an_engine(
    bundle: Path, tmp_path: Path, sign: signal.Signals
) -> None:
    shutil.copyfile(stand_in_tensorrt.__file__, tmp_path / "tensorrt.py")
    done = _interrupted("engine", bundle, first=tmp_path, at="building", sign=sign)
    assert (done.code, done.err.splitlines()[-1]) == (130, "interrupted")
    assert "Traceback" not in done.err
    assert not (bundle / "engines").exists()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_export_and_leaves_nothing_of_a_bundle(
    pack_folder: Path, encoder: TinyEncoder, tmp_path: Path, sign: signal.Signals
) -> None:
    out = tmp_path / "bundle"
    arguments = ("bundle", "--pack", pack_folder, "--out", out, *_named(encoder))
    done = _interrupted(*arguments, first=None, at="✓ FP16 tower in torch: outputs", sign=sign)
    assert (done.code, done.err) == (130, "interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_a_runtime_that_the_bundle_was_not_made_for_isrefused(run: Run, bundle: Path) -> None:
    change_json(bundle / "manifest.json", requires={"onnxruntime": ">=99"})
    refused(run("verify", bundle, "--backend", "ort"), 5, "the bundle needs onnxruntime >=99, here")


@pytest.mark.rtx
def test_a_builder_that_the_bundle_was_not_made_for_builds_nothing(run: Run, bundle: Path) -> None:
    change_json(bundle / "manifest.json", requires={"tensorrt_rtx": "<1"})
    for more in ((), ("--dry-run",), ("--no-preflight",)):
        refused(run("engine", bundle, *more), 5, "the bundle needs tensorrt_rtx <1, here is 1.")
    assert not (bundle / "engines").exists()
