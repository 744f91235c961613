"""The dashboard's configuration: TOML tables, options over them, secrets from the environment."""

from __future__ import annotations

import ipaddress
import os
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from edgeclip.contract.detection import Identifier
from edgeclip.contract.project_words import ExportSettings
from edgeclip.contract.settings import Settings, read_toml, settings_from
from edgeclip.errors import ConfigError
from edgeclip_dashboard.config_field import CommandSettings, MapSettings
from edgeclip_dashboard.config_search import SearchSettings
from edgeclip_dashboard.config_teaching import TeachingSettings
from edgeclip_dashboard.zones import NOT_NOTED, noted_zone

USERNAME_VARIABLE = "EDGECLIP_DASHBOARD_MQTT_USERNAME"
PASSWORD_VARIABLE = "EDGECLIP_DASHBOARD_MQTT_PASSWORD"
DATABASE_PASSWORD_VARIABLE = "EDGECLIP_DASHBOARD_DATABASE_PASSWORD"
_PORTS = {"mqtt": 1883, "mqtts": 8883}

LaxPath = Annotated[Path, Field(strict=False)]


class BrokerSettings(Settings):
    """Table `[broker]`: where the devices' messages come from."""

    url: str = Field(
        "mqtt://127.0.0.1:1883", description="mqtt://HOST[:1883], or mqtts://HOST[:8883] for TLS."
    )
    protocol: Literal["5", "3.1.1"] = Field(
        "5", description="MQTT version; 3.1.1 only for brokers without 5, like the embedded one."
    )
    ca_file: LaxPath | None = Field(
        None, description="CA certificates (PEM) for mqtts; the system's where absent."
    )
    certificate_file: LaxPath | None = Field(
        None, description="The dashboard's own certificate (PEM), for mutual TLS."
    )
    key_file: LaxPath | None = Field(None, description="The certificate's private key (PEM).")
    keepalive_s: int = Field(60, ge=5, le=3600, description="MQTT keep-alive.")
    session_expiry_s: int = Field(
        604_800, ge=60, le=4_294_967_295, description="How long the broker keeps our MQTT session."
    )
    shared_group: Identifier | None = Field(
        None, description="Name of the group of instances that share the load; all name the same."
    )
    retry_max_s: float = Field(
        60.0, ge=1, le=3600, description="Longest wait between two tries to connect."
    )

    @field_validator("url")
    @classmethod
    def _is_a_broker(cls, value: str) -> str:
        parse_broker_url(value)
        return value


class StoreSettings(Settings):
    """Table `[store]`: where detections and media are kept."""

    database: str = Field(
        "edgeclip-dashboard/detections.sqlite",
        description="A SQLite file, or a SQLAlchemy URL such as postgresql+psycopg://USER@HOST/DB.",
    )
    media: LaxPath = Field(
        Path("edgeclip-dashboard/media"), description="Folder of the snapshots, named by SHA-256."
    )
    media_max_bytes: int = Field(
        2_000_000, ge=1000, le=50_000_000, description="Larger media are refused."
    )


class PageSettings(Settings):
    """Table `[page]`: where people look."""

    host: str = Field(
        "127.0.0.1", min_length=1, description="Address to listen on; others than loopback warn."
    )
    port: int = Field(8080, ge=0, le=65535, description="TCP port; 0 takes a free one.")
    auth: Literal["accounts", "none"] = Field(
        "accounts", description="none lets everybody in who reaches the loopback interface."
    )
    public_url: str | None = Field(
        None, description="How people reach it through a reverse proxy: https://NAME."
    )
    trusted_proxies: list[str] = Field(
        ["127.0.0.1", "::1"],
        max_length=100,
        description="Addresses or networks whose X-Forwarded-For and -Proto are believed.",
    )
    theme: Literal["auto", "dark", "light"] = Field(
        "auto", description="auto follows the viewer's system; dark suits a control room."
    )
    newest: int = Field(60, ge=1, le=500, description="How many detections the page shows.")
    time_zone: str = Field(
        "UTC",
        max_length=64,
        description="The project's clock (Africa/Nairobi): for the days of filters, for what is of"
        " no place, and for places without a time zone of their own.",
    )

    @field_validator("time_zone")
    @classmethod
    def _is_a_time_zone(cls, value: str) -> str:
        if value != NOT_NOTED and noted_zone(value) is None:
            raise ValueError("write a name such as Africa/Nairobi, or UTC")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, value: list[str]) -> list[str]:
        for text in value:
            ipaddress.ip_network(text)
        return value

    @field_validator("public_url")
    @classmethod
    def _is_an_origin(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "https://absent")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError("write https://NAME or https://NAME:PORT")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError("it ends after the port")
        return value and value.rstrip("/")


class SignInSettings(Settings):
    """Table `[sign_in]`: how long people stay signed in."""

    idle_hours: float = Field(
        12.0, gt=0, le=720, description="A session ends when nothing was asked for that long."
    )
    longest_days: float = Field(
        7.0, gt=0, le=90, description="A session ends that long after its sign-in."
    )


class DashboardSettings(Settings):
    """The whole file `dashboard.toml`."""

    project: Identifier = Field("demo", description="Whose devices to listen to.")
    dashboard_id: Identifier = Field(
        "dashboard", description="This dashboard's name in receipts and in its MQTT client id."
    )
    broker: BrokerSettings = BrokerSettings()
    store: StoreSettings = StoreSettings()
    page: PageSettings = PageSettings()
    sign_in: SignInSettings = SignInSettings()
    map: MapSettings = MapSettings()
    commands: CommandSettings = CommandSettings()
    export: ExportSettings = ExportSettings()
    search: SearchSettings = SearchSettings()
    teaching: TeachingSettings = TeachingSettings()

    @property
    def zone(self) -> tzinfo | None:
        """The project's clock; None is UTC."""
        return noted_zone(self.page.time_zone)

    @model_validator(mode="after")
    def _a_group_can_share(self) -> DashboardSettings:
        if self.broker.shared_group is None:
            return self
        if self.broker.protocol != "5":
            raise ValueError("[broker].shared_group needs protocol 5: MQTT 3.1.1 has no shares")
        if not self.store.database.startswith("postgresql+psycopg://"):
            raise ValueError(
                "[broker].shared_group needs [store].database on PostgreSQL"
                " (postgresql+psycopg://USER@HOST/DB): a SQLite file is for one dashboard"
            )
        return self


class Credentials(Settings):
    """What only the environment may hold; masked wherever it is printed."""

    username: str | None = None
    password: SecretStr | None = None


def parse_broker_url(url: str) -> tuple[str, int, bool]:
    """Return host, port and whether TLS is used.

    Raises:
        ValueError: Another scheme, no host, a bad port, or something after the port.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("a broker is mqtt://HOST[:PORT] or mqtts://HOST[:PORT]")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("a broker's URL ends after the port")
    try:
        port = parts.port or _PORTS[parts.scheme]
    except ValueError as error:
        raise ValueError("a broker's port is a number up to 65535") from error
    return parts.hostname, port, parts.scheme == "mqtts"


def load_settings(file: Path | None, options: dict[str, Any]) -> DashboardSettings:
    """Return the settings: option over file over default.

    Args:
        file: `dashboard.toml`, or None.
        options: Nested tables of the options that were given on the command line.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong.
    """
    tables = read_toml(file) if file else {}
    for key, value in options.items():
        table = tables.get(key)
        if isinstance(value, dict) and isinstance(table, dict):
            table.update(value)
        else:
            tables[key] = value
    _refuse_credentials(tables)
    settings = settings_from(
        tables,
        DashboardSettings,
        source=str(file or "options"),
        options=_typed(options),
    )
    _check_files(settings.broker)
    _check_guard(settings.page)
    return settings


def _typed(options: dict[str, Any]) -> dict[str, str]:
    """Return the option that was typed for each key that options set."""
    found: dict[str, str] = {}
    for key, value in options.items():
        if isinstance(value, dict):
            found |= {f"{key}.{inner}": _option(inner) for inner in value}
        else:
            found[key] = _option(key)
    return found


def _option(key: str) -> str:
    return "--broker" if key == "url" else f"--{key.replace('_', '-')}"


def credentials_from_environment() -> Credentials:
    """Return the broker's user name and password.

    Raises:
        ConfigError: A password without a user name.
    """
    username = os.environ.get(USERNAME_VARIABLE)
    password = os.environ.get(PASSWORD_VARIABLE)
    if password and not username:
        raise ConfigError(f"{PASSWORD_VARIABLE} is set without {USERNAME_VARIABLE}: set both")
    return Credentials(username=username, password=SecretStr(password) if password else None)


def is_loopback(host: str) -> bool:
    """Say whether an address to listen on can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse_credentials(tables: dict[str, Any]) -> None:
    """Refuse a user name in the broker's URL before any message can show the URL."""
    broker = tables.get("broker")
    url = broker.get("url") if isinstance(broker, dict) else None
    if isinstance(url, str) and "@" in url:
        raise ConfigError(
            f"[broker].url: no credentials in the URL: set {USERNAME_VARIABLE}"
            f" and {PASSWORD_VARIABLE}"
        )


def _check_guard(page: PageSettings) -> None:
    if page.auth == "none" and not (is_loopback(page.host) and page.public_url is None):
        raise ConfigError(
            '[page].auth: "none" is for the loopback interface alone, without a public_url:'
            ' take "accounts"'
        )


def _check_files(broker: BrokerSettings) -> None:
    for key in ("ca_file", "certificate_file", "key_file"):
        path: Path | None = getattr(broker, key)
        if path is not None and not path.is_file():
            raise ConfigError(f"[broker].{key}: {path} is not a file: check the path")
    if (broker.certificate_file is None) != (broker.key_file is None):
        raise ConfigError("[broker]: certificate_file and key_file belong together: give both")
