"""Whether each backend of this device computes the golden outputs of the pack, and on which rung.

At a start three frames are compared, here all of them, of every backend that
the settings allow; the result is kept in the engine's sidecar.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgeclip.contract.bundle import Rung
from edgeclip.contract.engine_gate import EngineParity
from edgeclip.errors import BackendError, BundleMismatchError, ParityError, SetupError
from edgeclip_device.backends.ladder import Candidate, Ladder, offered
from edgeclip_device.config import InferenceSettings
from edgeclip_device.packs import LoadedPack


@dataclass(frozen=True)
class Verdict:
    """What was found of one backend.

    Attributes:
        backend: tensorrt or onnxruntime.
        rung: What it computes in; empty where it is absent.
        parity: How far it lies from the golden outputs; None where it is absent or cannot run.
        problems: What of it is beyond the bundle's tolerance, or why it cannot run.
        absent: Why it is not there; empty where it is.
    """

    backend: str
    rung: Rung | Literal[""] = ""
    parity: EngineParity | None = None
    problems: tuple[str, ...] = ()
    absent: str = ""

    @property
    def serves(self) -> bool:
        """It is there, and computes what it must."""
        return self.parity is not None and not self.problems


@dataclass(frozen=True)
class Verification:
    """What was found of all backends.

    Attributes:
        verdicts: Of each that `[inference]` allows, in the order in which a start takes them.
        serves: The one that a start would choose; None where none computes what it must.
        alarm: Why that is below the rung that was asked for; empty where it is not.
    """

    verdicts: tuple[Verdict, ...]
    serves: Verdict | None
    alarm: str

    def require_all(self, bundle: Path) -> None:
        """Stop where a backend that is there cannot run, or computes something else.

        Raises:
            BackendError: It cannot run.
            ParityError: With the first one's numbers, and what to do.
        """
        for verdict in self.verdicts:
            if verdict.problems:
                raise (BackendError if verdict.parity is None else ParityError)(
                    f"{verdict.backend}, rung {verdict.rung}: {'; '.join(verdict.problems)}:"
                    f" `edgeclip-export engine {bundle}` builds another, or export it again"
                )


def verify_backends(
    pack: LoadedPack, settings: InferenceSettings, ladder: Ladder | None = None
) -> Verification:
    """Return a verdict of each backend that a start would try, the preferred one first.

    Args:
        pack: What is bound.
        settings: The table `[inference]`; a backend that it names must be there.
        ladder: What engines need of the machine; None is this machine's.

    Raises:
        SetupError: The named backend, or with auto every one, is not installed.
        BundleMismatchError: The named backend has no engine or graph in the bundle.
        PackError: The golden outputs cannot be read.
    """
    offer = offered(pack, settings, ladder or Ladder())
    if offer.absent and not offer.candidates:
        raise offer.absent
    verdicts = [Verdict("tensorrt", absent=str(offer.absent))] if offer.absent else []
    serves, alarm = None, ""
    for candidate in offer.candidates:
        try:
            verdict = _verdict(candidate, pack)
        except (SetupError, BundleMismatchError) as error:
            if settings.backend == candidate.backend:
                raise
            verdict = Verdict(candidate.backend, absent=str(error))
        if verdict.serves and serves is None:
            failures = [
                f"{v.backend} {v.rung}: {'; '.join(v.problems)}" for v in verdicts if v.rung
            ]
            serves, alarm = verdict, offer.alarm(candidate, failures)
        verdicts.append(verdict)
    if all(verdict.absent for verdict in verdicts):
        raise SetupError("; ".join(verdict.absent for verdict in verdicts))
    return Verification(tuple(verdicts), serves, alarm)


def _verdict(candidate: Candidate, pack: LoadedPack) -> Verdict:
    """Compare every golden frame, one at a time as the device classifies them; close it."""
    try:
        backend, parity = candidate.judged(pack)
    except BackendError as error:
        return Verdict(candidate.backend, candidate.precision, problems=(str(error),))
    backend.close()
    problems = tuple(parity.problems(pack.bundle_manifest.tolerance))
    return Verdict(candidate.backend, candidate.precision, parity, problems)
