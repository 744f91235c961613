"""The bundle, and what would run it: TensorRT's origin and version, engines that fit."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path

from edgeclip.contract.bundle import BundleManifest
from edgeclip.contract.engine_key import Machine, survey_engines
from edgeclip.contract.gpu import find_gpu
from edgeclip.contract.requires import require_runtime
from edgeclip.contract.tensorrt_api import load_tensorrt
from edgeclip.errors import BundleMismatchError, EdgeclipError, SetupError
from edgeclip_device.doctor.base import Finding, Patient
from edgeclip_device.trust import Trust


def check_bundle(patient: Patient) -> Iterable[Finding]:
    """Judge the bundle, then the runtimes for it."""
    manifest = None
    inference = patient.settings.inference
    if inference.bundle is None:
        step = "name it as [inference].bundle"
        yield Finding("bundle", "fail", "none is named", step)
    else:
        try:
            manifest = Trust(inference, patient.settings.state).read(inference.bundle)
        except EdgeclipError as error:
            yield Finding("bundle", "fail", str(error), "copy it again, whole and signed")
        else:
            packs = ", ".join(f"{pack.task}@{pack.version}" for pack in manifest.packs)
            signed = "signed" if inference.public_keys else "no [inference].public_keys: not judged"
            yield Finding("bundle", "ok", f"{inference.bundle}: {packs}; signature: {signed}")
    yield from _tensorrt(patient, manifest)
    yield _onnxruntime(manifest)


def _tensorrt(patient: Patient, manifest: BundleManifest | None) -> Iterable[Finding]:
    try:
        module = load_tensorrt(("tensorrt",))
    except SetupError as error:
        reason = str(error).split(":")[0]
        if patient.settings.inference.backend == "tensorrt":
            step = "a Jetson has it from JetPack; make the venv with --system-site-packages"
            yield Finding("tensorrt", "fail", reason, step)
        else:
            yield Finding("tensorrt", "absent", reason)
        return
    found = f"TensorRT {module.__version__} in {Path(str(module.__file__)).parent}"
    if patient.is_jetson and "dist-packages" not in str(module.__file__):
        step = "pip uninstall tensorrt: a wheel from the index does not know Orin"
        yield Finding("tensorrt", "fail", found, step)
        return
    yield Finding("tensorrt", "ok", found)
    if manifest is not None and patient.settings.inference.bundle is not None:
        machine = Machine.of("tensorrt", str(module.__version__), find_gpu())
        yield _engines(patient.settings.inference.bundle, manifest, machine)


def _engines(bundle: Path, manifest: BundleManifest, machine: Machine) -> Finding:
    step = f"edgeclip-export engine {bundle}"
    try:
        require_runtime(manifest.requires, "tensorrt", machine.runtime_version)
    except BundleMismatchError as error:
        return Finding("engine", "fail", str(error), "export the bundle again")
    survey = survey_engines(bundle, manifest, machine)
    if survey.fitting:
        engine, sidecar = survey.fitting[0]
        return Finding("engine", "ok", f"{engine.name}, {sidecar.made_from.precision}")
    if survey.refused:
        name, reason = next(iter(survey.refused.items()))
        return Finding("engine", "warn", f"{name} does not fit: {reason}", step)
    return Finding("engine", "warn", "none was built on this machine", step)


def _onnxruntime(manifest: BundleManifest | None) -> Finding:
    try:
        number = str(importlib.import_module("onnxruntime").__version__)
    except ImportError:
        return Finding("onnxruntime", "absent", "not installed; only TensorRT can serve")
    try:
        if manifest is not None:
            require_runtime(manifest.requires, "onnxruntime", number)
    except BundleMismatchError as error:
        return Finding("onnxruntime", "fail", str(error), "pip install another version")
    return Finding("onnxruntime", "ok", f"ONNX Runtime {number}")
