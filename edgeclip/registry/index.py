"""A registry that others read from afar: `index.json`, and the files of packs by their hashes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

from pydantic import AwareDatetime, Field, field_validator

from edgeclip.contract.files import new_folder, write_bytes, write_text
from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.pack import (
    PACK_FILE,
    PackManifest,
    Part,
    Sha256,
    TaskName,
    Version,
    version_numbers,
)
from edgeclip.contract.plurals import megabytes
from edgeclip.contract.signing import PublicKeys, read_public_keys, verified
from edgeclip.contract.versioned import read_versioned
from edgeclip.errors import ConfigError, PackError, SetupError, SignatureError
from edgeclip.registry.folder import held_in, place_of, read_registry
from edgeclip.registry.held import SIGNATURE_FILE, Held, read_held

INDEX_SCHEMA: Final = "edgeclip.index/1"
INDEX_FILE = "index.json"
_MOST_INDEX = 20_000_000
_MOST_FILE = 2_000_000_000
_MOST_SIGNATURE = 100_000


class IndexedPack(Part):
    """One pack of an index."""

    task: TaskName
    version: Version
    path: str = Field(pattern=r"^[a-z0-9][a-z0-9./-]*$", description="Below the index.")
    sha256: Sha256 = Field(description="Of its pack.json, which names the hashes of its files.")
    size_bytes: int = Field(ge=1)
    created_at: AwareDatetime
    method: str
    encoder: str
    encoder_sha256: Sha256
    targets: list[str]
    parent: str | None = None
    signed_by: str | None = None

    @field_validator("path")
    @classmethod
    def _stays_below(cls, path: str) -> str:
        if any(part in ("", ".", "..") for part in path.split("/")):
            raise ValueError(f"{path!r} leaves the folder of the index")
        return path

    @property
    def name(self) -> str:
        """task@version."""
        return f"{self.task}@{self.version}"


class Index(Part):
    """`index.json`."""

    schema_: Literal["edgeclip.index/1"] = Field(INDEX_SCHEMA, alias="schema")
    packs: list[IndexedPack]


def indexed(held: Held, others: Sequence[Held], registry: Path) -> IndexedPack:
    """Return what an index says of a pack.

    Args:
        held: The pack.
        others: Of the registry, for its parent.
        registry: The folder.
    """
    manifest = held.manifest
    return IndexedPack(
        task=manifest.task,
        version=manifest.version,
        path=held.path.relative_to(registry).as_posix(),
        sha256=held.sha256,
        size_bytes=held.size_bytes,
        created_at=manifest.created_at,
        method=manifest.method,
        encoder=f"{manifest.base.arch}, {manifest.base.pretrained}",
        encoder_sha256=manifest.base.weights_sha256,
        targets=manifest.targets,
        parent=held.parent(others),
        signed_by=held.signed_by,
    )


def write_index(registry: Path) -> Index:
    """Write `index.json` into a registry, so that it can be put on any web server or bucket.

    Raises:
        PackError: There is no pack, or one is damaged.
        SetupError: It cannot be written.
    """
    return _written(registry, read_registry(registry))


def refresh_index(registry: Path) -> bool:
    """Write `index.json` anew where a registry has one; return whether it has.

    Raises:
        PackError: A pack is damaged.
        SetupError: It cannot be written.
    """
    if not (registry / INDEX_FILE).is_file():
        return False
    _written(registry, held_in(registry))
    return True


def _written(registry: Path, held: Sequence[Held]) -> Index:
    index = Index(packs=[indexed(each, held, registry) for each in held])
    try:
        write_text(registry / INDEX_FILE, index.model_dump_json(by_alias=True, indent=1) + "\n")
    except OSError as error:
        raise SetupError(f"{registry / INDEX_FILE} cannot be written ({error.strerror})") from error
    return index


def read_index(url: str) -> Index:
    """Return an index from afar.

    Args:
        url: Of the folder that holds it, as fsspec knows them.

    Raises:
        PackError: There is none, or it is damaged.
        SetupError: What reads such an address is not installed.
    """
    where = f"{url.rstrip('/')}/{INDEX_FILE}"
    data = _fetched(where, _MOST_INDEX)
    return read_versioned(
        data,
        Index,
        where,
        schema=INDEX_SCHEMA,
        what="index",
        remedies=("write it again with `edgeclip pack index`", "update edgeclip here"),
    )


def fetch_pack(url: str, name: str, registry: Path, keys: Sequence[Path] = ()) -> Held:
    """Copy a pack from afar into a registry, whole or not at all, each file by its hash.

    Args:
        url: Of the index's folder.
        name: TASK@VERSION, or TASK for the newest.
        registry: Takes it.
        keys: Public keys' files; with any, only what one of them signed is taken.

    Raises:
        ConfigError: There is no such pack, or this version is there already.
        PackError: A file is missing, or is not what the index and the manifest say.
        SignatureError: As for `fetch_indexed`.
    """
    return fetch_indexed(url, find_indexed(read_index(url).packs, name), registry, keys)


def fetch_indexed(url: str, wanted: IndexedPack, registry: Path, keys: Sequence[Path] = ()) -> Held:
    """Copy a pack that an index names, as `fetch_pack` does.

    Args:
        url: Of the index's folder.
        wanted: One of its packs.
        registry: Takes it.
        keys: Public keys' files; with any, only what one of them signed is taken.

    Raises:
        ConfigError: This version is there already, or a key is none.
        PackError: A file is missing, too large, or is not what the index and the manifest say.
        SignatureError: No such key signed it.
    """
    believed = read_public_keys(keys) if keys else None
    place = place_of(registry, wanted.task, wanted.version)
    if place.exists():
        raise ConfigError(f"{wanted.name} is in {registry} already: a version is never replaced")
    base = f"{url.rstrip('/')}/{wanted.path}"
    text = _fetched(f"{base}/{PACK_FILE}", _MOST_INDEX)
    if sha256_bytes(text) != wanted.sha256:
        raise PackError(f"{base}/{PACK_FILE} is not what the index says: ask who keeps it")
    files = _files_of(text, wanted, f"{base}/{PACK_FILE}")
    signature = _signature_at(f"{base}/{SIGNATURE_FILE}", wanted)
    if believed is not None:
        _refuse_unsigned(signature, text, believed, base)
    place.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(place) as temporary:
        write_bytes(temporary / PACK_FILE, text)
        left = min(wanted.size_bytes, _MOST_FILE) - len(text)  # of all files together
        for file in files:
            data = _fetched(f"{base}/{file}", max(left, 0))
            left -= len(data)
            write_bytes(temporary / file, data)
        if signature is not None:
            write_bytes(temporary / SIGNATURE_FILE, signature)
        read_held(temporary)
    return read_held(place)


def find_indexed(packs: Sequence[IndexedPack], name: str) -> IndexedPack:
    """Return the pack of an index that TASK@VERSION names, or the newest of TASK.

    Raises:
        ConfigError: There is none.
    """
    task, _, version = name.partition("@")
    own = [each for each in packs if each.task == task and version in ("", each.version)]
    if not own:
        there = ", ".join(each.name for each in packs)
        raise ConfigError(f"there is no pack {name}; there are {there}")
    return max(own, key=lambda each: version_numbers(each.version))


def _files_of(text: bytes, wanted: IndexedPack, where: str) -> list[str]:
    """Return the files that a manifest names, after checking whose manifest it is."""
    manifest = PackManifest.from_json(text.decode(errors="replace"), where)
    if (manifest.task, manifest.version) != (wanted.task, wanted.version):
        raise PackError(
            f"{where} is of {manifest.task}@{manifest.version}, and the index says {wanted.name}:"
            " ask who keeps it to write the index again"
        )
    return list(manifest.files)


def _signature_at(url: str, wanted: IndexedPack) -> bytes | None:
    """Return a pack's signature, also one of which the index is silent; None without one."""
    try:
        return _fetched(url, _MOST_SIGNATURE)
    except PackError:
        if wanted.signed_by:
            raise
        return None  # stores differ in how they say that nothing is there


def _refuse_unsigned(signature: bytes | None, text: bytes, keys: PublicKeys, base: str) -> None:
    """Refuse what no believed key signed, before anything of it is placed."""
    if signature is None:
        raise SignatureError(
            f"{base} is not signed, and --key asks for it: ask its maker to sign it with"
            " `edgeclip pack sign`, or leave --key out"
        )
    with TemporaryDirectory(prefix="edgeclip-signature-") as folder:
        path = Path(folder) / SIGNATURE_FILE
        path.write_bytes(signature)
        try:
            verified(path, text, "pack", keys)
        except SignatureError as error:
            raise SignatureError(str(error).replace(str(path), f"{base}/{path.name}")) from error


def _fetched(url: str, most: int) -> bytes:
    """Return what lies at an address, no more than `most` bytes."""
    try:
        import fsspec
    except ImportError as error:
        raise SetupError("fsspec is not installed: pip install 'edgeclip[train]'") from error
    try:
        with fsspec.open(url, "rb") as file:
            data: Any = file.read(most + 1)
    except ImportError as error:
        raise SetupError(f"{url}: {error}: pip install what reads such addresses") from error
    except FileNotFoundError as error:
        raise PackError(f"{url} is not there, or nobody answers: check the address") from error
    except Exception as error:  # each kind of store fails in its own way
        said = " ".join(str(error).split())[:160] or type(error).__name__
        raise PackError(f"{url} cannot be read ({said}): check the address") from error
    if len(data) > most:
        raise PackError(
            f"{url} is larger than the {megabytes(most)} that it may have: ask who keeps it"
        )
    return bytes(data)
