"""Packs that were uploaded to be sent: looked into, and kept by their hash until they are."""

from __future__ import annotations

import os
import re
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from edgeclip.contract.bundle import MANIFEST_FILE, SIGNATURE_FILE, BundleManifest, FileRecord
from edgeclip.contract.delivery import NO_ZIP, entry_parts, small_entry
from edgeclip.contract.hashing import sha256_bytes, sha256_file
from edgeclip.contract.signing import read_statement
from edgeclip.contract.validation import explain
from edgeclip.errors import BundleDamagedError, DashboardError, SignatureError
from edgeclip_dashboard.field.carried import carried, carried_names, named
from edgeclip_dashboard.field.taking_away import (
    REMOVED,
    alone_with,
    in_use,
    put_back,
    set_aside,
)

_PART: Final = ".part"
_LEFT_BEHIND_S: Final = 86_400.0  # no upload takes that long


@dataclass(frozen=True)
class Delivery:
    """A pack as `edgeclip-device pack wrap` makes it.

    Attributes:
        packs: Those that it carries, as task@version.
        key_id: Who says to have signed it; each device decides for itself whom it believes.
    """

    sha256: str
    size_bytes: int
    packs: tuple[str, ...]
    made_at: datetime
    key_id: str


@dataclass(frozen=True)
class Kept:
    """A delivery that lies here.

    Attributes:
        written_at: When it came, aware UTC.
        packs: Those that it carries, as task@version; empty for what is damaged.
    """

    sha256: str
    size_bytes: int
    written_at: datetime
    packs: tuple[str, ...]

    @property
    def name(self) -> str:
        """Names it for people, also where its file cannot be read any more."""
        return ", ".join(self.packs) or f"a damaged file, {self.sha256[:12]}"


class PackShelf:
    """A folder of deliveries, named by their SHA-256.

    Args:
        folder: Made when the first comes.
        most_bytes: Larger ones are refused.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._packs: dict[str, tuple[str, ...]] = {}  # what a hash names does not change
        self.most_bytes = most_bytes

    def path_of(self, sha256: str) -> Path:
        """Return where a delivery lies."""
        return self._folder / f"{sha256}.zip"

    def names(self) -> list[str]:
        """Return the SHA-256 of what lies here, the newest first.

        What a removal left that was interrupted lies here again.
        """
        for aside in self._folder.glob(f"*{REMOVED}"):
            if is_sha256(aside.stem):
                put_back(aside)
        found = [path for path in self._folder.glob("*.zip") if is_sha256(path.stem)]
        return [path.stem for path in sorted(found, key=_written_at, reverse=True)]

    def find(self, sha256: str) -> Delivery:
        """Return a delivery that lies here, after each of its files was compared.

        Raises:
            DashboardError: It is gone, or damaged.
        """
        try:
            return look_into(self.path_of(sha256))
        except OSError as error:
            raise DashboardError("it is not here any more: upload it again") from error

    def packs_of(self, sha256: str) -> tuple[str, ...]:
        """Return the packs that a delivery carries; none where it does not lie here."""
        known = self._packs.get(sha256) or carried_names(self.path_of(sha256))
        if known:
            self._packs[sha256] = known
        return known

    def kept(self) -> list[Kept]:
        """Return what lies here, the newest first; nothing is unpacked."""
        return [found for name in self.names() if (found := self._kept(name)) is not None]

    def in_use(self, sha256: str) -> AbstractContextManager[None]:
        """Let nobody take a delivery away while a block runs: see `taking_away.in_use`."""
        return in_use(self.path_of(sha256))

    def alone_with(self, sha256: str) -> AbstractContextManager[None]:
        """Let nobody begin to use a delivery: see `taking_away.alone_with`."""
        return alone_with(self.path_of(sha256))

    @contextmanager
    def taken_away(self, sha256: str) -> Iterator[None]:
        """Take a delivery away that the caller is alone with; it is back where the block raises.

        Raises:
            DashboardError: It was uploaded anew meanwhile, or the folder cannot be written.
        """
        try:
            with set_aside(self.path_of(sha256)):
                yield
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> DashboardError:
        return DashboardError(f"{self._folder} cannot be written ({error}): see [commands].packs")

    def _kept(self, sha256: str) -> Kept | None:
        path = self.path_of(sha256)
        try:
            facts = path.stat()
        except OSError:  # taken away just now
            return None
        written_at = datetime.fromtimestamp(facts.st_mtime, timezone.utc)
        return Kept(sha256, facts.st_size, written_at, self.packs_of(sha256))

    def place_for_upload(self) -> Path:
        """Return a new, empty file that an upload can be written to.

        Raises:
            DashboardError: The folder cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            descriptor, name = tempfile.mkstemp(_PART, dir=self._folder)
        except OSError as error:
            raise self._unwritable(error) from error
        os.close(descriptor)
        return Path(name)

    def _sweep(self) -> None:
        """Remove what an upload left that a power cut ended."""
        oldest = time.time() - _LEFT_BEHIND_S
        for path in self._folder.iterdir():
            if path.suffix == _PART and 0 < _written_at(path) < oldest:
                path.unlink(missing_ok=True)

    def take_in(self, upload: Path) -> Delivery:
        """Keep a delivery that was uploaded, or remove what is none.

        Raises:
            DashboardError: It is no delivery, is damaged, or larger than allowed.
        """
        try:
            if upload.stat().st_size > self.most_bytes:
                raise DashboardError(f"it is larger than {self.most_bytes} bytes: see [commands]")
            delivery = look_into(upload)
            if not self._has_whole(delivery.sha256):
                upload.replace(self.path_of(delivery.sha256))
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            upload.unlink(missing_ok=True)
        return delivery

    def _has_whole(self, sha256: str) -> bool:
        """Say whether a delivery lies here undamaged, and count it as new then.

        The file stays the one that it is: whoever uses it holds this very file.
        """
        path = self.path_of(sha256)
        try:
            with in_use(path):
                if sha256_file(path) != sha256:
                    return False
                os.utime(path)
                return True
        except (DashboardError, OSError):  # not here, not for long, or not to be read
            return False


def is_sha256(text: str) -> bool:
    """Say whether a text can be the name of a delivery."""
    return re.fullmatch(r"[0-9a-f]{64}", text) is not None


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # taken away by hand just now
        return 0.0


def look_into(path: Path) -> Delivery:
    """Return what a delivery holds, after each of its files was compared with its manifest.

    Raises:
        DashboardError: It is no delivery, not signed, or damaged.
        OSError: It cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as file:
            data = small_entry(file, MANIFEST_FILE)
            manifest = BundleManifest.model_validate_json(data)
            key_id = _signer(small_entry(file, SIGNATURE_FILE), data)
            names = set(file.namelist())
            for entry in file.infolist():
                if entry.filename not in (MANIFEST_FILE, SIGNATURE_FILE):
                    _check(file, entry.filename, manifest.files.get(entry.filename))
    except ValidationError as error:
        said = explain(error, BundleManifest, MANIFEST_FILE)
        raise DashboardError(f"it is no pack of this version: {said}") from error
    except BundleDamagedError as error:
        raise DashboardError(str(error)) from error
    except NO_ZIP as error:
        raise DashboardError(
            f"it is no delivery ({error}): make one with `edgeclip-device pack wrap`"
        ) from error
    return Delivery(
        sha256=sha256_file(path),
        size_bytes=path.stat().st_size,
        packs=named(carried(manifest, names)),
        made_at=manifest.created_at,
        key_id=key_id,
    )


def _signer(signature: bytes, manifest: bytes) -> str:
    """Return who says to have signed a manifest's bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SIGNATURE_FILE
        path.write_bytes(signature)
        try:
            statement = read_statement(path)
        except SignatureError as error:
            raise DashboardError(f"its {SIGNATURE_FILE} is no signature: sign it again") from error
    if statement.kind != "bundle" or statement.sha256 != sha256_bytes(manifest):
        raise DashboardError("its signature is of another bundle: sign it again")
    return statement.key_id


def _check(file: zipfile.ZipFile, name: str, record: FileRecord | None) -> None:
    """Compare one file with its record, and read no byte more than that allows."""
    if record is None:
        raise DashboardError(f"it holds {name[:100]}, which its manifest does not name")
    for _ in entry_parts(file, name, record):
        pass  # the comparing is what counts
