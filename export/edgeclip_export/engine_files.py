"""A bundle's engines: reuse the one that fits, set aside what does not, build what is missing."""

from __future__ import annotations

import contextlib
import platform
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edgeclip.contract.bundle import ENGINES_FOLDER, read_bundle
from edgeclip.contract.engine_faults import set_aside
from edgeclip.contract.engine_key import (
    NO_GPU,
    EngineSidecar,
    EngineSurvey,
    Machine,
    survey_engines,
)
from edgeclip.contract.engine_lock import LOCK_FILE, engines_held
from edgeclip.contract.files import reason_of, remedy_for, write_bytes, write_text
from edgeclip.contract.gpu import find_gpu
from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.locks import lock_owner
from edgeclip.errors import ParityError, SetupError
from edgeclip_export.board import read_board
from edgeclip_export.checks import Check
from edgeclip_export.config import EngineConfig
from edgeclip_export.engine import BuildProgress, build_engine
from edgeclip_export.engine_plan import EnginePlan, plan_engines
from edgeclip_export.preflight import preflight_checks, require
from edgeclip_export.tensorrt_runtime import this_machine

_LEFT = (".*.engine.*", ".*.json.*", ".*.timing.*")
"""Files that were being written when their process was killed."""

Tell = Callable[[Check], None]


@dataclass(frozen=True)
class EngineResult:
    """An engine that lies ready.

    Attributes:
        path: The engine's file.
        sidecar: What is known of it.
        was_there: It was built before, and fits.
    """

    path: Path
    sidecar: EngineSidecar
    was_there: bool

    @property
    def is_for_no_gpu(self) -> bool:
        """It was built where no GPU is, so it has never run."""
        return self.sidecar.made_from.machine.device_name == NO_GPU


def prepare_engine(
    bundle: Path, config: EngineConfig, progress: BuildProgress, tell: Tell
) -> EngineResult:
    """Return the bundle's engine for this machine, building it where none fits.

    Engines that are damaged, stale or of another machine are moved to `engines/aside/`.

    Args:
        bundle: The folder.
        config: Precision, workspace, how much time to take.
        progress: Hears of a build's phases.
        tell: Hears of what was set aside, and of each check before the build.

    Raises:
        BundleMissingError: There is no bundle.
        BundleDamagedError: A file of the bundle was altered.
        BundleMismatchError: The bundle has no graph of that precision, or needs another TensorRT.
        SetupError: TensorRT, memory or disk is missing, or another build runs here.
        ParityError: Each rung was built before, and computes something else than it must.
        BackendError: The build failed.
    """
    manifest = read_bundle(bundle)
    machine = this_machine()
    plans = plan_engines(bundle, manifest, config, machine, read_board())
    with _alone(bundle):
        survey = survey_engines(bundle, manifest, machine)
        _set_aside(bundle, survey, tell)
        fitting = dict(survey.fitting)
        plan = _next(plans, survey, config)
        if not config.rebuild and plan.path in fitting:
            return EngineResult(plan.path, fitting[plan.path], was_there=True)
        return _build(plan, config, progress, tell)


def dry_run(bundle: Path, config: EngineConfig) -> tuple[EnginePlan, bool, tuple[Check, ...]]:
    """Return what `prepare_engine` would build, whether it is there, and the checks before it.

    Nothing is changed.

    Args:
        bundle: The folder.
        config: As for `prepare_engine`.

    Raises:
        ArtefactError: There is no bundle, it was altered, or has no graph of that precision.
        SetupError: No TensorRT is installed.
    """
    manifest = read_bundle(bundle)
    machine, board = this_machine(), read_board()
    survey = survey_engines(bundle, manifest, machine)
    plan = _next(plan_engines(bundle, manifest, config, machine, board), survey, config)
    there = plan.path in dict(survey.fitting)
    return plan, there, preflight_checks(machine, board, plan.needs, bundle)


def _next(plans: tuple[EnginePlan, ...], survey: EngineSurvey, config: EngineConfig) -> EnginePlan:
    """Return the first rung of the ladder that is not known to compute something else."""
    for plan in plans:
        if config.rebuild or plan.path.name not in survey.failed:
            return plan
    raise ParityError(
        f"{plans[-1].path.name} {survey.refused[plans[-1].path.name]}: no rung is left but ONNX"
        " Runtime; --rebuild builds the first one anew"
    )


def _build(
    plan: EnginePlan, config: EngineConfig, progress: BuildProgress, tell: Tell
) -> EngineResult:
    board = read_board()
    if config.preflight:
        checks = preflight_checks(plan.key.machine, board, plan.needs, plan.bundle)
        for check in checks:
            tell(check)
        require(checks)
    began = time.monotonic()
    graph = plan.bundle / plan.graph.file
    engine = build_engine(graph, plan.key.profiles, plan.settings, progress, plan.timing_cache)
    sidecar = _sidecar(plan, engine, time.monotonic() - began, board.power_mode)
    _write(plan.path, engine, sidecar)
    return EngineResult(plan.path, sidecar, was_there=False)


@contextmanager
def _alone(bundle: Path) -> Iterator[None]:
    """Hold the bundle's engines: two builds at once would take the memory of both."""
    folder = bundle / ENGINES_FOLDER
    with ExitStack() as held:
        try:
            held.enter_context(engines_held(folder))
            for pattern in _LEFT:  # of a process that was killed: who writes here holds the lock
                for left in folder.glob(pattern):
                    left.unlink(missing_ok=True)
        except BlockingIOError as error:
            owner = lock_owner(folder / LOCK_FILE)
            raise SetupError(
                f"process {owner} builds an engine in {bundle}: wait for it, or stop it"
            ) from error
        except OSError as error:
            with contextlib.suppress(OSError):
                (folder / LOCK_FILE).unlink(missing_ok=True)
                folder.rmdir()
            raise SetupError(
                f"{folder} cannot be written ({reason_of(error)}): {remedy_for(error)}"
            ) from error
        yield


def _set_aside(bundle: Path, survey: EngineSurvey, tell: Tell) -> None:
    """Move away what can never be used here."""
    for name, reason in survey.never_usable.items():
        engine = bundle / ENGINES_FOLDER / name
        try:
            set_aside(engine, reason)
        except OSError as error:
            raise SetupError(
                f"{engine} cannot be moved to aside/ ({reason_of(error)}): run as its owner"
            ) from error
        tell(Check(f"set aside {name}", None, note=reason))


def _write(path: Path, engine: bytes, sidecar: EngineSidecar) -> None:
    """Write engine and sidecar, or neither: the sidecar last, since it makes the engine count.

    An engine that was there before stays until the new one lies whole in its place.
    """
    is_there = False
    try:
        write_bytes(path, engine)
        is_there = True
        write_text(path.with_suffix(".json"), sidecar.to_json())
    except BaseException as error:
        if is_there:
            for half in (path, path.with_suffix(".json")):
                half.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise SetupError(
            f"{path} cannot be written ({reason_of(error)}; {len(engine) >> 20} MiB):"
            f" {remedy_for(error)}; nothing of it was left"
        ) from error


def _sidecar(plan: EnginePlan, engine: bytes, build_s: float, power_mode: str) -> EngineSidecar:
    return EngineSidecar(
        key=plan.key.digest(),
        made_from=plan.key,
        versions=_versions(plan.key.machine),
        engine_sha256=sha256_bytes(engine),
        engine_size_bytes=len(engine),
        built_at=datetime.now(timezone.utc),
        build_s=round(build_s, 3),
        peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,  # KiB on Linux
        power_mode=power_mode,
    )


def _versions(machine: Machine) -> dict[str, str]:
    versions = {"python": platform.python_version(), machine.runtime: machine.runtime_version}
    with contextlib.suppress(PackageNotFoundError):  # run from its sources
        versions["edgeclip"] = version("edgeclip")
    if gpu := find_gpu():
        versions["cuda_driver"] = gpu.cuda_version
    return versions
