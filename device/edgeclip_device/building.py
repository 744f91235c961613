"""The exporter's engine builder as a process of its own: the device does not import it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeclip.contract.engine_key import EngineSidecar, checked_sidecar
from edgeclip.errors import (
    EXIT_INTERRUPTED,
    BackendError,
    BundleMismatchError,
    EdgeclipError,
    GateError,
    SetupError,
)

_MODULE = "edgeclip_export.cli"
_ERROR = "error: "
_ERRORS: dict[int, type[EdgeclipError]] = {
    kind.exit_code: kind for kind in (GateError, SetupError, BundleMismatchError)
}


@dataclass(frozen=True)
class Built:
    """An engine that the builder names.

    Attributes:
        path: Its file.
        sidecar: What is known of it, after its hash was checked.
        was_there: It was built before, by whomever.
    """

    path: Path
    sidecar: EngineSidecar
    was_there: bool


@dataclass(frozen=True)
class BuildOptions:
    """What `edgeclip-export engine` is told.

    Attributes:
        precision: A rung, or auto: the best that did not fail here.
        fast: A quicker build of a slower engine.
        rebuild: Build even where one fits.
    """

    precision: str = "auto"
    fast: bool = False
    rebuild: bool = False

    def arguments(self) -> list[str]:
        """Return them for the command line."""
        flags = {"--fast": self.fast, "--rebuild": self.rebuild}
        return ["--precision", self.precision, *(name for name, on in flags.items() if on)]


def build_engine(
    bundle: Path, options: BuildOptions, *, python: Sequence[str] = (sys.executable,)
) -> Built:
    """Return the bundle's engine for this machine, after `edgeclip-export engine` ran.

    Its progress goes to stderr; neither torch nor onnx is needed.

    Args:
        bundle: The folder.
        options: What it is told.
        python: Starts an interpreter.

    Raises:
        SetupError: The exporter, TensorRT, memory or disk is missing; with the builder's line.
        GateError: No rung is left: each was built, and computes something else.
        BundleMismatchError: The bundle has no such graph, or is damaged.
        BackendError: The build failed.
    """
    if importlib.util.find_spec("edgeclip_export") is None:
        raise SetupError(
            "edgeclip_export is not installed, and builds the engine: install edgeclip whole,"
            " pip install 'edgeclip[device]'"
        )
    command = [*python, "-m", _MODULE, "engine", str(bundle), *options.arguments(), "--json"]
    done = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with done:
        line = _passed_on(done)
        out = done.stdout.read() if done.stdout else ""
    if done.returncode == EXIT_INTERRUPTED or done.returncode < 0:
        raise KeyboardInterrupt
    if done.returncode:
        raise _ERRORS.get(done.returncode, BackendError)(
            line or f"the builder ended with exit code {done.returncode}"
        )
    told = json.loads(out[out.index("{") :])  # a library may have printed before
    path = Path(told["engine"])
    return Built(path, checked_sidecar(path), bool(told["was_there"]))


def _passed_on(process: subprocess.Popen[str]) -> str:
    """Hand on what it says of its progress; return the line of its error, or its last one."""
    last = ""
    for line in process.stderr or ():
        last = line.removeprefix(_ERROR).strip() or last
        if not line.startswith(_ERROR):
            sys.stderr.write(line)
    return last
