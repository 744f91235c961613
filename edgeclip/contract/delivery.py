"""How the files of a delivery are read: a zip that comes from afar, and may hold anything.

A delivery is a bundle's manifest, its signature, and those of its files that a device lacks.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from typing import Final

from edgeclip.contract.bundle import FileRecord
from edgeclip.errors import BundleDamagedError

_MOST_SMALL: Final = 5_000_000
_CHUNK: Final = 1 << 20
_MOST_NAME: Final = 100
NO_ZIP: Final = (
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    EOFError,
    NotImplementedError,
    RuntimeError,
)
"""What `zipfile` raises where a file is none, is damaged or encrypted, or lacks an entry."""


def small_entry(file: zipfile.ZipFile, name: str) -> bytes:
    """Return a manifest's or signature's bytes.

    Raises:
        BundleDamagedError: It is larger than any.
    """
    with file.open(name) as entry:
        data = entry.read(_MOST_SMALL + 1)
    if len(data) > _MOST_SMALL:
        raise BundleDamagedError(f"{name} of the delivery is larger than any: send it again")
    return data


def entry_parts(file: zipfile.ZipFile, name: str, record: FileRecord) -> Iterator[bytes]:
    """Yield the bytes of an entry part by part, and no byte more than its record allows.

    Raises:
        BundleDamagedError: It is not what its record says; what was yielded may not be used.
    """
    digest, left = hashlib.sha256(), record.size_bytes
    with file.open(name) as source:
        while left > 0 and (part := source.read(min(_CHUNK, left))):
            digest.update(part)
            left -= len(part)
            yield part
        if left or source.read(1) or digest.hexdigest() != record.sha256:
            raise BundleDamagedError(
                f"{name[:_MOST_NAME]} of the delivery is damaged: send it again"
            )
