"""Sign a bundle, so that a device can tell that it comes from its own people, and unaltered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeclip.contract.bundle import SIGNATURE_FILE, BundleManifest, read_bundle
from edgeclip.contract.files import reason_of, remedy_for, write_text
from edgeclip.contract.signing import (
    Statement,
    key_id_of,
    read_private_key,
    read_public_keys,
    sign,
    verified,
)
from edgeclip.errors import SetupError


def sign_bundle(bundle: Path, key: Path, *, allow_downgrade: bool = False) -> Statement:
    """Sign a whole bundle, and read the signature back with the key's public half.

    Args:
        bundle: The folder; a signature that it has is replaced.
        key: The private key's file.
        allow_downgrade: Whether devices may take it although they ran something newer.

    Raises:
        ConfigError: `key` is no private key.
        BundleMissingError: There is no bundle.
        BundleDamagedError: A file was altered or is missing.
        BundleMismatchError: It is for other software.
        SetupError: The signature cannot be written.
    """
    private = read_private_key(key)
    seen: list[bytes] = []
    read_bundle(bundle, believed=seen.append)  # never vouch for what is not whole
    text = sign(seen[0], "bundle", private, allow_downgrade=allow_downgrade)
    path = bundle / SIGNATURE_FILE
    try:
        write_text(path, text)
    except OSError as error:
        raise SetupError(
            f"{path} cannot be written ({reason_of(error)}): {remedy_for(error)}"
        ) from error
    public = private.public_key()
    return verified(path, seen[0], "bundle", {key_id_of(public): public})


def read_signed_bundle(bundle: Path, keys: Sequence[Path]) -> tuple[BundleManifest, Statement]:
    """Return a bundle's manifest and what its signer says.

    Args:
        bundle: The folder.
        keys: Public keys' files.

    Raises:
        ConfigError: One of `keys` is no public key.
        SignatureError: The bundle is not signed by one of them.
        BundleMissingError: There is no bundle.
        BundleDamagedError: A file was altered or is missing.
        BundleMismatchError: It is for other software.
    """
    believed = read_public_keys(keys)
    said: list[Statement] = []

    def check(data: bytes) -> None:
        said.append(verified(bundle / SIGNATURE_FILE, data, "bundle", believed))

    return read_bundle(bundle, believed=check), said[0]
