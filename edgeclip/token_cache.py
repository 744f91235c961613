"""Tokens of the tower's lower part on disk by content, read row by row and never held as a whole.

A shard is a safetensors file of one float16 tensor `tokens` `(n, N, D)`, or `(n, C, H, W)` of a
ResNet's stages, its keys in the header; it is written whole, and mapped when a row of it is
asked for.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from edgeclip.cache_store import LIMIT_GB, CacheStore
from edgeclip.contract.files import write_bytes
from edgeclip.contract.hashing import sha256_bytes
from edgeclip.errors import DataError

log = logging.getLogger(__name__)

Half = NDArray[np.float16]
_OPEN_AT_ONCE = 32  # mapped shards; each holds a file descriptor
_HEADER_LENGTH_BYTES = 8  # of a safetensors file: where its JSON header ends


class TokenCache:
    """Tokens of regions by key; in a store that is full, shards unused for longest make room.

    Attributes:
        hits: Keys that were found since it was opened.
        misses: Keys that were not.
    """

    def __init__(self, folder: Path | None, store: CacheStore | None = None) -> None:
        """Open the cache.

        Args:
            folder: Holds the shards; made on the first write. None keeps them in a temporary
                folder, for as long as this object lives.
            store: What the folder belongs to, and its limit; None: it is a store of its own. A
                temporary folder has a store of its own with that limit.
        """
        self._folder = folder or Path(tempfile.mkdtemp(prefix="edgeclip-tokens-"))
        if folder is None:
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        limit_gb = store.limit_gb if store else LIMIT_GB
        self._store = store if store and folder else CacheStore(self._folder, limit_gb)
        self._places: dict[str, tuple[Path, int]] = {}
        self._used: set[Path] = set()
        self._mapped: OrderedDict[Path, Half] = OrderedDict()
        self.hits = self.misses = 0
        for shard in sorted(self._folder.glob("*.tokens")):
            self._read_keys(shard)

    def has(self, key: str) -> bool:
        """Return whether the tokens of a key are there."""
        place = self._places.get(key)
        if place is not None and place[0] not in self._used:
            if self._store.claim(place[0]):  # nobody deletes it until this object ends
                self._used.add(place[0])
            else:
                self._places = {k: v for k, v in self._places.items() if v[0] != place[0]}
                place = None
        self.hits += place is not None
        self.misses += place is None
        return place is not None

    def put(self, keys: Sequence[str], tokens: NDArray[np.float32]) -> None:
        """Store tokens; on disk they are there as a whole or not at all.

        Args:
            keys: n keys.
            tokens: `(n, N, D)` float32; kept as float16.

        Raises:
            DataError: They do not fit the limit, or a value does not fit float16.
        """
        with np.errstate(over="ignore"):
            half = tokens.astype(np.float16)
        if not np.isfinite(half).all():
            raise DataError(
                "tokens of this encoder do not fit float16: train an adapter of the head instead"
            )
        data = save({"tokens": half}, metadata={"keys": json.dumps(list(keys))})
        shard = self._folder / f"{sha256_bytes(data)[:16]}.tokens"
        self._write(shard, data)
        self._used.add(shard)
        self._places.update({key: (shard, row) for row, key in enumerate(keys)})

    def rows(self, keys: Sequence[str]) -> TokenRows:
        """Return the tokens of keys that are there, to be read when they are looked at."""
        return TokenRows(self, [self._places[key] for key in keys])

    def read(self, places: Sequence[tuple[Path, int]]) -> Half:
        """Return rows `(n, N, D)` float16, copied."""
        groups: dict[Path, list[int]] = {}
        for position, (shard, _) in enumerate(places):
            groups.setdefault(shard, []).append(position)
        found: Half | None = None
        for shard, positions in groups.items():
            mapped = self._map(shard)
            if found is None:
                found = np.empty((len(places), *mapped.shape[1:]), np.float16)
            found[positions] = mapped[[places[position][1] for position in positions]]
        return np.empty((0, 0, 0), np.float16) if found is None else found

    def _map(self, shard: Path) -> Half:
        mapped = self._mapped.pop(shard, None)
        if mapped is None:
            with shard.open("rb") as file:
                length = int.from_bytes(file.read(_HEADER_LENGTH_BYTES), "little")
                shape = json.loads(file.read(length))["tokens"]["shape"]
            offset = _HEADER_LENGTH_BYTES + length
            mapped = np.memmap(shard, np.float16, "r", offset=offset, shape=tuple(shape))
        self._mapped[shard] = mapped
        if len(self._mapped) > _OPEN_AT_ONCE:
            self._mapped.popitem(last=False)
        return mapped

    def _write(self, shard: Path, data: bytes) -> None:
        """Write a shard and keep it, in a room that is made for it."""
        with self._store.turn():
            if self._store.make_room(len(data)):
                write_bytes(shard, data)
                self._store.note(shard)
                return
            own_gb, others_gb = self._store.held_gb()
        raise self._no_room(own_gb + len(data) / 1e9, others_gb)

    def _no_room(self, wanted_gb: float, others_gb: float) -> DataError:
        """Return why a shard finds no room: too much is asked for, or others hold the rest."""
        if wanted_gb > self._store.limit_gb:
            return DataError(
                f"tokens of these regions take more than {self._store.limit_gb:.1f} GB, the limit"
                f" of {self._store.root}: ask for fewer views, for adapters in fewer blocks, or"
                " for a larger cache (--cache-gb)"
            )
        return DataError(
            f"{self._store.root} is full: other trainings that run now hold {others_gb:.1f} of its"
            f" {self._store.limit_gb:.1f} GB: wait for them, or ask for a larger cache (--cache-gb)"
        )

    def _read_keys(self, shard: Path) -> None:
        try:
            with safe_open(shard, framework="numpy") as file:
                keys = json.loads((file.metadata() or {})["keys"])
                shape, kind = (
                    file.get_slice("tokens").get_shape(),
                    file.get_slice("tokens").get_dtype(),
                )
            if kind != "F16" or len(shape) < 3 or shape[0] != len(keys):
                raise ValueError(f"{kind} {shape} for {len(keys)} keys")
        except FileNotFoundError:  # another process made room
            return
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            log.warning("%s cannot be used and is made again (%s): delete it", shard, error)
            return
        self._places.update({key: (shard, row) for row, key in enumerate(keys)})


class TokenRows:
    """Tokens of some regions; nothing is read before `array`.

    Args:
        cache: Where they lie.
        places: Shard and row of each.
    """

    def __init__(self, cache: TokenCache, places: Sequence[tuple[Path, int]]) -> None:
        self._cache, self._places = cache, list(places)

    def __len__(self) -> int:
        """Return how many regions there are."""
        return len(self._places)

    @overload
    def __getitem__(self, chosen: slice) -> TokenRows: ...
    @overload
    def __getitem__(self, chosen: NDArray[np.int64]) -> TokenRows: ...
    def __getitem__(self, chosen: slice | NDArray[np.int64]) -> TokenRows:
        """Return some of the rows, still unread."""
        if isinstance(chosen, slice):
            return TokenRows(self._cache, self._places[chosen])
        return TokenRows(self._cache, [self._places[int(index)] for index in chosen])

    def array(self) -> Half:
        """Return the rows, `(n, N, D)` float16."""
        return self._cache.read(self._places)
