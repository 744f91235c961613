"""Packs signed by their makers, and checked by those who take them (Ed25519 over `pack.json`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeclip.contract.files import reason_of, remedy_for, write_text
from edgeclip.contract.pack import PACK_FILE
from edgeclip.contract.signing import (
    Statement,
    key_id_of,
    read_private_key,
    read_public_keys,
    sign,
    verified,
)
from edgeclip.errors import SetupError
from edgeclip.registry.held import SIGNATURE_FILE, read_held


def sign_pack(pack: Path, key: Path) -> Statement:
    """Sign a pack, whose manifest names the hash of each of its files.

    Args:
        pack: The folder; a signature that it has is replaced.
        key: The private key's file.

    Raises:
        ConfigError: `key` is no private key.
        PackError: There is no pack, or it is damaged: nobody vouches for that.
        SetupError: The signature cannot be written.
    """
    private = read_private_key(key)
    read_held(pack)
    data = (pack / PACK_FILE).read_bytes()
    path = pack / SIGNATURE_FILE
    try:
        write_text(path, sign(data, "pack", private))
    except OSError as error:
        raise SetupError(
            f"{path} cannot be written ({reason_of(error)}): {remedy_for(error)}"
        ) from error
    public = private.public_key()
    return verified(path, data, "pack", {key_id_of(public): public})


def verify_pack(pack: Path, keys: Sequence[Path]) -> Statement:
    """Return what a believed signer says of a pack, after checking every hash.

    Args:
        pack: The folder.
        keys: Public keys' files.

    Raises:
        ConfigError: One of `keys` is no public key.
        PackError: A file was altered or is missing.
        SignatureError: It is not signed by one of the keys.
    """
    believed = read_public_keys(keys)
    read_held(pack)
    data = (pack / PACK_FILE).read_bytes()
    return verified(pack / SIGNATURE_FILE, data, "pack", believed)
