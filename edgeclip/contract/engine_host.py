"""A runtime with its GPU, and the engine of a bundle that fits them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from edgeclip.contract.bundle import BundleManifest
from edgeclip.contract.cuda_memory import CudaMemory
from edgeclip.contract.engine_key import EngineSidecar, Machine, Runtime, survey_engines
from edgeclip.contract.gpu import Gpu, find_gpu
from edgeclip.contract.requires import require_runtime
from edgeclip.contract.tensorrt_api import TensorRtApi, load_tensorrt
from edgeclip.errors import BundleMismatchError, SetupError


@dataclass(frozen=True)
class EngineHost:
    """A runtime with its GPU, or what stands in for them.

    Attributes:
        runtime: `tensorrt` or `tensorrt_rtx`.
        api: The accessor of its module.
        find: Asks for the GPU.
        memory: Opens the GPU's memory.
    """

    runtime: Runtime
    api: Any
    find: Callable[[], Gpu | None] = find_gpu
    memory: Callable[[], CudaMemory] = CudaMemory

    @staticmethod
    def of(runtime: Runtime) -> EngineHost:
        """Return a runtime that is imported at its first use."""
        return EngineHost(runtime, TensorRtApi(partial(load_tensorrt, (runtime,))))

    def machine(self) -> Machine:
        """Return what an engine must have been built for.

        Raises:
            SetupError: The runtime cannot be imported, or there is no GPU.
        """
        version = str(self.api.__version__)
        gpu = self.find()
        if gpu is None:
            raise SetupError(f"{self.runtime} {version} is here, but no GPU that its driver knows")
        return Machine.of(self.runtime, version, gpu)

    def engine_of(self, bundle: Path, manifest: BundleManifest) -> tuple[Path, EngineSidecar]:
        """Return the best engine that a bundle has for this machine.

        Args:
            bundle: The folder.
            manifest: What `read_bundle` gave.

        Raises:
            SetupError: Runtime, driver or GPU is missing.
            BundleMismatchError: There is no engine for this machine, or another version is needed.
        """
        machine = self.machine()
        require_runtime(manifest.requires, machine.runtime, machine.runtime_version)
        survey = survey_engines(bundle, manifest, machine)
        if not survey.fitting:
            refused = "".join(f" ({name}: {reason})" for name, reason in survey.refused.items())
            raise BundleMismatchError(
                f"{bundle} has no engine of {self.runtime} for this machine{refused}: run"
                f" `edgeclip-export engine {bundle}` here"
            )
        return survey.fitting[0]
