"""What is looked at before a build that takes minutes: version, memory, disk, power mode."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from edgeclip.contract.engine_key import Machine
from edgeclip.contract.requires import RUNTIMES, release_numbers, satisfies
from edgeclip.errors import SetupError
from edgeclip_export.board import Board, free_disk_mb
from edgeclip_export.checks import Check

_LIBRARY_MB = {"tensorrt": 1700, "tensorrt_rtx": 400}  # kernels alone: TensorRT#4493; measured
_WEIGHT_COPIES = 8  # parsed, cast, packed for several kernels at once
_SPARE_DISK_MB = 64
_RTX_CAPABILITIES = ("8.0", "8.6", "8.9")  # and 12 on: what 1.7 says when it refuses an H100
_RTX_ALL_FROM = 12
_FIRST_WHEEL_FOR_ORIN = (10, 16, 1)  # earlier wheels for aarch64 are for servers only


@dataclass(frozen=True)
class Needs:
    """What a build takes.

    Attributes:
        memory_mb: With the runtime's kernels, MiB.
        disk_mb: For the engine, MiB.
    """

    memory_mb: int
    disk_mb: int

    @staticmethod
    def of(machine: Machine, weights_mb: int, workspace_mb: int) -> Needs:
        """Return an estimate: 3.5 GB for a ViT-B/32 in half precision with 512 MiB workspace."""
        library = _LIBRARY_MB[machine.runtime]
        memory = library + workspace_mb + _WEIGHT_COPIES * weights_mb
        return Needs(memory, 2 * weights_mb + _SPARE_DISK_MB)


def preflight_checks(
    machine: Machine, board: Board, needs: Needs, folder: Path
) -> tuple[Check, ...]:
    """Return what stands in the way of a build, and what does not.

    Args:
        machine: The runtime and GPU.
        board: What this machine has.
        needs: What the build takes.
        folder: Where the engine will lie.
    """
    return (
        _version(machine),
        *(_rtx_gpu(machine) if machine.runtime == "tensorrt_rtx" else ()),
        *(_wheel(machine) if board.is_jetson and machine.runtime == "tensorrt" else ()),
        _enough("memory and swap", board.free_mb, needs.memory_mb),
        _enough("disk", free_disk_mb(folder), needs.disk_mb),
        Check("power mode", None, note=board.power_mode or "none is readable here"),
    )


def require(checks: tuple[Check, ...]) -> None:
    """Stop where a check failed.

    Raises:
        SetupError: With the first one's line, which says what to do.
    """
    for check in checks:
        if check.passed is False:
            raise SetupError(f"{check.name}: {check.note}")


def _version(machine: Machine) -> Check:
    wanted = RUNTIMES[machine.runtime]
    name = f"{machine.runtime} {machine.runtime_version} is {wanted}"
    fits = satisfies(machine.runtime_version, wanted)
    return Check(name, fits, note="" if fits else "install a version that is")


def _rtx_gpu(machine: Machine) -> tuple[Check, ...]:
    """TensorRT-RTX builds for any GPU, and loads its engines on some."""
    capability = machine.compute_capability
    if not capability:  # no GPU: what is built here is for another machine
        return ()
    runs = capability in _RTX_CAPABILITIES or int(capability.split(".")[0]) >= _RTX_ALL_FROM
    remedy = "TensorRT-RTX loads no engine on it: use TensorRT, pip install 'edgeclip[gpu]'"
    name = f"{machine.device_name}, compute capability {capability}"
    return (Check(name, runs, note="" if runs else remedy),)


def _wheel(machine: Machine) -> tuple[Check]:
    """A wheel from the index cannot drive an Orin before 10.16.1; JetPack's own can."""
    is_wheel = importlib.util.find_spec("tensorrt_libs") is not None
    is_old = release_numbers(machine.runtime_version) < _FIRST_WHEEL_FOR_ORIN
    bad = is_wheel and is_old
    remedy = "this TensorRT is a wheel that cannot drive an Orin: pip uninstall it, and make the"
    remedy += " venv with --system-site-packages"
    return (Check("TensorRT can drive an Orin", not bad, note=remedy if bad else ""),)


def _enough(what: str, free_mb: int, needed_mb: int) -> Check:
    note = f"{free_mb} MiB free, about {needed_mb} needed"
    if free_mb >= needed_mb:
        return Check(f"enough {what}", True, note=note)
    remedy = "stop other programs or add swap" if "swap" in what else "delete what is not needed"
    return Check(f"enough {what}", False, note=f"{note}: {remedy}, or go on with --no-preflight")
