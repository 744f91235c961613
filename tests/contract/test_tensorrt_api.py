from __future__ import annotations

import importlib
from types import ModuleType

import pytest

from edgeclip.contract.tensorrt_api import ALLOWED_MEMBERS, ALLOWED_NAMES, TensorRtApi


def _stand_in() -> ModuleType:
    module = ModuleType("tensorrt")
    module.Builder = "builder"  # type: ignore[attr-defined]
    module.BuilderFlag = type("BuilderFlag", (), {"TF32": 7, "FP16": 0})  # type: ignore[attr-defined]
    module.IInt8Calibrator = "removed in 11"  # type: ignore[attr-defined]
    return module


def test_an_allowed_name_is_given_out_and_the_module_is_loaded_once() -> None:
    loads: list[ModuleType] = []

    def load() -> ModuleType:
        loads.append(_stand_in())
        return loads[-1]

    api = TensorRtApi(load)
    assert not loads
    assert api.Builder == "builder"
    assert api.module_name == "tensorrt"
    assert len(loads) == 1


def test_a_name_that_some_version_lacks_is_refused_even_if_this_one_has_it() -> None:
    with pytest.raises(AttributeError, match="IInt8Calibrator is not in every TensorRT"):
        _ = TensorRtApi(_stand_in).IInt8Calibrator


def test_a_flag_that_some_version_lacks_is_refused() -> None:
    flags = TensorRtApi(_stand_in).BuilderFlag
    assert flags.TF32 == 7
    with pytest.raises(AttributeError, match="FP16 is not in every TensorRT"):
        _ = flags.FP16


@pytest.mark.rtx
def test_tensorrt_rtx_has_every_allowed_name() -> None:
    rtx = importlib.import_module("tensorrt_rtx")
    assert [name for name in sorted(ALLOWED_NAMES) if not hasattr(rtx, name)] == []
    for name, members in ALLOWED_MEMBERS.items():
        assert [member for member in members if not hasattr(getattr(rtx, name), member)] == []
