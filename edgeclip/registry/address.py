"""Packs named by an address, `URL#TASK@VERSION` of an index: fetched for as long as needed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from edgeclip.errors import ConfigError
from edgeclip.registry.index import IndexedPack, fetch_indexed, find_indexed, read_index

_URL = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)  # a Path keeps one of two signs


def is_url(text: str | Path) -> bool:
    """Return whether something is an address, and no path of this machine (C:/ is one)."""
    return _URL.match(str(text)) is not None


def refuse_url(path: str | Path | None, what: str, remedy: str = "") -> None:
    """Refuse an address where a folder of this machine is needed.

    Args:
        path: What was given; None is none.
        what: What the command does, as in `pack sign writes into the pack`.
        remedy: What to do after the pack was fetched.

    Raises:
        ConfigError: It is an address.
    """
    if path is None or not is_url(path):
        return
    after = f", then {remedy}" if remedy else ""
    address = str(path) if "://" in str(path) else str(path).replace(":/", "://", 1)
    raise ConfigError(
        f"{address} is an address, and {what}: fetch it first with `edgeclip pack fetch URL TASK"
        f" --into packs/`{after}"
    )


@contextmanager
def pack_at(where: str, keys: Sequence[Path] = ()) -> Iterator[Path]:
    """Yield the folder of a pack that is named by its path, or by the URL of an index.

    What was fetched is checked file by file, and is gone when the block ends.

    Args:
        where: A folder, or URL#TASK or URL#TASK@VERSION.
        keys: As for `packs_of`; a folder is not asked for them.

    Raises:
        ConfigError: The address names no pack, or one that is not there.
        PackError: As for `fetch_indexed`.
    """
    if not is_url(where):
        yield Path(where)
        return
    url, _, name = where.partition("#")
    if not name:
        raise ConfigError(f"{where} is an index: name a pack of it, as {where}#TASK@VERSION")
    with packs_of(url, [name], keys) as found:
        yield found[0][1]


@contextmanager
def packs_of(
    url: str, names: Sequence[str], keys: Sequence[Path] = ()
) -> Iterator[list[tuple[IndexedPack, Path]]]:
    """Yield packs of an index, fetched into folders that are gone when the block ends.

    Args:
        url: Of the index's folder.
        names: TASK or TASK@VERSION each.
        keys: Public keys' files; with any, only what one of them signed is taken.

    Raises:
        ConfigError: There is no such pack.
        PackError: As for `fetch_indexed`.
    """
    index = read_index(url)
    wanted = [find_indexed(index.packs, name) for name in names]
    with TemporaryDirectory(prefix="edgeclip-packs-") as folder:
        by_name = {pack.name: pack for pack in wanted}
        places = {
            name: fetch_indexed(url, pack, Path(folder), keys).path
            for name, pack in by_name.items()
        }
        yield [(pack, places[pack.name]) for pack in wanted]
