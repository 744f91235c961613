"""Which backend runs: what was asked for, or with auto the best rung that computes rightly.

`auto` walks the ladder and says which rung it is on and why; what runs in place of a backend or
precision that was named is never less than was named without an alarm.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from edgeclip.errors import BackendError, BundleMismatchError, EdgeclipError, SetupError
from edgeclip_device.backends.base import Backend
from edgeclip_device.backends.ladder import LAST_RUNG, Candidate, Ladder, offered
from edgeclip_device.config import InferenceSettings
from edgeclip_device.packs import LoadedPack

log = logging.getLogger(__name__)

_GOLDEN_FRAMES = 3


@dataclass(frozen=True)
class Chosen:
    """The backend that runs.

    Attributes:
        backend: With the pack bound.
        rung: Its place on the ladder, 1 to `LAST_RUNG`.
        alarm: Why it is below the rung that was asked for; empty where that one runs.
    """

    backend: Backend
    rung: int
    alarm: str = ""


def open_backend(pack: LoadedPack, settings: InferenceSettings) -> Backend:
    """Return the backend of `choose_backend` alone."""
    return choose_backend(pack, settings).backend


def choose_backend(
    pack: LoadedPack,
    settings: InferenceSettings,
    ladder: Ladder | None = None,
    *,
    alarm_level: int = logging.ERROR,
) -> Chosen:
    """Return the backend with the pack bound, after it computed golden outputs rightly.

    Args:
        pack: What is to be bound.
        settings: The table `[inference]`.
        ladder: None is this machine's.
        alarm_level: Of the log, for what is below the rung that was asked for.

    Raises:
        SetupError: What was asked for is not installed.
        BackendError: It cannot load the graph, or computes something else than the exporter did.
        BundleMismatchError: The bundle has no engine or graph for it.
        PackError: The golden outputs cannot be read.
    """
    chosen = _walk(pack, settings, ladder or Ladder())
    how = "with it baked in" if pack.bundle_manifest.baked else "bound as inputs"
    name, precision = chosen.backend.name, chosen.backend.precision
    place = f"rung {chosen.rung} of {LAST_RUNG}"
    log.info("backend %s %s, %s, runs pack %s, %s", name, precision, place, pack.name, how)
    if chosen.alarm:
        log.log(alarm_level, "alarm degraded_precision: %s: %s", place, chosen.alarm)
    return chosen


def _walk(pack: LoadedPack, settings: InferenceSettings, ladder: Ladder) -> Chosen:
    """Go down the ladder to the first that serves."""
    offer = offered(pack, settings, ladder)
    failures: list[EdgeclipError] = []
    for candidate in offer.candidates:
        ladder.on_try()
        try:
            backend = _checked(candidate, pack)
        except (SetupError, BundleMismatchError, BackendError) as error:
            failures.append(error)
            log.warning("%s does not serve: %s", candidate.name, error)
            continue
        return Chosen(backend, candidate.rung, offer.alarm(candidate, [str(e) for e in failures]))
    if offer.absent:
        failures.append(offer.absent)  # last: an alarm's detail is cut, and what failed says more
    if len(failures) == 1:
        raise failures[0]
    raise BackendError("no backend serves: " + "; ".join(map(str, failures)))


def _checked(candidate: Candidate, pack: LoadedPack) -> Backend:
    """Bind the pack, and compare some golden outputs: some engines compute nonsense."""
    backend, parity = candidate.judged(pack, _GOLDEN_FRAMES)
    if problems := parity.problems(pack.bundle_manifest.tolerance):
        backend.close()
        raise BackendError(
            f"{backend.name} {backend.precision} does not compute what the exporter did:"
            f" {'; '.join(problems)}: `edgeclip-export engine {pack.bundle}` builds the next rung,"
            " or export the bundle again"
        )
    return backend
