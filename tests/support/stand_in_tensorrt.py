"""What the engine builder needs of TensorRT, for a build that lasts until it is cancelled.

Copied beside a test as `tensorrt.py`. It has nothing more, so a name that is used beside these
fails; `tests/fences/test_stand_ins.py` holds it to TensorRT's signatures. With the environment
variable `STAND_IN_STEPS` the build ends after so many steps, and measures something.
"""

from __future__ import annotations

import os
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


class ITimingCache:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def serialize(self) -> bytes:
        return self.content


class INetworkDefinition:
    num_inputs = 0
    num_outputs = 1


class IBuilderConfig:
    progress_monitor: IProgressMonitor
    timing_cache: ITimingCache | None = None

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache | None:
        if serialized_timing_cache == b"rubbish":
            return None
        return ITimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        if cache.content == b"of another device":
            return False
        self.timing_cache = cache
        return True

    def set_memory_pool_limit(self, pool: int, pool_size: int) -> None:
        assert pool == MemoryPoolType.WORKSPACE
        assert pool_size >= 1 << 20

    def add_optimization_profile(self, profile: object) -> int:
        return 0 if profile is not None else -1


class OnnxParser:
    def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
        self.parts = (network, logger)

    def parse_from_file(self, model: str) -> bool:
        return bool(model)


class Builder:
    def __init__(self, logger: ILogger) -> None:
        self.logger = logger

    def create_network(self, flags: int) -> INetworkDefinition:
        assert flags == 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED
        return INetworkDefinition()

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig()

    def create_optimization_profile(self) -> object:
        return object()

    def build_serialized_network(
        self, network: INetworkDefinition, config: IBuilderConfig
    ) -> bytes | None:
        assert network.num_outputs
        steps = int(os.environ.get("STAND_IN_STEPS", "0"))
        monitor = config.progress_monitor
        monitor.phase_start("Building engine", None, 10_000)
        sys.stdout.write("building\n")
        sys.stdout.flush()
        step = 0
        while monitor.step_complete("Building engine", step):
            step += 1
            if step == steps:
                break
            time.sleep(0.01)
        monitor.phase_finish("Building engine")
        if step != steps:
            return None
        if config.timing_cache is not None:
            config.timing_cache.content += b"measured;"
        return b"an engine"
