"""Which names of TensorRT may be used, and the one accessor, which gives out no other.

TensorRT 10.3 (JetPack 6.2), 10.16 (JetPack 7.2), 11 and TensorRT-RTX differ: what one has, another
removed. The names in `tensorrt_names.json` are in all of them. Nothing here imports TensorRT before
its first use.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from types import ModuleType
from typing import Any, TypedDict

from edgeclip.errors import SetupError

RUNTIMES = ("tensorrt", "tensorrt_rtx")
"""Python modules with this interface, the preferred one first."""

_REASON_CHARS = 120


class ApiNames(TypedDict):
    """What stands in `tensorrt_names.json`.

    Attributes:
        attributes: Names of the module that have no members of interest.
        enumerations: Name -> members: others are missing in some version, or change the typing.
        classes: Name -> methods and properties in use.
    """

    attributes: list[str]
    enumerations: dict[str, list[str]]
    classes: dict[str, list[str]]


@cache
def allowed_names() -> ApiNames:
    """Return the names that every supported TensorRT has."""
    text = files("edgeclip.contract").joinpath("tensorrt_names.json").read_text(encoding="utf-8")
    names: ApiNames = json.loads(text)
    return names


def load_tensorrt(runtimes: Sequence[str] = RUNTIMES) -> ModuleType:
    """Return the first of these modules that can be imported.

    Args:
        runtimes: Some of `RUNTIMES`, in the order of preference.

    Raises:
        SetupError: None can be imported; each one's reason is in the message.
    """
    reasons = []
    for name in runtimes:
        try:
            return importlib.import_module(name)
        except (ImportError, OSError) as error:
            reasons.append(" ".join(str(error).split())[:_REASON_CHARS])
    rtx = ", or 'edgeclip[rtx]' for an RTX card or to build without a GPU"
    if "tensorrt_rtx" not in runtimes:
        rtx = "; TensorRT for RTX, which `edgeclip-export` takes as well, does not serve here"
    raise SetupError(
        f"no TensorRT can be imported ({'; '.join(reasons)}): a Jetson has it from JetPack,"
        " visible to a venv made with --system-site-packages; elsewhere pip install"
        f" 'edgeclip[gpu]'{rtx}"
    )


class TensorRtApi:
    """The allowed names of a TensorRT module, loaded at the first use.

    Args:
        load: Imports the module; its errors come through.
    """

    def __init__(self, load: Callable[[], ModuleType] = load_tensorrt) -> None:
        self._load = load
        self._module: ModuleType | None = None

    @property
    def module_name(self) -> str:
        """`tensorrt` or `tensorrt_rtx`, whichever was loaded."""
        return self._loaded().__name__

    def __getattr__(self, name: str) -> Any:
        names = allowed_names()
        if name in names["enumerations"]:
            return _Members(getattr(self._loaded(), name), name, names["enumerations"][name])
        if name in names["attributes"] or name in names["classes"]:
            return getattr(self._loaded(), name)
        raise AttributeError(f"{name} is not in every TensorRT: see tensorrt_names.json")

    def _loaded(self) -> ModuleType:
        if self._module is None:
            self._module = self._load()
        return self._module


class _Members:
    """The allowed members of one enumeration."""

    def __init__(self, enumeration: Any, name: str, allowed: Sequence[str]) -> None:
        self._enumeration = enumeration
        self._name = name
        self._allowed = allowed

    def __getattr__(self, member: str) -> Any:
        if member not in self._allowed:
            raise AttributeError(f"{self._name}.{member} is not in every TensorRT")
        return getattr(self._enumeration, member)
