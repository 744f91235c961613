from __future__ import annotations

import importlib
from types import ModuleType

import pytest

from edgeclip.contract.tensorrt_api import TensorRtApi, allowed_names, load_tensorrt
from edgeclip.errors import SetupError


def _stand_in() -> ModuleType:
    module = ModuleType("tensorrt")
    module.Builder = "builder"  # type: ignore[attr-defined]
    members = {"WORKSPACE": 7, "TACTIC_DRAM": 0}
    module.MemoryPoolType = type("MemoryPoolType", (), members)  # type: ignore[attr-defined]
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


def test_a_member_that_some_version_lacks_is_refused() -> None:
    pools = TensorRtApi(_stand_in).MemoryPoolType
    assert pools.WORKSPACE == 7
    with pytest.raises(AttributeError, match=r"MemoryPoolType\.TACTIC_DRAM is not in every"):
        _ = pools.TACTIC_DRAM


def test_where_no_runtime_is_the_error_gives_each_ones_reason() -> None:
    with pytest.raises(SetupError, match="'absent_one'; No module named 'absent_two'"):
        load_tensorrt(("absent_one", "absent_two"))


@pytest.mark.rtx
def test_tensorrt_rtx_has_every_allowed_name() -> None:
    rtx = importlib.import_module("tensorrt_rtx")
    names = allowed_names()
    groups = {**names["enumerations"], **names["classes"]}
    wanted: list[tuple[str, ...]] = [(name,) for name in names["attributes"]]
    wanted += [(name, member) for name, members in groups.items() for member in members]
    assert [path for path in wanted if not _has(rtx, path)] == []


def _has(owner: object, path: tuple[str, ...]) -> bool:
    for name in path:
        if not hasattr(owner, name):
            return False
        owner = getattr(owner, name)
    return True
