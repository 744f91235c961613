"""A certificate authority in a folder, for TLS on loopback."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path

    def mosquitto_lines(self, authority: Authority) -> tuple[str, ...]:
        """Return the lines of `mosquitto.conf` that demand certificates of this authority."""
        return (
            *authority.revocation_lines,
            f"cafile {authority.certificate}",
            f"certfile {self.certificate}",
            f"keyfile {self.key}",
            "require_certificate true",
        )


class Authority:
    """Issues certificates for names.

    Args:
        folder: Takes all files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.revocation_lines: tuple[str, ...] = ()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("edgeclip test authority")
        self.certificate = folder / "ca.pem"
        built = _builder(self._name, self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self._write(self.certificate, built.sign(self._key, hashes.SHA256()))

    def revoke(self, issued: Issued) -> None:
        """Take a certificate back; brokers that are started from now on know it."""
        now = datetime.now(timezone.utc)
        known = x509.load_pem_x509_certificate(issued.certificate.read_bytes())
        gone = x509.RevokedCertificateBuilder().serial_number(known.serial_number)
        built = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now - _DAY)
            .next_update(now + _DAY)
            .add_revoked_certificate(gone.revocation_date(now - _DAY).build())
        )
        path = self._folder / "revoked.pem"
        signed = built.sign(self._key, hashes.SHA256())
        path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        self.revocation_lines = (f"crlfile {path}",)

    def issue(self, name: str, begins_in: timedelta = -_DAY) -> Issued:
        """Return a certificate for a host or device.

        Args:
            name: Its common name.
            begins_in: From when on it is valid, from now.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        begins_at = datetime.now(timezone.utc) + begins_in
        built = _builder(_name(name), self._name, key.public_key(), begins_at).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        )
        issued = Issued(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        self._write(issued.certificate, built.sign(self._key, hashes.SHA256()))
        issued.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return issued

    def _write(self, path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    begins_at: datetime | None = None,
) -> x509.CertificateBuilder:
    now = datetime.now(timezone.utc)
    begins_at = begins_at or now - _DAY
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins_at)
        .not_valid_after(max(now, begins_at) + _DAY)
    )
