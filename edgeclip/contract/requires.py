"""Which versions of a runtime a bundle's graphs need, and whether the installed one will do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field

from edgeclip.errors import BundleMismatchError

Requirement = Annotated[str, Field(pattern=r"^(>=|<)\d+(\.\d+)*(,(>=|<)\d+(\.\d+)*)*$")]
"""Bounds of a version, all of which hold: `>=10.3,<12`."""

RUNTIMES: Final[Mapping[str, str]] = {
    "onnxruntime": ">=1.18",
    "tensorrt": ">=10.3,<12",
    "tensorrt_rtx": ">=1.5",
}
"""What the graphs of this software need: their opset and IR version in ONNX Runtime; in TensorRT
also every name of `tensorrt_names.json`."""


def satisfies(version: str, requirement: str) -> bool:
    """Return whether a version fits, for example `10.3.0.30` and `>=10.3,<12`."""
    bounds = re.findall(r"(>=|<)([\d.]+)", requirement)
    found = release_numbers(version)
    return all((found >= release_numbers(bound)) is (sign == ">=") for sign, bound in bounds)


def require_runtime(requires: Mapping[str, str], runtime: str, version: str) -> None:
    """Refuse a runtime that a bundle's graphs were not made for.

    Args:
        requires: Of the bundle's manifest; a runtime that it does not name may have any version.
        runtime: onnxruntime, tensorrt or tensorrt_rtx.
        version: The installed one.

    Raises:
        BundleMismatchError: The version is another than the bundle needs.
    """
    wanted = requires.get(runtime, "")
    if not satisfies(version, wanted):
        raise BundleMismatchError(
            f"the bundle needs {runtime} {wanted}, here is {version}: install a version that fits,"
            " or export the bundle again"
        )


def release_numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, for example `(10, 3, 0, 30)`; suffixes are left out."""
    return tuple(int(number) for number in re.findall(r"\d+", version))
