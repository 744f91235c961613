"""Secrets: from a systemd credential or the environment, never from a file of ours or an option."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import SecretStr

from edgeclip.contract.settings import Settings
from edgeclip.errors import ConfigError

CREDENTIALS_FOLDER = "CREDENTIALS_DIRECTORY"  # set by systemd's LoadCredential=
KEY_CREDENTIAL = "mqtt-key"
_MOST_BYTES = 4096


class Credentials(Settings):
    """User name and password of a broker or camera; masked wherever they are printed."""

    username: str | None = None
    password: SecretStr | None = None


def broker_credentials() -> Credentials:
    """Return those of `mqtt-username`, `mqtt-password` or `EDGECLIP_MQTT_USERNAME`, `_PASSWORD`.

    Raises:
        ConfigError: A password without a user name, or a credential that cannot be read.
    """
    return _read("mqtt")


def camera_credentials() -> Credentials:
    """Return those of `camera-username`, ... or `EDGECLIP_CAMERA_USERNAME`, `_PASSWORD`.

    Raises:
        ConfigError: A password without a user name, or a credential that cannot be read.
    """
    return _read("camera")


def handed_over(name: str) -> Path | None:
    """Return the file of a credential that systemd has handed over; None where it has not."""
    folder = os.environ.get(CREDENTIALS_FOLDER)
    path = Path(folder) / name if folder else None
    return path if path is not None and path.exists() else None


def take_from(folder: Path) -> None:
    """Take credentials from a folder where systemd has given none: for root, who looks after it.

    Args:
        folder: Where `LoadCredential=` takes them from; nothing happens where it cannot be read.
    """
    if CREDENTIALS_FOLDER not in os.environ and os.access(folder, os.R_OK | os.X_OK):
        os.environ[CREDENTIALS_FOLDER] = str(folder)


def _read(kind: str) -> Credentials:
    username, password = _secret(f"{kind}-username"), _secret(f"{kind}-password")
    if password and not username:
        raise ConfigError(f"there is a {kind} password without a user name: set both")
    return Credentials(username=username, password=SecretStr(password) if password else None)


def _secret(name: str) -> str | None:
    variable = "EDGECLIP_" + name.upper().replace("-", "_")
    path = handed_over(name)
    if path is None:
        return os.environ.get(variable) or None
    try:
        return path.read_bytes()[:_MOST_BYTES].decode().strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the credential {name} cannot be read: check its file") from error
