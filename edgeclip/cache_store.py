"""All that is cached below one folder: its size, what makes room, and who uses what.

Several trainings may share it. Each notes the shards that it reads later in a lease, a file whose
lock the kernel takes back when the process ends; a shard that stands in a living lease is never
deleted. Notes and deletions take turns by a lock of the whole folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import uuid
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeclip.errors import SetupError

LIMIT_GB = 20.0
_GB = 1_000_000_000
_NAME = "[0-9a-f]{16}"
_SHARD = re.compile(rf"{_NAME}/{_NAME}\.safetensors|(({_NAME}/)?tokens/)?{_NAME}\.tokens")
"""As the caches name them: nothing else in the folder is theirs to count or to delete."""
_LEASES = ".leases"


@dataclass(frozen=True)
class Shard:
    """One file of the cache.

    Attributes:
        path: Where it lies.
        size_bytes: Of the file.
        used_at: When it was last used, in s since 1970.
    """

    path: Path
    size_bytes: int
    used_at: float


class CacheStore:
    """The shards below a folder, no larger than a limit, those unused for longest going first.

    Args:
        root: Holds the shards of all encoders; made on the first write.
        limit_gb: Of all of them together, in 10^9 bytes.

    Attributes:
        root: As given.
        limit_gb: As given.
    """

    def __init__(self, root: Path, limit_gb: float = LIMIT_GB) -> None:
        self.root, self.limit_gb = root, limit_gb
        self._lease: Path | None = None

    def shards(self) -> list[Shard]:
        """Return all shards, the one unused for longest first."""
        found = []
        names = {path.relative_to(self.root).as_posix() for path in self.root.rglob("*")}
        for path in (self.root / name for name in names if _SHARD.fullmatch(name)):
            with contextlib.suppress(FileNotFoundError):  # another process made room
                facts = path.stat()
                found.append(Shard(path, facts.st_size, facts.st_mtime))
        return sorted(found, key=lambda shard: (shard.used_at, shard.path))

    def size_bytes(self) -> int:
        """Return how much all shards take."""
        return sum(shard.size_bytes for shard in self.shards())

    def claim(self, shard: Path) -> bool:
        """Keep a shard for as long as this object lives; return whether it is still there."""
        with self.turn():
            return self.note(shard)

    def note(self, shard: Path) -> bool:
        """Do what `claim` does, within a `turn` that the caller holds."""
        if not touch(shard):
            return False
        with self._own_lease().open("a", encoding="utf-8") as lease:
            lease.write(f"{shard.relative_to(self.root)}\n")
        return True

    def make_room(self, wanted_bytes: int) -> bool:
        """Delete shards that nobody claimed until some bytes fit; return whether they do.

        Where they would not fit even then, nothing is deleted. Call it within `turn`, so that
        nobody else fills the room.
        """
        shards, free = self._all_and_free()
        total = sum(shard.size_bytes for shard in shards) + wanted_bytes
        most = self.limit_gb * _GB
        if total - sum(shard.size_bytes for shard in free) > most:
            return False
        for shard in free:
            if total <= most:
                break
            shard.path.unlink(missing_ok=True)
            total -= shard.size_bytes
        return True

    def held_gb(self) -> tuple[float, float]:
        """Return how much this object claims, and what others claim beside it, in 10^9 bytes.

        Call it within `turn`.
        """
        sizes = {self._name(shard): shard.size_bytes for shard in self.shards()}
        own = set(self._lease.read_text("utf-8").splitlines()) if self._lease else set()
        others = self._claimed() - own
        held = [sum(sizes.get(name, 0) for name in names) / _GB for names in (own, others)]
        return held[0], held[1]

    def clear(self) -> tuple[int, int]:
        """Delete all shards that nobody claimed; return how many went, and how many stay."""
        with self.turn():
            shards, free = self._all_and_free()
            for shard in free:
                shard.path.unlink(missing_ok=True)
        return len(free), len(shards) - len(free)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for, and hold, the lock of the whole cache.

        Raises:
            SetupError: The folder cannot be used, or what is done there fails: permission, disk.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = _open_lock(self.root / ".lock")
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)
        except OSError as error:
            where = error.filename or self.root
            raise SetupError(
                f"the cache cannot be used: {where}: {error.strerror}: name another folder by"
                " --cache, or put that right"
            ) from error

    def _all_and_free(self) -> tuple[list[Shard], list[Shard]]:
        """Return all shards, and those that nobody claimed, each the longest unused first."""
        shards, claimed = self.shards(), self._claimed()
        return shards, [shard for shard in shards if self._name(shard) not in claimed]

    def _name(self, shard: Shard) -> str:
        """Return what a lease calls a shard."""
        return str(shard.path.relative_to(self.root))

    def _own_lease(self) -> Path:
        if self._lease is None:
            folder = self.root / _LEASES
            folder.mkdir(exist_ok=True)
            self._lease = folder / uuid.uuid4().hex
            descriptor = os.open(self._lease, os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            weakref.finalize(self, _give_back, self._lease, descriptor)
        return self._lease

    def _claimed(self) -> set[str]:
        """Return what stands in living leases, by path below the root; dead ones are deleted."""
        found: set[str] = set()
        for lease in (self.root / _LEASES).glob("*"):
            with contextlib.suppress(FileNotFoundError), lease.open(encoding="utf-8") as file:
                try:  # a holder ends without waiting for its turn: the file may go at any time
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    found |= set(file.read().splitlines())
                else:
                    with contextlib.suppress(PermissionError):  # another user's: it says nothing
                        lease.unlink(missing_ok=True)
        return found


def touch(shard: Path) -> bool:
    """Mark a shard as used now; return whether it is there."""
    try:
        os.utime(shard)
    except FileNotFoundError:
        return False
    except PermissionError:  # another user's: it can be read, and goes when it must
        return shard.exists()
    return True


def _open_lock(path: Path) -> int:
    """Return a descriptor that can be locked; another user's file is opened to be read."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except PermissionError:
        return os.open(path, os.O_RDONLY)


def _give_back(lease: Path, descriptor: int) -> None:
    lease.unlink(missing_ok=True)
    os.close(descriptor)
