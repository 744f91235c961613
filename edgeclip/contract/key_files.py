"""Files of keys that are none, or hold the other half of a pair: what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from edgeclip.contract.files import reason_of
from edgeclip.errors import ConfigError

PUBLIC_SUFFIX: Final = ".pub"
"""Of the public half, beside the private one."""


def key_bytes(path: Path, half: Literal["private", "public"]) -> bytes:
    """Return a key's file, unless it is not there or plainly the other half of a pair.

    Args:
        path: The file.
        half: Of a pair, as it is needed.

    Raises:
        ConfigError: The file cannot be read, or holds the other half.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no key {path}: check the path, or make a pair with `edgeclip-export keygen`"
        ) from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({reason_of(error)}): name a key") from error
    if half == "private" and b"BEGIN PUBLIC KEY" in data:
        other = path.with_suffix("") if path.suffix == PUBLIC_SUFFIX else "the private one"
        raise ConfigError(f"{path} is the public half of a key, and does not sign: name {other}")
    if half == "public" and b"PRIVATE KEY" in data:
        raise ConfigError(
            f"{path} is the private half of a key, which signs: name the public one,"
            f" {path}{PUBLIC_SUFFIX}"
        )
    return data


def no_key(path: Path, half: Literal["private", "public"], reason: object) -> ConfigError:
    """Return the error of a file that holds no such key.

    Args:
        path: The file.
        half: Of a pair, as it is needed.
        reason: Why. A `ValueError` is OpenSSL's, and says but where it lost its way.
    """
    why = "not PEM, or damaged" if isinstance(reason, ValueError) else reason
    return ConfigError(
        f"{path} is no {half} Ed25519 key in PEM ({why}): make a pair with `edgeclip-export keygen`"
    )
