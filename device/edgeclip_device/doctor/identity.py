"""Key and certificate of mutual TLS: rights, dates, names."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from edgeclip_device.credentials import broker_credentials
from edgeclip_device.doctor.base import Finding, Patient

_SOON = timedelta(days=30)


def check_identity(patient: Patient) -> Iterable[Finding]:
    """Judge how the device shows who it is."""
    mqtt = patient.settings.mqtt
    if mqtt.certificate_file is None or mqtt.key_file is None:
        named = broker_credentials().username
        if named:
            yield Finding("identity", "ok", f"user name {named}; no certificate")
        else:
            step = "edgeclip-device provision, and let your authority sign the request"
            yield Finding("identity", "warn", "neither certificate nor user name", step)
        return
    yield _key(mqtt.key_file)
    yield judge_certificate(
        mqtt.certificate_file,
        mqtt.key_file,
        patient.settings.device_id,
        datetime.now(timezone.utc),
    )


def _key(path: Path) -> Finding:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        step = "edgeclip-device provision"
        return Finding("key", "fail", f"{path}: {error.strerror}", step)
    if mode & stat.S_IRWXO:
        step = f"sudo chmod o= {path}"
        return Finding("key", "fail", f"{path} can be read by everybody ({mode:o})", step)
    if mode & stat.S_IRWXG:
        step = f"edgeclip-device install, which hands it to the uplink; then sudo chmod 600 {path}"
        return Finding("key", "warn", f"{path} can be read by detect, too ({mode:o})", step)
    return Finding("key", "ok", f"{path} ({mode:o})")


def judge_certificate(path: Path, key_file: Path, device_id: str, now: datetime) -> Finding:
    """Judge a certificate: its dates, its CN, and whether the key is its own.

    Args:
        path: PEM.
        key_file: PEM, without password.
        device_id: What the CN must be, since the broker's ACL goes by it.
        now: Aware.
    """
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        key = load_pem_private_key(key_file.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        return Finding("certificate", "fail", f"{path} or its key cannot be read ({error})",
                       "let your authority sign device.csr again")  # fmt: skip
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = str(names[0].value) if names else ""
    found = f"CN {name}, until {ends:%Y-%m-%d}"
    if certificate.public_key() != key.public_key():
        step = "sign the request that belongs to this key (device.csr)"
        return Finding("certificate", "fail", f"{path} is not of {key_file}", step)
    if name != device_id:
        step = f"sign a request with CN = {device_id}, or name the device {name}"
        return Finding("certificate", "fail", f"{found}: device_id is {device_id}", step)
    if now < begins:
        step = "is the clock right? see `clock`"
        return Finding("certificate", "fail", f"not valid before {begins:%Y-%m-%d %H:%M}", step)
    if now > ends:
        step = "provision keeps the key: sign the request again"
        return Finding("certificate", "fail", f"{found}: it has ended", step)
    if now > ends - _SOON:
        return Finding("certificate", "warn", f"{found}: soon", "sign the request again in time")
    return Finding("certificate", "ok", found)
