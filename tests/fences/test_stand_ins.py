"""The stand-ins for TensorRT have its methods, with its names of parameters, in both versions."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from support import stand_in_tensorrt as builder
from support import tensorrt_stand_in as runtime
from support.tensorrt_signatures import VERSIONS, Parameters, signatures

STAND_INS: dict[str, Any] = {
    "Builder": builder.Builder,
    "IBuilderConfig": builder.IBuilderConfig,
    "INetworkDefinition": builder.INetworkDefinition,
    "IProgressMonitor": builder.IProgressMonitor,
    "ITimingCache": builder.ITimingCache,
    "OnnxParser": builder.OnnxParser,
    "Dims": runtime.Dims,
    "ICudaEngine": runtime.Engine,
    "IExecutionContext": runtime.Context,
    "ILogger": runtime.ILogger,
    "Runtime": runtime.Runtime,
}


def _methods(kind: Any) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(inspect.signature(method).parameters)[1:]
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


def _differences(kind: Any, known: dict[str, list[Parameters]]) -> list[str]:
    """Return the methods that TensorRT lacks, or whose parameters it calls otherwise."""
    return [
        f"{name}{names}"
        for name, names in _methods(kind).items()
        if not any(names == (found or ())[: len(names)] for found in known.get(name, []))
    ]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", STAND_INS)
def test_a_stand_in_has_no_method_that_tensorrt_lacks(name: str, version: str) -> None:
    assert _differences(STAND_INS[name], signatures(version)[name]) == []


def test_another_name_of_a_parameter_would_be_found() -> None:
    class Planted:
        def parse_from_file(self, path: str) -> bool:
            return bool(path)

        def invented(self) -> None: ...

    known: dict[str, list[Parameters]] = {"parse_from_file": [("model",)]}
    assert _differences(Planted, known) == ["invented()", "parse_from_file('path',)"]
