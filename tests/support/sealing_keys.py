"""Keys that pictures of people are sealed for."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)


def write_sealing_keys(folder: Path) -> tuple[Path, Path]:
    """Write a pair of keys, as openssl does; return the private one's path and the public one's."""
    folder.mkdir(parents=True, exist_ok=True)
    key = X25519PrivateKey.generate()
    private, public = folder / "people.key", folder / "people.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public
