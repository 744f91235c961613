"""A candidate: unpacked, believed, loaded and tested on its golden frames, in a thread."""

from __future__ import annotations

import logging
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgeclip.contract.bundle import MANIFEST_FILE
from edgeclip.contract.hashing import sha256_bytes
from edgeclip.errors import (
    BackendError,
    BundleDamagedError,
    BundleMismatchError,
    EdgeclipError,
)
from edgeclip_device.backends.base import Backend
from edgeclip_device.backends.choosing import choose_backend
from edgeclip_device.backends.golden import golden_parity
from edgeclip_device.backends.ladder import Ladder
from edgeclip_device.classifier import Classifier
from edgeclip_device.config import DeviceSettings
from edgeclip_device.known_classes import refuse_unknown_classes
from edgeclip_device.own_engines import OwnEngines
from edgeclip_device.pack_router import PackRouter, load_router
from edgeclip_device.rollout.delivery import believer, unwrap
from edgeclip_device.rollout.shelf import Shelf
from edgeclip_device.trust import Trust

log = logging.getLogger(__name__)

_NAME_DIGITS = 16


@dataclass(frozen=True)
class Candidate:
    """A bundle that may run in shadow."""

    name: str
    router: PackRouter
    classifier: Classifier
    backend: Backend


class Preparing:
    """Prepares a candidate in a thread of its own, while the camera goes on being watched.

    Args:
        prepare: Returns the candidate.
    """

    def __init__(self, prepare: Callable[[], Candidate]) -> None:
        self.candidate: Candidate | None = None
        self.reason = ""
        self._prepare = prepare
        self._thread = threading.Thread(target=self._run, name="candidate", daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether there is a candidate, or a reason why there is none."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.candidate = self._prepare()
        except EdgeclipError as error:
            self.reason = str(error)
        except Exception as error:  # the thread's one supervised boundary
            log.exception("a candidate could not be prepared")
            self.reason = f"an error of ours: {error}: see detect's log"


def unpacked(delivery: Path, settings: DeviceSettings, shelf: Shelf) -> str:
    """Make a bundle of a delivery on the shelf; return its name.

    Args:
        delivery: The zip.
        settings: Whose signatures are believed, and which bundle serves.
        shelf: Where it goes.

    Raises:
        SignatureError: It is not signed by a key of `[inference].public_keys`.
        BundleDamagedError: It is no delivery, or damaged.
        BundleMismatchError: It decides already.
        OutboxError: The disk is full or cannot be written.
    """
    believed = believer(settings.inference.public_keys)
    base = shelf.path(shelf.read().serving)
    name = _name_of(delivery)
    if base is not None and name == _name_of_bundle(base):
        raise BundleMismatchError(
            f"what was sent ({delivery.name[:_NAME_DIGITS]}) decides here already: nothing changes"
        )
    unwrap(delivery, shelf.folder / name, base or Path(), believed)
    return name


def tested(name: str, shelf: Shelf) -> Candidate:
    """Return a bundle of the shelf, loaded, after all its golden frames came out right.

    Raises:
        ArtefactError: It may not decide: a signature, a hash, a downgrade, its format.
        BackendError: It computes something else than the exporter did.
        SetupError: What it needs is not installed.
        ConfigError: The configuration has thresholds, classes or packs that it lacks.
    """
    settings = shelf.applied(name)
    trust = Trust(settings.inference, settings.state, shelf.ran_here())
    router = load_router(settings.inference, settings.router, trust.read)
    refuse_unknown_classes(router, settings)  # else it would only fail once it decides
    pack = router.packs[router.resident]
    own = OwnEngines(settings.inference, settings.state)
    backend = choose_backend(pack, settings.inference, Ladder(believes=own.believes)).backend
    try:
        problems = golden_parity(backend, pack).problems(pack.bundle_manifest.tolerance)
        if problems:
            raise BackendError(f"{pack.name} fails its self-test: {'; '.join(problems)}")
    except BaseException:
        backend.close()
        raise
    return Candidate(name, router, Classifier(backend, router), backend)


def preparing(
    delivery: Path | None, name: str | None, settings: DeviceSettings, shelf: Shelf
) -> Preparing:
    """Begin to prepare a delivery, or a candidate that lies on the shelf already."""

    def prepare() -> Candidate:
        found = name if delivery is None else unpacked(delivery, settings, shelf)
        return tested(str(found), shelf)

    return Preparing(partial(prepare))


def _name_of_bundle(bundle: Path) -> str | None:
    try:
        return sha256_bytes((bundle / MANIFEST_FILE).read_bytes())[:_NAME_DIGITS]
    except OSError:  # it is missing: whatever comes is another one
        return None


def _name_of(delivery: Path) -> str:
    try:
        with zipfile.ZipFile(delivery) as file, file.open(MANIFEST_FILE) as entry:
            return sha256_bytes(entry.read(5_000_000))[:_NAME_DIGITS]
    except (OSError, KeyError, zipfile.BadZipFile, EOFError, RuntimeError) as error:
        raise BundleDamagedError(f"{delivery} is no delivery ({error}): send it again") from error
