"""The camera: its node and rights, argus, modes, and a frame from it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterable

from edgeclip_device.credentials import camera_credentials
from edgeclip_device.doctor.base import Finding, Patient, output_of
from edgeclip_device.sources.pipelines import pipeline_of, shown
from edgeclip_device.urls import masked

_ARGUS_SOCKET = "/tmp/argus_socket"
_PATIENCE_S = 45.0


def check_camera(patient: Patient) -> Iterable[Finding]:
    """Judge the source's node, what serves it, its modes, and take a frame."""
    source = patient.settings.camera.source
    if source is None:
        yield Finding("camera", "fail", "none is named", "name it as [camera].source")
        return
    node = f"/dev/video{source}" if source.isdigit() else source
    if node.startswith("/dev/"):
        yield _node(patient, node)
        yield _modes(node)
    else:
        yield Finding("camera", "ok", masked(source))
        yield Finding("camera modes", "absent", "only device nodes list theirs")
    pipeline = pipeline_of(patient.settings.camera, camera_credentials())
    if pipeline is not None:
        yield Finding("pipeline", "ok", shown(pipeline, camera_credentials()))
    yield _argus(patient, pipeline or "")
    yield _frame(patient)


def _node(patient: Patient, node: str) -> Finding:
    path = patient.tree.path(node)
    try:
        mode = path.stat().st_mode
    except OSError:
        others = [str(p) for p in patient.tree.glob("/dev/v4l/by-id/*")]
        there = f"; there are {', '.join(others)}" if others else ""
        step = "plug it in, look at dmesg, and name it by /dev/v4l/by-id/..."
        return Finding("camera", "fail", f"there is no {node}{there}", step)
    if not stat.S_ISCHR(mode):
        return Finding("camera", "fail", f"{node} is no device", "name /dev/v4l/by-id/...")
    if not os.access(path, os.R_OK | os.W_OK):
        step = "add the user to the group video; the units' users are in it"
        return Finding("camera", "fail", f"{node} may not be opened by this user", step)
    if "/by-id/" not in node:
        step = "name it by /dev/v4l/by-id/...: numbers change"
        return Finding("camera", "warn", f"{node} is there", step)
    return Finding("camera", "ok", f"{node} is there")


def _modes(node: str) -> Finding:
    listed = output_of("v4l2-ctl", "--list-formats-ext", "--device", node)
    if listed is None:
        return Finding("camera modes", "absent", "v4l2-ctl is not here or says nothing")
    sizes = sorted({line.split()[-1] for line in listed.splitlines() if "Size:" in line})
    return Finding("camera modes", "ok", f"{len(sizes)} sizes: {', '.join(sizes[:6])}")


def _argus(patient: Patient, pipeline: str) -> Finding:
    if "nvarguscamerasrc" not in pipeline:
        return Finding("argus", "absent", "the source needs none")
    if not patient.tree.path(_ARGUS_SOCKET).exists():
        step = "sudo systemctl restart nvargus-daemon; if it fails, reboot"
        return Finding("argus", "fail", f"no socket at {_ARGUS_SOCKET}", step)
    return Finding("argus", "ok", f"nvargus-daemon listens at {_ARGUS_SOCKET}")


def _frame(patient: Patient) -> Finding:
    """Take a frame in a process of its own: a read that hangs is killed with it."""
    if not patient.may_open_camera:
        return Finding("test frame", "absent", "not taken: --no-frame")
    camera = patient.settings.camera
    command = [sys.executable, "-m", "edgeclip_device.doctor.take_frame"]
    try:
        done = subprocess.run(
            command,
            input=camera.model_dump_json(),
            capture_output=True, text=True, check=False, timeout=_PATIENCE_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        step = "a camera that hangs: unplug it, or restart what serves it (argus, the camera)"
        return Finding("test frame", "fail", f"none within {_PATIENCE_S:.0f} s", step)
    if done.returncode != 0:
        reason = (done.stderr.strip() or "the process ended").splitlines()[-1]
        step = "if detect has the camera, this is expected: sudo systemctl stop edgeclip-detect"
        return Finding("test frame", "fail", reason.removeprefix("error: "), step)
    facts = json.loads(done.stdout)
    if not facts:
        return Finding("test frame", "absent", "nothing has come into the folder yet")
    return judge_frame(facts)


def judge_frame(facts: dict[str, float]) -> Finding:
    """Judge a frame by its size, mean level and texture."""
    found = (
        f"{facts['width']:.0f} x {facts['height']:.0f}, mean level {facts['mean']:.0f},"
        f" deviation {facts['deviation']:.0f}"
    )
    if facts["mean"] < 4 and facts["deviation"] < 2:
        step = "take the cap off, and look at exposure and cable"
        return Finding("test frame", "warn", f"black: {found}", step)
    return Finding("test frame", "ok", found)
