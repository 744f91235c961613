"""Ed25519 signatures (RFC 8032): a statement names what is signed, and the signature is over it.

The signed bytes are a prefix with the kind, then the exact bytes of the statement, so that there is
no canonical form to disagree about and a bundle's signature is no command. The statement carries
the SHA-256 of what is signed, and what its signer allows.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from pydantic import AwareDatetime, ConfigDict, Field, ValidationError

from edgeclip.contract.files import reason_of, remedy_for, write_bytes
from edgeclip.contract.hashing import sha256_bytes
from edgeclip.contract.key_files import PUBLIC_SUFFIX, key_bytes, no_key
from edgeclip.contract.pack import Part, Sha256
from edgeclip.contract.validation import explain
from edgeclip.errors import ConfigError, SignatureError

SIGNATURE_SCHEMA: Final = "edgeclip.signature/1"
_MOST_BYTES = 10_000  # a signature file is far smaller
_KEY_ID_DIGITS = 16
_SIGNER = {"pack.sig": "edgeclip pack sign"}  # by the signature's file

Kind = Literal["bundle", "command", "desired", "pack"]


class Statement(Part):
    """What a signer says."""

    kind: Kind
    sha256: Sha256 = Field(description="Of the signed bytes.")
    key_id: str = Field(description="First 16 digits of the public key's SHA-256.")
    signed_at: AwareDatetime
    allow_downgrade: bool = Field(
        False, description="Whether it may replace something newer of the same signers."
    )


class SignedStatement(Part):
    """A signature file: the statement's bytes, and the signature over them."""

    model_config = ConfigDict(serialize_by_alias=True)

    schema_: Literal["edgeclip.signature/1"] = Field(SIGNATURE_SCHEMA, alias="schema")
    statement: str = Field(description="Base64 of the statement's JSON.")
    signature: str = Field(description="Base64 of the 64 bytes of Ed25519.")


PublicKeys = Mapping[str, Ed25519PublicKey]
"""By key id."""


def make_key(path: Path) -> Path:
    """Write a new private key, for its owner alone to read, and beside it the public one.

    Args:
        path: The private key's file, to be made; PEM, not encrypted.

    Returns:
        The public key's file, to be put on devices.

    Raises:
        ConfigError: One of the files is there already, or the folder cannot be written.
    """
    public = path.with_name(path.name + PUBLIC_SUFFIX)
    if taken := next((file for file in (path, public) if file.exists()), None):
        raise ConfigError(f"{taken} is there already: keep it, or name another file")
    key = Ed25519PrivateKey.generate()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        form = Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with _new_file(path, private):
            write_bytes(public, key.public_key().public_bytes(*form))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({reason_of(error)}): {remedy_for(error)}"
        ) from error
    return public


@contextmanager
def _new_file(path: Path, data: bytes) -> Iterator[None]:
    """Write a file for its owner alone, which is not there yet; it goes if the block fails."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """Return the key to sign with.

    Raises:
        ConfigError: The file is absent, or no unencrypted Ed25519 private key.
    """
    data = key_bytes(path, "private")
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise no_key(path, "private", error) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise no_key(path, "private", f"it is a {type(key).__name__}")
    return key


def read_public_keys(paths: Sequence[Path]) -> dict[str, Ed25519PublicKey]:
    """Return the keys whose signatures are believed, by key id.

    Raises:
        ConfigError: A file is absent, or no Ed25519 public key.
    """
    keys = {}
    for path in paths:
        data = key_bytes(path, "public")
        try:
            key = load_pem_public_key(data)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise no_key(path, "public", error) from error
        if not isinstance(key, Ed25519PublicKey):
            raise no_key(path, "public", f"it is a {type(key).__name__}")
        keys[key_id_of(key)] = key
    return keys


def key_id_of(key: Ed25519PublicKey) -> str:
    """Return the name of a key: 16 hexadecimal digits of the hash of its 32 bytes."""
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:_KEY_ID_DIGITS]


def sign(data: bytes, kind: Kind, key: Ed25519PrivateKey, *, allow_downgrade: bool = False) -> str:
    """Return a signature file's text.

    Args:
        data: What is signed.
        kind: What it is.
        key: Of the signer.
        allow_downgrade: See `Statement`.
    """
    statement = Statement(
        kind=kind,
        sha256=sha256_bytes(data),
        key_id=key_id_of(key.public_key()),
        signed_at=datetime.now(timezone.utc),
        allow_downgrade=allow_downgrade,
    )
    own = statement.model_dump_json().encode()
    signed = SignedStatement(
        statement=base64.b64encode(own).decode(),
        signature=sign_bytes(own, kind, key),
    )
    return signed.model_dump_json(indent=2) + "\n"


def sign_bytes(data: bytes, kind: Kind, key: Ed25519PrivateKey) -> str:
    """Return the base64 of a signature over a kind and these exact bytes."""
    return base64.b64encode(key.sign(_prefixed(kind, data))).decode()


def verify_bytes(data: bytes, signature: str, kind: Kind, key: Ed25519PublicKey) -> None:
    """Check a signature of `sign_bytes`.

    Raises:
        SignatureError: It is not of this key over this kind and these bytes.
    """
    try:
        key.verify(base64.b64decode(signature, validate=True), _prefixed(kind, data))
    except (InvalidSignature, ValueError) as error:
        raise SignatureError(
            f"the signature of the {kind} is forged or damaged: sign it again"
        ) from error


def verified(path: Path, data: bytes, kind: Kind, keys: PublicKeys) -> Statement:
    """Return what a believed signer says of `data`.

    Args:
        path: The signature file.
        data: What it should be of.
        kind: What `data` is.
        keys: Whose signatures are believed.

    Raises:
        SignatureError: There is no signature, it is of other bytes, kind or key, or it is forged.
    """
    signed, statement, own = _read(path)
    key = keys.get(statement.key_id)
    if key is None:
        known = ", ".join(sorted(keys)) or "none"
        raise SignatureError(
            f"{path} is by key {statement.key_id}, which is not believed here (known: {known}):"
            " sign with a known key, or add this key's public file"
        )
    try:
        key.verify(_decoded(path, signed.signature), _prefixed(kind, own))
    except InvalidSignature as error:
        raise SignatureError(
            f"{path} is forged or damaged: copy the original again, or sign it again"
        ) from error
    if statement.kind != kind or statement.sha256 != sha256_bytes(data):
        raise SignatureError(
            f"{path} is the signature of something else: what lies beside it was altered after it"
            " was signed; copy the original again, or sign it again"
        )
    return statement


def read_statement(path: Path) -> Statement:
    """Return what a signature file says, believed or not.

    Raises:
        SignatureError: It is absent, or no signature file.
    """
    return _read(path)[1]


def _read(path: Path) -> tuple[SignedStatement, Statement, bytes]:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise SignatureError(
            f"{path} is missing: it is not signed, and a key is configured: sign it with"
            f" `{_SIGNER.get(path.name, 'edgeclip-export sign')}`"
        ) from error
    if len(text) > _MOST_BYTES:
        raise SignatureError(f"{path} is no signature, it is too large: sign again")
    try:
        signed = SignedStatement.model_validate_json(text)
    except ValidationError as error:
        raise SignatureError(explain(error, SignedStatement, str(path))) from error
    own = _decoded(path, signed.statement)
    try:
        return signed, Statement.model_validate_json(own), own
    except ValidationError as error:
        where = f"{path}, its statement"
        raise SignatureError(explain(error, Statement, where)) from error


def _decoded(path: Path, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise SignatureError(f"{path} is no signature, it is not base64: sign again") from error


def _prefixed(kind: Kind, statement: bytes) -> bytes:
    return f"edgeclip {kind} signature/1\n".encode() + statement
