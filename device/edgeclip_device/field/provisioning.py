"""Provision: the device makes its own key, and a request that an authority signs.

The private key never leaves the device, so that a stolen one knows nothing of the others.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edgeclip.contract.detection import is_identifier
from edgeclip.contract.files import sync_folder, write_bytes
from edgeclip.errors import ConfigError, SetupError

KEY_FILE = "device.key"
REQUEST_FILE = "device.csr"
_GROUP = "edgeclip"


@dataclass(frozen=True)
class Provisioned:
    """What lies in the folder now.

    Attributes:
        is_new: Whether the key was made by this call.
        replaced: The CN of the request that was there before, if it was another one.
    """

    key: Path
    request: Path
    is_new: bool
    replaced: str | None = None


def provision(device_id: str, folder: Path) -> Provisioned:
    """Make a key, unless there is one, and a certificate request whose CN is the device's id.

    Args:
        device_id: Also the MQTT client id: the broker's ACL goes by it.
        folder: Takes both files.

    Raises:
        ConfigError: The id is none.
        SetupError: The key that is there cannot be used, or the folder cannot be written.
    """
    if not is_identifier(device_id):
        raise ConfigError(f"{device_id!r} is no device_id: use a-z, 0-9 and -, at most 32")
    path, request = folder / KEY_FILE, folder / REQUEST_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        key = _make_key(path) if is_new else _read_key(path)
        before = _name_in(request)
        write_bytes(request, _request(device_id, key).public_bytes(Encoding.PEM))
    except OSError as error:
        raise SetupError(
            f"{folder} cannot be written ({error.strerror}): run with sudo, or name a folder"
            " with --out"
        ) from error
    return Provisioned(path, request, is_new, before if before != device_id else None)


def _make_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Make a P-256 key, readable by root alone: systemd hands it to the uplink, to nobody else."""
    key = ec.generate_private_key(ec.SECP256R1())
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)
    return key


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise SetupError(f"{path} is no private key without password: move it away") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise SetupError(f"{path} is no elliptic-curve key: move it away, a new one is made then")
    return key


def _name_in(request: Path) -> str | None:
    """Return the CN of a request; None where there is none that can be read."""
    try:
        subject = x509.load_pem_x509_csr(request.read_bytes()).subject
    except (FileNotFoundError, ValueError):
        return None
    return next((str(name.value) for name in subject), None)


def _request(device_id: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateSigningRequest:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device_id)])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.add_extension(usage, critical=False).sign(key, hashes.SHA256())
