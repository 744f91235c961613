"""OpenCV, GStreamer and NumPy: which are loaded, from where, and whether they fit together."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgeclip_device.doctor.base import Finding, Patient, output_of

_JETPACK = "on a Jetson: pip uninstall opencv-python opencv-python-headless, in the venv"


def check_opencv(patient: Patient) -> Iterable[Finding]:
    """Judge OpenCV's origin, GStreamer in it, and NumPy beside it."""
    try:
        cv2: Any = importlib.import_module("cv2")
    except ImportError as error:
        yield _cannot_be_loaded(error)
        return
    yield _origin(patient, Path(cv2.__file__), str(cv2.__version__))
    yield _gstreamer(patient, str(cv2.getBuildInformation()))
    yield numpy_pair(patient, Path(cv2.__file__), version("numpy"))


def check_watchdog_element(_patient: Patient) -> Iterable[Finding]:
    """Look for the element that ends a pipeline whose camera hangs."""
    if output_of("gst-inspect-1.0", "--version") is None:
        yield Finding("gstreamer watchdog", "absent", "no gst-inspect-1.0")
    elif output_of("gst-inspect-1.0", "watchdog") is None:
        step = "sudo apt install gstreamer1.0-plugins-bad"
        yield Finding("gstreamer watchdog", "warn", "no element `watchdog`", step)
    else:
        yield Finding("gstreamer watchdog", "ok", "the element is there")


def _cannot_be_loaded(error: ImportError) -> Finding:
    reason = " ".join(str(error).split())
    step = "pip install 'edgeclip[device]'; on a Jetson a venv made with --system-site-packages"
    if "static TLS" in reason:
        step = f"start with LD_PRELOAD={reason.split(':')[0]} (a known fault of the loader)"
    return Finding("opencv", "fail", f"cannot be loaded: {reason}", step)


def _origin(patient: Patient, file: Path, number: str) -> Finding:
    others = [
        str(folder) for folder in _folders_with_cv2() if folder.resolve() != file.parent.resolve()
    ]
    found = f"OpenCV {number} in {file.parent}"
    if patient.is_jetson and "dist-packages" not in str(file):
        return Finding("opencv", "fail", f"{found}: a wheel covers JetPack's", _JETPACK)
    if others:
        return Finding(
            "opencv", "warn", f"{found}, and another in {others[0]}", "remove one of them"
        )
    return Finding("opencv", "ok", found)


def _folders_with_cv2() -> list[Path]:
    return [Path(entry) / "cv2" for entry in sys.path if (Path(entry) / "cv2").is_dir()]


def _gstreamer(patient: Patient, information: str) -> Finding:
    has = re.search(r"GStreamer:\s+YES", information) is not None
    source = patient.settings.camera.source or ""
    if has:
        return Finding("gstreamer", "ok", "built into OpenCV")
    if " ! " in source or patient.is_jetson:
        return Finding("gstreamer", "fail", "not built into this OpenCV", _JETPACK)
    return Finding("gstreamer", "absent", "not built into this OpenCV; the source needs none")


def numpy_pair(patient: Patient, cv2_file: Path, numpy_version: str) -> Finding:
    """Judge NumPy beside an OpenCV: JetPack 6's is built for NumPy 1."""
    found = f"NumPy {numpy_version}"
    is_system = "dist-packages" in str(cv2_file)
    if patient.is_jetson and is_system and int(numpy_version.split(".")[0]) >= 2:
        step = "pip install 'numpy<2' in the venv"
        return Finding("numpy", "warn", f"{found} beside JetPack's OpenCV, built for NumPy 1", step)
    return Finding("numpy", "ok", f"{found}, and OpenCV loads with it")
