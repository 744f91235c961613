"""Whether each backend of this device computes the golden outputs of the pack, and on which rung.

At a start three frames are compared, here all of them; the result is kept in the sidecar.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgeclip.contract.engine_gate import EngineParity
from edgeclip.contract.engine_key import Machine, record_parity
from edgeclip.errors import BundleMismatchError, EdgeclipError, ParityError, SetupError
from edgeclip_device.backends import choosing
from edgeclip_device.backends.base import Backend
from edgeclip_device.config import InferenceSettings
from edgeclip_device.packs import LoadedPack

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """What was found of one backend.

    Attributes:
        backend: tensorrt or onnxruntime.
        rung: What it computes in; empty where it is absent.
        parity: How far it lies from the golden outputs; None where it is absent.
        problems: What of it is beyond the bundle's tolerance.
        absent: Why it is not there; empty where it is.
    """

    backend: str
    rung: str = ""
    parity: EngineParity | None = None
    problems: tuple[str, ...] = ()
    absent: str = ""

    @property
    def serves(self) -> bool:
        """It is there, and computes what it must."""
        return self.parity is not None and not self.problems


def verify_backends(
    pack: LoadedPack,
    settings: InferenceSettings,
    *,
    machine: Callable[[], Machine] | None = None,
    open_engine: choosing.OpenEngine | None = None,
) -> tuple[Verdict, ...]:
    """Return a verdict of each backend that `[inference].backend` allows, the preferred one first.

    Args:
        pack: What is bound.
        settings: The table `[inference]`; a backend that it names must be there.
        machine: Says what an engine must be for; None asks TensorRT and the driver.
        open_engine: Loads an engine; None takes TensorRT.

    Raises:
        SetupError: The named backend, or with auto every one, is not installed.
        BundleMismatchError: The named backend has no engine or graph in the bundle.
        BackendError: A backend that is there cannot load or run its graph.
        PackError: The golden outputs cannot be read.
    """
    verdicts = []
    for name in ("tensorrt", "onnxruntime"):
        if settings.backend not in ("auto", name):
            continue
        try:
            if name == "tensorrt":
                verdicts.append(_engine_verdict(pack, machine, open_engine))
            else:
                verdicts.append(_verdict(choosing.open_onnxruntime(pack, settings), pack))
        except (SetupError, BundleMismatchError) as error:
            if settings.backend == name:
                raise
            verdicts.append(Verdict(name, absent=str(error)))
    if all(verdict.absent for verdict in verdicts):
        raise SetupError("; ".join(verdict.absent for verdict in verdicts))
    return tuple(verdicts)


def require_all(verdicts: tuple[Verdict, ...], bundle: Path) -> None:
    """Stop where a backend that is there computes something else.

    Raises:
        ParityError: With the first one's numbers, and what to do.
    """
    for verdict in verdicts:
        if verdict.problems:
            raise ParityError(
                f"{verdict.backend}, rung {verdict.rung}: {'; '.join(verdict.problems)}:"
                f" `edgeclip-export engine {bundle}` builds the next rung, or export it again"
            )


def _engine_verdict(
    pack: LoadedPack, machine: Callable[[], Machine] | None, open_engine: choosing.OpenEngine | None
) -> Verdict:
    ladder = choosing.Ladder(machine, open_engine)
    engine, sidecar = choosing.fitting_engines(pack, ladder.this_machine())[0]
    backend = ladder.engine(engine, sidecar)
    verdict = _verdict(backend, pack)
    if verdict.parity is not None:
        try:
            record_parity(engine, sidecar, verdict.parity.figures(), list(verdict.problems))
        except OSError as error:
            log.warning("%s: its sidecar cannot be written (%s): run as its owner", engine, error)
    return verdict


def _verdict(backend: Backend, pack: LoadedPack) -> Verdict:
    """Compare every golden frame, one at a time as the device classifies them; close it."""
    try:
        backend.bind(pack.slots)
        parity = choosing.golden_parity(backend, pack)
    except EdgeclipError:
        backend.close()
        raise
    backend.close()
    problems = tuple(parity.problems(pack.bundle_manifest.tolerance))
    return Verdict(backend.name, backend.precision, parity, problems)
