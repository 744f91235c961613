"""Features on disk by content: shards of safetensors, each written whole, keys in its header."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from edgeclip.cache_store import CacheStore, touch
from edgeclip.contract.files import write_bytes
from edgeclip.contract.hashing import sha256_bytes

log = logging.getLogger(__name__)

Row = tuple[NDArray[np.float32], NDArray[np.float32]]


class FeatureCache:
    """z and f of regions by key. A shard that cannot be read is left aside and said.

    All rows are in memory: another process may delete shards to make room, and nothing is lost.

    Attributes:
        hits: Rows that were found since it was opened.
        misses: Rows that were not.
    """

    def __init__(self, folder: Path | None, store: CacheStore | None = None) -> None:
        """Open the cache.

        Args:
            folder: Holds the shards; made on the first write. None keeps nothing.
            store: What the folder belongs to; None: it is a store of its own.
        """
        self._folder = folder
        self._store = store or (CacheStore(folder) if folder else None)
        self._unused: dict[str, Path] = {}  # shards of which no row was asked for
        self._rows: dict[str, Row] = {}
        self.hits = self.misses = 0
        for shard in sorted(folder.glob("*.safetensors")) if folder else ():
            self._load(shard)

    def get(self, key: str) -> Row | None:
        """Return z `(D,)` and f `(E,)` float32 of a key, or None."""
        row = self._rows.get(key)
        self.hits += row is not None
        self.misses += row is None
        if shard := self._unused.pop(key, None):
            touch(shard)  # evicted last
            self._unused = {k: v for k, v in self._unused.items() if v != shard}
        return row

    def put(self, keys: Sequence[str], z: NDArray[np.float32], f: NDArray[np.float32]) -> None:
        """Store rows; on disk they are there as a whole or not at all.

        Args:
            keys: n keys.
            z: `(n, D)` float32.
            f: `(n, E)` float32.
        """
        self._rows.update(zip(keys, zip(z, f, strict=True), strict=True))
        if self._folder is None or not keys:
            return
        data = save({"z": z, "f": f}, metadata={"keys": json.dumps(list(keys))})
        self._write(self._folder / f"{sha256_bytes(data)[:16]}.safetensors", data)

    def _write(self, shard: Path, data: bytes) -> None:
        if self._store is None:
            return
        with self._store.turn():
            if self._store.make_room(len(data)):
                write_bytes(shard, data)
                return
        log.warning("%s is full: features are not kept (--cache-gb)", self._store.root)

    def _load(self, shard: Path) -> None:
        try:
            with safe_open(shard, framework="numpy") as file:
                keys = json.loads((file.metadata() or {})["keys"])
                z, f = file.get_tensor("z"), file.get_tensor("f")
            rows = dict(zip(keys, zip(z, f, strict=True), strict=True))
        except FileNotFoundError:  # another process made room
            return
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            log.warning("%s cannot be used and is made again (%s): delete it", shard, error)
            return
        if all(np.isfinite(part).all() for part in (z, f)):
            self._rows.update(rows)
            self._unused.update(dict.fromkeys(rows, shard))
        else:
            log.warning("%s holds values that are not finite and is made again", shard)
