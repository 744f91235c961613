"""Which names of TensorRT may be used, and an accessor that gives out no other.

TensorRT 10.3 (JetPack 6.2), 10.16 (JetPack 7.2), 11 and TensorRT-RTX differ: what one has, another
removed. The names here are in all of them. This module imports no TensorRT: a loader is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

RUNTIMES = ("tensorrt", "tensorrt_rtx")
"""Python modules with this interface, the preferred one first."""

ALLOWED_NAMES = frozenset(
    {
        "Builder",
        "BuilderFlag",
        "DataType",
        "Dims",
        "ICudaEngine",
        "IExecutionContext",
        "ILogger",
        "INetworkDefinition",
        "IProgressMonitor",
        "MemoryPoolType",
        "NetworkDefinitionCreationFlag",
        "OnnxParser",
        "ProfilingVerbosity",
        "Runtime",
        "TensorIOMode",
        "__version__",
        "nptype",
    }
)
"""Names of the module itself, in all four."""

ALLOWED_MEMBERS = {
    "BuilderFlag": frozenset({"TF32"}),
    "MemoryPoolType": frozenset({"WORKSPACE"}),
    "NetworkDefinitionCreationFlag": frozenset({"STRONGLY_TYPED"}),
    "ProfilingVerbosity": frozenset({"LAYER_NAMES_ONLY"}),
}
"""Members of enumerations whose other members some version lacks, or that change the typing."""


class TensorRtApi:
    """The allowed names of a TensorRT module, loaded at the first use.

    Args:
        load: Imports the module; its errors come through.
    """

    def __init__(self, load: Callable[[], ModuleType]) -> None:
        self._load = load
        self._module: ModuleType | None = None

    @property
    def module_name(self) -> str:
        """`tensorrt` or `tensorrt_rtx`, whichever was loaded."""
        return self._loaded().__name__

    def __getattr__(self, name: str) -> Any:
        if name not in ALLOWED_NAMES:
            raise AttributeError(f"{name} is not in every TensorRT: use a name of ALLOWED_NAMES")
        value = getattr(self._loaded(), name)
        members = ALLOWED_MEMBERS.get(name)
        return value if members is None else _Members(value, name, members)

    def _loaded(self) -> ModuleType:
        if self._module is None:
            self._module = self._load()
        return self._module


class _Members:
    """The allowed members of one enumeration."""

    def __init__(self, enumeration: Any, name: str, allowed: frozenset[str]) -> None:
        self._enumeration = enumeration
        self._name = name
        self._allowed = allowed

    def __getattr__(self, member: str) -> Any:
        if member not in self._allowed:
            raise AttributeError(f"{self._name}.{member} is not in every TensorRT")
        return getattr(self._enumeration, member)
