"""Which backend runs: what was asked for, or with auto what fits; said once, never in silence."""

from __future__ import annotations

import logging
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from edgeclip.contract.engine_key import EngineSidecar, Machine, survey_engines
from edgeclip.contract.pack import GOLDEN_FILE
from edgeclip.errors import BackendError, BundleMismatchError, EdgeclipError, PackError, SetupError
from edgeclip_device.backends.base import Backend
from edgeclip_device.config import InferenceSettings
from edgeclip_device.packs import LoadedPack

log = logging.getLogger(__name__)

_GOLDEN_FRAMES = 3


def open_backend(pack: LoadedPack, settings: InferenceSettings) -> Backend:
    """Return the backend with the pack bound, after it computed golden outputs rightly.

    Args:
        pack: What is to be bound.
        settings: The table `[inference]`.

    Raises:
        SetupError: What was asked for is not installed.
        BackendError: It cannot load the graph, or computes something else than the exporter did.
        BundleMismatchError: The bundle has no engine or graph for it.
    """
    backend = _best(pack, settings) if settings.backend == "auto" else _named(pack, settings)
    how = "with it baked in" if pack.bundle_manifest.baked else "bound as inputs"
    log.info("backend %s %s runs pack %s, %s", backend.name, backend.precision, pack.name, how)
    return backend


def _best(pack: LoadedPack, settings: InferenceSettings) -> Backend:
    try:
        return _checked(_tensorrt(pack), pack)
    except (SetupError, BundleMismatchError, BackendError) as error:
        log.warning("backend auto: no TensorRT (%s): ONNX Runtime takes over", error)
    return _checked(open_onnxruntime(pack, settings), pack)


def _named(pack: LoadedPack, settings: InferenceSettings) -> Backend:
    if settings.backend == "tensorrt":
        return _checked(_tensorrt(pack), pack)
    return _checked(open_onnxruntime(pack, settings), pack)


def open_onnxruntime(pack: LoadedPack, settings: InferenceSettings) -> Backend:
    """Return ONNX Runtime with the bundle's graph for it; nothing is bound or checked yet.

    Raises:
        SetupError: ONNX Runtime is not installed.
        BackendError: It cannot load the graph.
        BundleMismatchError: The bundle has no graph for it.
    """
    from edgeclip_device.backends.onnxruntime_backend import OnnxRuntimeBackend

    graph = pack.bundle_manifest.graph_for("onnxruntime")
    return OnnxRuntimeBackend(pack.bundle / graph.file, settings.threads)


def _tensorrt(pack: LoadedPack) -> Backend:
    from edgeclip_device.backends.tensorrt_backend import TensorRtBackend, this_machine

    engine, sidecar = fitting_engine(pack, this_machine())
    return TensorRtBackend(engine, sidecar.made_from.precision)


def fitting_engine(pack: LoadedPack, machine: Machine) -> tuple[Path, EngineSidecar]:
    """Return the engine of a pack's bundle that fits a machine, the fastest rung first.

    Raises:
        BundleMismatchError: None fits.
    """
    survey = survey_engines(pack.bundle, pack.bundle_manifest, machine)
    for name, reason in survey.refused.items():
        log.warning("engine %s is passed over: %s", name, reason)
    if not survey.fitting:
        raise BundleMismatchError(
            f"{pack.bundle} has no engine for this machine: run `edgeclip-export engine"
            f" {pack.bundle}` here"
        )
    return survey.fitting[0]


def _checked(backend: Backend, pack: LoadedPack) -> Backend:
    """Bind the pack, and compare some golden outputs: some engines compute nonsense."""
    try:
        backend.bind(pack.slots)
        _check_golden(backend, pack)
    except EdgeclipError:
        backend.close()
        raise
    return backend


def _check_golden(backend: Backend, pack: LoadedPack) -> None:
    images, features, probabilities = golden_frames(pack, _GOLDEN_FRAMES)
    tolerance = pack.bundle_manifest.tolerance
    found = [backend.run(images[index : index + 1]) for index in range(len(images))]
    cosine = np.sum(np.concatenate([item.image_features for item in found]) * features, axis=1)
    apart = float(np.max(1 - cosine))
    differs = float(
        np.abs(np.concatenate([item.probabilities for item in found]) - probabilities).max()
    )
    if not (apart <= tolerance.one_minus_cosine and differs <= tolerance.probability):
        raise BackendError(
            f"{backend.name} {backend.precision} does not compute what the exporter did:"
            f" 1 - cosine {apart:.2g} (at most {tolerance.one_minus_cosine:.2g}), probability off"
            f" by {differs:.2g} (at most {tolerance.probability:.2g}): build the engine in fp32,"
            " or export the bundle again"
        )


def golden_frames(
    pack: LoadedPack, most: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Return a pack's golden frames with their image features and probabilities.

    Args:
        pack: The pack.
        most: How many at most, from the first on; None for all.

    Raises:
        PackError: They cannot be read.
    """
    path = pack.folder / GOLDEN_FILE
    try:
        with np.load(path, allow_pickle=False) as arrays:
            images = arrays["images"][:most]
            features = arrays["image_features"][:most]
            return images, features, arrays["probabilities"][:most]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise PackError(f"{path} cannot be read ({error}): export the bundle again") from error
