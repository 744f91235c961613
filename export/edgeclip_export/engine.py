"""ONNX graph -> TensorRT engine, strongly typed. No torch and no onnx: it also runs on a Jetson.

TensorRT answers a failure with None or False and keeps the reason in its logger, so each result is
checked at once and raised with the logger's last lines.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, SupportsInt, TypeVar

from edgeclip.contract.bundle import Profile
from edgeclip.contract.engine_key import Machine, Runtime
from edgeclip.contract.gpu import find_gpu
from edgeclip.contract.profiles import input_shapes
from edgeclip.contract.tensorrt_api import TensorRtApi
from edgeclip.errors import BackendError
from edgeclip_export.config import EngineConfig

FLAGS = ("STRONGLY_TYPED",)
_KEPT_LINES = 4
_POLL_S = 0.2  # how soon Ctrl-C is seen

ResultT = TypeVar("ResultT")


if TYPE_CHECKING:
    import tensorrt as trt  # type: ignore[import-not-found, unused-ignore]  # stubs may be absent
else:
    trt = TensorRtApi()


class BuildProgress(Protocol):
    """Hears how a build goes on; called from the builder's thread."""

    def phase_started(self, name: str, parent: str | None, steps: int) -> None:
        """Begin a phase of `steps` steps inside `parent`."""

    def step_done(self, name: str, step: int) -> None:
        """Finish a step of a phase, counted from 0."""

    def phase_finished(self, name: str) -> None:
        """Finish a phase, also one that was cancelled."""


def this_machine() -> Machine:
    """Return the runtime and GPU here, which bind an engine.

    Raises:
        SetupError: No TensorRT is installed.
    """
    runtime: Runtime = "tensorrt_rtx" if module_name() == "tensorrt_rtx" else "tensorrt"
    return Machine.of(runtime, trt.__version__, find_gpu())


def module_name() -> str:
    """Return which runtime is installed: `tensorrt` or `tensorrt_rtx`.

    Raises:
        SetupError: None is.
    """
    name: str = trt.module_name  # type: ignore[attr-defined, unused-ignore]  # the accessor's own
    return name


def build_engine(
    graph: Path, profiles: Mapping[str, Profile], config: EngineConfig, progress: BuildProgress
) -> bytes:
    """Return an engine as TensorRT writes it.

    The build runs in a thread of its own, so that an interruption reaches this one at once; the
    builder then stops at its next step.

    Args:
        graph: The ONNX file; its types decide the engine's.
        profiles: Sizes of the free dimensions, by letter.
        config: Workspace and optimisation level.
        progress: Hears of each phase and step.

    Raises:
        SetupError: No TensorRT is installed.
        BackendError: The graph is refused or the build fails; with the logger's last lines.
        KeyboardInterrupt: The build was interrupted, and has ended.
    """
    cancelled = threading.Event()
    with ThreadPoolExecutor(1, thread_name_prefix="engine") as pool:
        future = pool.submit(_build, graph, profiles, config, _Watch(progress, cancelled))
        try:
            return _wait_for(future)
        except KeyboardInterrupt:
            cancelled.set()
            raise  # leaving the block waits for the builder's next step


def _wait_for(future: Future[bytes]) -> bytes:
    while wait([future], timeout=_POLL_S).not_done:
        continue  # in slices, since a wait without a limit would not see Ctrl-C everywhere
    return future.result()


class _Watch:
    """What the builder's thread reports to: the caller's progress, and the wish to stop."""

    def __init__(self, progress: BuildProgress, cancelled: threading.Event) -> None:
        self.progress = progress
        self.cancelled = cancelled


def _build(
    graph: Path, profiles: Mapping[str, Profile], config: EngineConfig, watch: _Watch
) -> bytes:
    lines: deque[str] = deque(maxlen=_KEPT_LINES)
    logger = _logger(lines)
    try:
        builder = trt.Builder(logger)
    except (TypeError, RuntimeError) as error:  # pybind's word for a null pointer
        raise BackendError(_message("no builder could be made", lines)) from error
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = _made(builder.create_network(flags), "no network could be made", lines)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(graph)):
        raise BackendError(_message(f"{graph} was refused by the parser", lines))
    if network.num_outputs == 0:  # the parser takes an empty file for an empty graph
        raise BackendError(_message(f"{graph} holds no graph: export the bundle again", lines))
    settings = _settings(builder, config, lines)
    monitor = _monitor(watch)
    settings.progress_monitor = monitor
    _add_profile(builder, network, settings, profiles, lines)
    engine = builder.build_serialized_network(network, settings)
    if watch.cancelled.is_set():
        raise BackendError("the build was cancelled")
    return _bytes_of(_made(engine, f"no engine could be built from {graph}", lines))


def _settings(builder: trt.Builder, config: EngineConfig, lines: deque[str]) -> trt.IBuilderConfig:
    settings = _made(builder.create_builder_config(), "no builder settings", lines)
    settings.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, config.workspace_mb << 20)
    settings.builder_optimization_level = config.optimisation_level
    settings.max_aux_streams = 0  # each costs memory, which boards up to 8 GB lack
    settings.profiling_verbosity = trt.ProfilingVerbosity.LAYER_NAMES_ONLY
    return settings


def _add_profile(
    builder: trt.Builder,
    network: trt.INetworkDefinition,
    settings: trt.IBuilderConfig,
    profiles: Mapping[str, Profile],
    lines: deque[str],
) -> None:
    profile = _made(builder.create_optimization_profile(), "no profile could be made", lines)
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        shape = tensor.shape  # indexed, since its signature has no iterator
        fixed = tuple(int(shape[axis]) for axis in range(len(shape)))
        if -1 in fixed:
            low, usual, high = (
                trt.Dims(list(sizes)) for sizes in input_shapes(tensor.name, profiles, fixed)
            )
            profile.set_shape(tensor.name, low, usual, high)
    if settings.add_optimization_profile(profile) < 0:
        raise BackendError(_message("the sizes in the bundle's profiles were refused", lines))


def _logger(lines: deque[str]) -> trt.ILogger:
    """Return a logger that keeps warnings and errors; the class exists once TensorRT is loaded."""

    class Logger(trt.ILogger):  # type: ignore[misc, unused-ignore]  # Any without stubs
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
            if severity <= trt.ILogger.Severity.ERROR:
                lines.append(" ".join(msg.split())[:300])

    return Logger()


def _monitor(watch: _Watch) -> trt.IProgressMonitor:
    """Return TensorRT's view of the progress; its answer to a step says whether to go on."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc, unused-ignore]  # Any without stubs
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(
            self, phase_name: str, parent_phase: str | None, num_steps: SupportsInt
        ) -> None:
            watch.progress.phase_started(phase_name, parent_phase, int(num_steps))

        def step_complete(self, phase_name: str, step: SupportsInt) -> bool:
            watch.progress.step_done(phase_name, int(step))
            return not watch.cancelled.is_set()

        def phase_finish(self, phase_name: str) -> None:
            watch.progress.phase_finished(phase_name)

    return Monitor()


def _made(result: ResultT | None, what: str, lines: deque[str]) -> ResultT:
    if result is None:
        raise BackendError(_message(what, lines))
    return result


def _message(what: str, lines: deque[str]) -> str:
    reason = "; ".join(lines) or "its logger is silent"
    return f"TensorRT: {what}: {reason}"


def _bytes_of(memory: Any) -> bytes:
    """Copy host memory; it has Python's buffer interface, which the signatures do not tell."""
    return bytes(memory)
