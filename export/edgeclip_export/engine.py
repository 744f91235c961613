"""ONNX graph -> TensorRT engine, strongly typed. No torch and no onnx: it also runs on a Jetson."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Protocol, SupportsInt

from edgeclip.contract.bundle import Profile
from edgeclip.contract.profiles import input_shapes
from edgeclip.contract.tensorrt_reasons import Reasons
from edgeclip.errors import BackendError
from edgeclip_export.config import BuilderSettings
from edgeclip_export.tensorrt_runtime import trt
from edgeclip_export.timing_cache import TimingCache

_POLL_S = 0.2  # how soon Ctrl-C is seen


class BuildProgress(Protocol):
    """Hears how a build goes on."""

    def phase_started(self, name: str, parent: str | None, steps: int) -> None:
        """Begin a phase of `steps` steps inside `parent`; called from the builder's thread."""

    def step_done(self, name: str, step: int) -> None:
        """Finish a step of a phase, counted from 0; called from the builder's thread."""

    def phase_finished(self, name: str) -> None:
        """Finish a phase, also one that was cancelled; called from the builder's thread."""

    def waiting(self) -> None:
        """Hear, several times a second, that the build goes on; from the caller's thread."""


def build_engine(
    graph: Path,
    profiles: Mapping[str, Profile],
    settings: BuilderSettings,
    progress: BuildProgress,
    timing_cache: Path | None = None,
) -> bytes:
    """Return an engine as TensorRT writes it.

    The build runs in a thread of its own, so that an interruption reaches this one at once; the
    builder then stops at its next step.

    Args:
        graph: The ONNX file; its types decide the engine's.
        profiles: Sizes of the free dimensions, by letter.
        settings: Workspace, optimisation level, auxiliary streams.
        progress: Hears of each phase and step.
        timing_cache: What earlier builds on this device measured; read, and written after the
            build. None keeps none.

    Raises:
        SetupError: No TensorRT is installed.
        BackendError: The graph is refused or the build fails; with the logger's last lines.
        KeyboardInterrupt: The build was interrupted, and has ended.
    """
    watch = _Watch(progress)
    cache = TimingCache(timing_cache)
    with ThreadPoolExecutor(1, thread_name_prefix="engine") as pool:
        try:  # from here on: a signal may come while the thread is being started
            future = pool.submit(_Build(graph, profiles, settings, cache).run, watch)
            engine = _wait_for(future, progress)
        except BaseException:  # a progress that cannot be shown ends it, too
            watch.cancelled.set()
            raise  # leaving the block waits for the builder's next step
    cache.write()
    return engine


def _wait_for(future: Future[bytes], progress: BuildProgress) -> bytes:
    while wait([future], timeout=_POLL_S).not_done:
        progress.waiting()  # in slices, since a wait without a limit would not see Ctrl-C
    return future.result()


class _Watch:
    """What the builder's thread reports to: the caller's progress, and the wish to stop."""

    def __init__(self, progress: BuildProgress) -> None:
        self.progress = progress
        self.cancelled = threading.Event()


class _Build:
    """One build, in the builder's thread."""

    def __init__(
        self,
        graph: Path,
        profiles: Mapping[str, Profile],
        settings: BuilderSettings,
        cache: TimingCache,
    ) -> None:
        self._graph = graph
        self._profiles = profiles
        self._settings = settings
        self._cache = cache
        self._reasons = Reasons(trt)

    def run(self, watch: _Watch) -> bytes:
        made = self._reasons.made
        logger = self._reasons.logger()
        try:
            builder = trt.Builder(logger)
        except (TypeError, RuntimeError) as error:  # pybind's word for a null pointer
            raise self._reasons.error("no builder could be made") from error
        flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        network = made(builder.create_network(flags), "no network could be made")
        parser = trt.OnnxParser(network, logger)
        made(parser.parse_from_file(str(self._graph)), f"{self._graph} was refused by the parser")
        if network.num_outputs == 0:  # the parser takes an empty file for an empty graph
            raise self._reasons.error(f"{self._graph} holds no graph: export the bundle again")
        config = self._config(builder)
        self._add_profile(builder, network, config)
        monitor = _monitor(watch)
        config.progress_monitor = monitor
        engine = builder.build_serialized_network(network, config)
        if watch.cancelled.is_set():
            raise BackendError("the build was cancelled")
        made(engine, f"no engine could be built from {self._graph}")
        self._cache.collect()
        return _bytes_of(engine)

    def _config(self, builder: trt.Builder) -> trt.IBuilderConfig:
        config = self._reasons.made(builder.create_builder_config(), "no builder settings")
        workspace_bytes = self._settings.workspace_mb << 20
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_bytes)
        config.builder_optimization_level = self._settings.optimisation_level
        if self._settings.max_aux_streams is not None:
            config.max_aux_streams = self._settings.max_aux_streams
        config.profiling_verbosity = trt.ProfilingVerbosity.LAYER_NAMES_ONLY
        self._cache.attach(config)
        return config

    def _add_profile(
        self, builder: trt.Builder, network: trt.INetworkDefinition, config: trt.IBuilderConfig
    ) -> None:
        profile = self._reasons.made(
            builder.create_optimization_profile(), "no profile could be made"
        )
        for index in range(network.num_inputs):
            tensor = network.get_input(index)
            shape = tensor.shape  # indexed, since its signature has no iterator
            fixed = tuple(int(shape[axis]) for axis in range(len(shape)))
            if -1 in fixed:
                low, usual, high = (
                    trt.Dims(list(sizes))
                    for sizes in input_shapes(tensor.name, self._profiles, fixed)
                )
                profile.set_shape(tensor.name, low, usual, high)
        if config.add_optimization_profile(profile) < 0:
            raise self._reasons.error("the sizes in the bundle's profiles were refused")


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


def _bytes_of(memory: Any) -> bytes:
    """Copy host memory; it has Python's buffer interface, which the signatures do not tell."""
    return bytes(memory)
