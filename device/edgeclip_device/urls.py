"""Addresses of brokers and cameras: taken apart, checked, and masked for logs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

from edgeclip.errors import ConfigError

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True)
class BrokerAddress:
    """Where a broker listens."""

    host: str
    port: int
    uses_tls: bool


def parse_broker_url(url: str) -> BrokerAddress:
    """Return the parts of `mqtt://HOST[:PORT]` or `mqtts://HOST[:PORT]`.

    Raises:
        ValueError: Another scheme, no host, a bad port, a path, or credentials in the URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("a broker is mqtt://HOST[:PORT] or mqtts://HOST[:PORT]")
    if parts.username is not None or parts.password is not None:
        raise ValueError("no credentials in the URL: set EDGECLIP_MQTT_USERNAME and _PASSWORD")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("a broker's URL ends after the port")
    port = parts.port if parts.port is not None else _PORTS[parts.scheme]
    return BrokerAddress(parts.hostname, port, parts.scheme == "mqtts")


_SECRET_IN_PIPELINE = re.compile(r"://[^/\s@]*:[^/\s@]*@|\b(user-pw|password)\s*=(?!\{password\})")


def refuse_password(source: str, key: str, file: str) -> None:
    """Refuse a camera's address that holds a password: it would end in files and process lists.

    Args:
        source: A URL or a GStreamer string.
        key: Where it stands in the table `[camera]`.
        file: Of the configuration, or `options`.

    Raises:
        ConfigError: It does.
    """
    in_url = "://" in source and " ! " not in source and urlsplit(source).password is not None
    if in_url or _SECRET_IN_PIPELINE.search(source):
        raise ConfigError(
            f"{file}: [camera].{key} holds a password: take it out and set"
            " EDGECLIP_CAMERA_USERNAME and EDGECLIP_CAMERA_PASSWORD; a pipeline gets them as"
            " {username} and {password}"
        )


def with_credentials(url: str, username: str, password: str) -> str:
    """Return a camera's URL with user name and password in it, for the library that opens it."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    login = f"{quote(username, safe='')}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{host}"))


def masked(source: str) -> str:
    """Return a source for logs and reports: without a user name, password or query."""
    if "://" not in source or " ! " in source:
        return source
    parts = urlsplit(source)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host, query="", fragment=""))
