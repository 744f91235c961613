from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from support import stand_in_tensorrt
from support.export_commands import Run, in_a_process


@pytest.mark.parametrize("value", ["15", "-1", "65537", "much"])
def test_a_workspace_out_of_range_is_a_usage_error(run: Run, bundle: Path, value: str) -> None:
    done = run("engine", bundle, "--workspace-mb", value)
    assert done.code == 2
    assert "--workspace-mb" in done.err


@pytest.mark.rtx
def test_engine_says_what_was_built_and_that_it_is_reused(run: Run, bundle: Path) -> None:
    first = run("engine", bundle)
    assert first.code == 0
    lines = first.out.splitlines()
    assert lines[0].startswith("✓ tensorrt")
    assert lines[4].startswith(f"built {bundle}/engines/")
    second = run("engine", bundle)
    assert second.out.startswith("already built: ")
    third = run("engine", bundle, "--json")
    assert json.loads(third.out)["was_there"] is True


@pytest.mark.rtx
def test_an_engine_built_without_a_gpu_says_that_it_never_ran(run: Run, bundle: Path) -> None:
    done = run("engine", bundle, "--json")
    if json.loads(done.out)["device"] != "no-gpu":
        pytest.skip("this machine has a GPU")
    assert run("engine", bundle).last_line.startswith("built, not run here: no GPU")


def test_without_any_tensorrt_the_error_names_the_extras(bundle: Path, tmp_path: Path) -> None:
    for name in ("tensorrt", "tensorrt_rtx"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('lib{name}.so is missing')")
    done = in_a_process("engine", bundle, first=tmp_path)
    assert done.code == 4
    assert "libtensorrt.so is missing; libtensorrt_rtx.so is missing" in done.err
    assert "'edgeclip[rtx]'" in done.err
    assert "'edgeclip[gpu]'" in done.err
    assert done.err.count("\n") == 1


@pytest.mark.rtx
def test_an_engine_is_built_where_no_torch_and_no_onnx_is_as_on_a_jetson(
    bundle: Path, tmp_path: Path
) -> None:
    for name in ("cv2", "onnx", "onnxruntime", "open_clip", "safetensors", "torch"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} is not on a Jetson')")
    for command in ("engine", "inspect"):
        done = in_a_process(command, bundle, first=tmp_path)
        assert done.code == 0
        assert all(line.startswith("building for ") for line in done.err.splitlines())


def test_a_bundle_is_verified_where_no_torch_and_no_onnx_is(bundle: Path, tmp_path: Path) -> None:
    for name in ("cv2", "onnx", "open_clip", "torch"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} is not needed')")
    done = in_a_process("verify", bundle, "--backend", "ort", first=tmp_path)
    assert (done.code, done.err) == (0, "")


def test_a_tensorrt_without_a_driver_is_a_one_line_error(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "tensorrt.py").write_text(
        "__version__ = '10.3.0'\n"
        "class ILogger:\n    pass\n"
        "class Builder:\n"
        "    def __init__(self, logger):\n"
        "        raise TypeError('pybind11::init(): factory function returned nullptr')\n"
    )
    done = in_a_process("engine", bundle, first=tmp_path)
    assert done.code == 4
    assert done.err == "error: TensorRT: no builder could be made: its logger is silent\n"
    assert not (bundle / "engines").exists()


@pytest.mark.rtx
def test_a_dry_run_prints_the_plan_and_builds_nothing(run: Run, bundle: Path) -> None:
    done = run("engine", bundle, "--dry-run", "--fast", "--workspace-mb", 64)
    assert done.code == 0
    rows = dict(line.split(maxsplit=1) for line in done.out.splitlines() if line[0].isalpha())
    assert rows["engine"].strip().endswith(f"{rows['key'].strip()[:16]}.engine")
    assert "B 1-1-4" in rows["profiles"]
    assert rows["flags"] == "STRONGLY_TYPED"
    assert (rows["workspace"], rows["level"]) == ("64 MiB", "1")
    assert "timing cache      none: tensorrt_rtx measures nothing" in done.out
    assert done.last_line == "would be built"
    assert not (bundle / "engines").exists()
    facts = json.loads(run("engine", bundle, "--dry-run", "--json").out)
    assert facts["builds"] is True
    assert facts["precision"] == "fp16"


def test_a_log_gets_a_line_while_tensorrt_is_silent_and_measurements_are_kept(
    bundle: Path, tmp_path: Path
) -> None:
    shutil.copyfile(stand_in_tensorrt.__file__, tmp_path / "tensorrt.py")
    done = in_a_process("engine", bundle, first=tmp_path, STAND_IN_STEPS="550")
    assert done.code == 0
    assert done.err.startswith("building for 5 s: Building engine ")
    (timing,) = (bundle / "engines").glob("*.timing")
    assert timing.read_bytes() == b"measured;"
    again = in_a_process("engine", bundle, "--rebuild", first=tmp_path, STAND_IN_STEPS="1")
    assert (again.code, again.err) == (0, "")
    assert timing.read_bytes() == b"measured;measured;"
