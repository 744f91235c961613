from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgeclip.clip import Backbone
from edgeclip_export import cli
from support import stand_in_tensorrt
from support.tiny_packs import TinyEncoder, random_tensors, write_tiny_pack


class _Finished:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def last_line(self) -> str:
        return self.out.splitlines()[-1]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> object:
    """Run `edgeclip-export` in this process."""

    def command(*arguments: object) -> _Finished:
        monkeypatch.setattr(sys, "argv", ["edgeclip-export", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        printed = capsys.readouterr()
        code = exit_.value.code
        return _Finished(code if isinstance(code, int) else 0, printed.out, printed.err)

    return command


def _process(*arguments: object, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run it in a process of its own, with a folder before all others on the import path."""
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    return subprocess.run(
        [sys.executable, "-m", "edgeclip_export.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_bundle_prints_each_check_and_names_the_next_command(
    run: object, pack_folder: Path, encoder: TinyEncoder, tmp_path: Path
) -> None:
    assert callable(run)
    out = tmp_path / "bundle"
    names = ("--backbone", encoder.config, "--pretrained", encoder.weights)
    done: _Finished = run("bundle", "--pack", pack_folder, "--out", out, *names, "--max-batch", 2)
    assert done.code == 0
    lines = done.out.splitlines()
    assert sum(line.startswith("✓") for line in lines) >= 20
    assert not [line for line in lines if line.startswith("✗")]
    assert done.last_line == f"next: edgeclip-export engine {out}, or copy it to the device"
    assert json.loads((out / "manifest.json").read_text())["profiles"]["B"]["max"] == 2


def test_errors_are_one_line_with_their_exit_code(
    run: object, pack_folder: Path, bundle: Path, tmp_path: Path
) -> None:
    assert callable(run)
    for code, arguments in {
        2: ("bundle", "--pack", pack_folder, "--out", bundle),
        5: ("bundle", "--pack", tmp_path, "--out", tmp_path / "out"),
    }.items():
        done: _Finished = run(*arguments)
        assert (done.code, done.out) == (code, "")
        assert done.err.startswith("error: ")
        assert done.err.count("\n") == 1


def test_a_pack_whose_encoder_is_not_known_here_asks_for_it(
    run: object, pack_folder: Path, tmp_path: Path
) -> None:
    assert callable(run)
    done: _Finished = run("bundle", "--pack", pack_folder, "--out", tmp_path / "bundle")
    assert done.code == 2
    assert "name it with --backbone NAME|FILE.json --pretrained TAG|FILE" in done.err


def test_verify_ends_with_what_was_proved(run: object, bundle: Path) -> None:
    assert callable(run)
    done: _Finished = run("verify", bundle)
    assert done.code == 0
    assert done.last_line == f"{bundle} is whole, and computes what its packs promise"


def test_verify_prints_json_for_a_machine(run: object, bundle: Path) -> None:
    assert callable(run)
    done: _Finished = run("verify", bundle, "--json")
    assert [check["passed"] for check in json.loads(done.out)["checks"]] == [True] * 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("verify", "--backend", "cpu"), "--backend is 'cpu': only ort (ONNX Runtime) is there"),
        (("engine", "--precision", "int8"), "--precision is 'int8': give fp16 or fp32"),
    ],
)
def test_a_choice_that_is_not_there_is_refused_with_those_that_are(
    run: object, bundle: Path, arguments: tuple[str, ...], message: str
) -> None:
    assert callable(run)
    done: _Finished = run(arguments[0], bundle, *arguments[1:])
    assert done.code == 2
    assert message in done.err


@pytest.mark.parametrize("value", ["15", "-1", "65537", "much"])
def test_a_workspace_out_of_range_is_a_usage_error(run: object, bundle: Path, value: str) -> None:
    assert callable(run)
    done: _Finished = run("engine", bundle, "--workspace-mb", value)
    assert done.code == 2
    assert "--workspace-mb" in done.err


def test_inspect_shows_a_table_and_json(run: object, bundle: Path) -> None:
    assert callable(run)
    table: _Finished = run("inspect", bundle)
    assert "tiny-vit" in table.out
    assert "leopard" in table.out
    facts: _Finished = run("inspect", bundle, "--json")
    assert json.loads(facts.out)["packs"][0]["version"] == "1.0.0"


@pytest.mark.rtx
def test_engine_says_what_was_built_and_that_it_is_reused(run: object, bundle: Path) -> None:
    assert callable(run)
    first: _Finished = run("engine", bundle)
    assert first.code == 0
    assert first.out.startswith(f"built {bundle}/engines/")
    second: _Finished = run("engine", bundle)
    assert second.out.startswith("already built: ")
    third: _Finished = run("engine", bundle, "--json")
    assert json.loads(third.out)["was_there"] is True


@pytest.mark.rtx
def test_an_engine_built_without_a_gpu_says_that_it_never_ran(run: object, bundle: Path) -> None:
    assert callable(run)
    done: _Finished = run("engine", bundle, "--json")
    if json.loads(done.out)["device"] != "no-gpu":
        pytest.skip("this machine has a GPU")
    assert run("engine", bundle).last_line.startswith("built, not run here: no GPU")


def test_without_any_tensorrt_the_error_names_the_extras(bundle: Path, tmp_path: Path) -> None:
    for name in ("tensorrt", "tensorrt_rtx"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('lib{name}.so is missing')")
    done = _process("engine", bundle, path=tmp_path)
    assert done.returncode == 4
    assert "libtensorrt.so is missing; libtensorrt_rtx.so is missing" in done.stderr
    assert "'edgeclip[rtx]'" in done.stderr
    assert "'edgeclip[gpu]'" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.rtx
def test_an_engine_is_built_where_no_torch_and_no_onnx_is_as_on_a_jetson(
    bundle: Path, tmp_path: Path
) -> None:
    for name in ("cv2", "onnx", "onnxruntime", "open_clip", "safetensors", "torch"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} is not on a Jetson')")
    for command in ("engine", "inspect"):
        done = _process(command, bundle, path=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_tensorrt_without_a_driver_is_a_one_line_error(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "tensorrt.py").write_text(
        "__version__ = '10.3.0'\n"
        "class ILogger:\n    pass\n"
        "class Builder:\n"
        "    def __init__(self, logger):\n"
        "        raise TypeError('pybind11::init(): factory function returned nullptr')\n"
    )
    done = _process("engine", bundle, path=tmp_path)
    assert done.returncode == 4
    assert done.stderr == ("error: TensorRT: no builder could be made: its logger is silent\n")
    assert not (bundle / "engines").exists()


def test_ctrl_c_cancels_a_long_build_and_exits_with_130(bundle: Path, tmp_path: Path) -> None:
    shutil.copyfile(stand_in_tensorrt.__file__, tmp_path / "tensorrt.py")
    process = subprocess.Popen(
        [sys.executable, "-m", "edgeclip_export.cli", "engine", str(bundle)],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "building\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not (bundle / "engines").exists()


def test_help_names_every_command() -> None:
    done = _process("--help")
    assert done.returncode == 0
    for name in ("bundle", "engine", "verify", "inspect"):
        assert name in done.stdout


def test_a_bundle_is_signed_verified_and_signed_again_with_a_further_pack(
    run: object, bundle: Path, backbone: Backbone, tmp_path: Path
) -> None:
    assert callable(run)
    key, public, pack = tmp_path / "team", tmp_path / "team.pub", tmp_path / "pack"
    names = ("va_down", "va_up", "va_ratio", "class_bias")
    write_tiny_pack(pack, backbone, random_tensors(4, columns=3, names=names), version="1.1.0")
    made: _Finished = run("keygen", key)
    assert "name it in [inference].public_keys" in made.last_line
    unsigned: _Finished = run("verify", bundle, "--key", public)
    assert (unsigned.code, unsigned.out) == (5, "")
    assert "edgeclip-export sign" in unsigned.err
    signed: _Finished = run("sign", bundle, "--key", key, "--json")
    key_id = json.loads(signed.out)["key_id"]
    assert f"by key {key_id}" in run("inspect", bundle).out
    assert run("verify", bundle, "--key", public).out.startswith("✓ signature")
    added: _Finished = run("add-pack", bundle, pack)
    assert added.last_line.endswith(f"next: edgeclip-export sign {bundle} --key")
    assert run("verify", bundle, "--key", public).code == 5
    assert json.loads(run("inspect", bundle, "--json").out)["signed_by"] is None


def test_add_pack_signs_with_the_key_that_it_is_given(
    run: object, bundle: Path, backbone: Backbone, tmp_path: Path
) -> None:
    assert callable(run)
    pack = tmp_path / "pack"
    names = ("va_down", "va_up", "va_ratio", "class_bias")
    write_tiny_pack(pack, backbone, random_tensors(4, columns=3, names=names), version="1.1.0")
    run("keygen", tmp_path / "team")
    missing: _Finished = run("add-pack", bundle, pack, "--key", tmp_path / "nowhere")
    assert missing.code == 2
    assert "is no private Ed25519 key" in missing.err
    facts = json.loads(run("add-pack", bundle, pack, "--key", tmp_path / "team", "--json").out)
    assert (facts["version"], facts["replaces"], facts["signed"]) == ("1.1.0", "1.0.0", True)
    assert run("verify", bundle, "--key", tmp_path / "team.pub").code == 0
