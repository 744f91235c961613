"""What the engine builder needs of TensorRT, for a build that lasts until it is cancelled.

Copied beside a test as `tensorrt.py`. It has nothing more, so a name that is used beside these
fails.
"""

from __future__ import annotations

import sys
import time

__version__ = "10.3.0.30"


class ILogger:
    class Severity:
        ERROR = 1


class IProgressMonitor:
    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        raise NotImplementedError

    def step_complete(self, phase_name: str, step: int) -> bool:
        raise NotImplementedError

    def phase_finish(self, phase_name: str) -> None:
        raise NotImplementedError


class NetworkDefinitionCreationFlag:
    STRONGLY_TYPED = 1


class MemoryPoolType:
    WORKSPACE = 0


class ProfilingVerbosity:
    LAYER_NAMES_ONLY = 0


class _Network:
    num_inputs = 0
    num_outputs = 1


class _Settings:
    progress_monitor: IProgressMonitor

    def set_memory_pool_limit(self, pool: int, size: int) -> None:
        assert pool == MemoryPoolType.WORKSPACE
        assert size >= 1 << 20

    def add_optimization_profile(self, profile: object) -> int:
        return 0 if profile is not None else -1


class OnnxParser:
    def __init__(self, network: _Network, logger: ILogger) -> None:
        self.parts = (network, logger)

    def parse_from_file(self, model: str) -> bool:
        return bool(model)


class Builder:
    def __init__(self, logger: ILogger) -> None:
        self.logger = logger

    def create_network(self, flags: int) -> _Network:
        assert flags == 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED
        return _Network()

    def create_builder_config(self) -> _Settings:
        return _Settings()

    def create_optimization_profile(self) -> object:
        return object()

    def build_serialized_network(self, network: _Network, config: _Settings) -> None:
        assert network.num_outputs
        monitor = config.progress_monitor
        monitor.phase_start("Building engine", None, 10_000)
        sys.stdout.write("building\n")
        sys.stdout.flush()
        step = 0
        while monitor.step_complete("Building engine", step):
            step += 1
            time.sleep(0.01)
        monitor.phase_finish("Building engine")
