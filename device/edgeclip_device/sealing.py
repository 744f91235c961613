"""Pictures that one key alone opens: X25519 (RFC 7748), HKDF-SHA256, ChaCha20-Poly1305 (RFC 8439).

    32 bytes ephemeral public key | 12 bytes nonce | ciphertext and tag

The device holds the public key alone, so that whoever takes it away sees nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from edgeclip.errors import ConfigError, DataError

_PURPOSE = b"edgeclip withheld picture/1"
_KEY_BYTES, _NONCE_BYTES = 32, 12
_COPY = "copy it there, or correct the path"
_THAT_ONE = "take the private key of the pair whose public one sealed the pictures"
_HOW = "make one with `openssl genpkey -algorithm X25519 -out KEY; openssl pkey -in KEY -pubout`"


def read_public_key(path: Path) -> X25519PublicKey:
    """Return the key that pictures are sealed for.

    Raises:
        ConfigError: The file holds none.
    """
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): {_COPY}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path} holds no public key ({error}): {_HOW}") from error
    if not isinstance(key, X25519PublicKey):
        raise ConfigError(f"{path} is a key of another kind than X25519: {_HOW}")
    return key


def seal(data: bytes, key: X25519PublicKey) -> bytes:
    """Return data that only the holder of the private key can read."""
    once = X25519PrivateKey.generate()
    sender, nonce = once.public_key().public_bytes_raw(), os.urandom(_NONCE_BYTES)
    cipher = ChaCha20Poly1305(_derived(once.exchange(key), sender, key))
    return sender + nonce + cipher.encrypt(nonce, data, _PURPOSE)


def open_sealed(sealed: bytes, private_key: Path) -> bytes:
    """Return what was sealed.

    Args:
        sealed: What `seal` gave.
        private_key: File of the private key, PEM.

    Raises:
        ConfigError: The file holds no such key.
        DataError: It was sealed for another key, or altered.
    """
    try:
        key = load_pem_private_key(private_key.read_bytes(), None)
    except OSError as error:
        raise ConfigError(f"{private_key} cannot be read ({error.strerror}): {_COPY}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{private_key} holds no private key ({error}): {_THAT_ONE}") from error
    if not isinstance(key, X25519PrivateKey):
        raise ConfigError(f"{private_key} is a key of another kind than X25519: {_THAT_ONE}")
    sender, nonce = sealed[:_KEY_BYTES], sealed[_KEY_BYTES : _KEY_BYTES + _NONCE_BYTES]
    try:
        shared = key.exchange(X25519PublicKey.from_public_bytes(sender))
        cipher = ChaCha20Poly1305(_derived(shared, sender, key.public_key()))
        return cipher.decrypt(nonce, sealed[_KEY_BYTES + _NONCE_BYTES :], _PURPOSE)
    except (InvalidTag, ValueError) as error:
        raise DataError(
            "the picture was sealed for another key, or altered: take the key of its project"
        ) from error


def _derived(shared: bytes, sender: bytes, key: X25519PublicKey) -> bytes:
    salt = sender + key.public_bytes_raw()
    return HKDF(SHA256(), length=32, salt=salt, info=_PURPOSE).derive(shared)
