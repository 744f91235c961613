"""The device's configuration: TOML tables, options over them; secrets are in `credentials`."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from edgeclip.contract.bundle import Rung
from edgeclip.contract.detection import Identifier
from edgeclip.contract.pack import Probability, TaskName
from edgeclip.contract.settings import Settings, read_toml, settings_from
from edgeclip.errors import ConfigError
from edgeclip_device.camera_settings import CameraSettings
from edgeclip_device.command_settings import CommandSettings
from edgeclip_device.field_settings import ClockSettings, HealthSettings, PowerSettings
from edgeclip_device.integrations_settings import IntegrationsSettings
from edgeclip_device.motion.settings import MotionSettings
from edgeclip_device.privacy_settings import LocationSettings, PrivacySettings
from edgeclip_device.rollout.settings import PackSettings
from edgeclip_device.router_settings import RouterSettings
from edgeclip_device.uplink_settings import UplinkSettings
from edgeclip_device.urls import parse_broker_url, refuse_password
from edgeclip_device.visit_settings import LimitSettings, VisitSettings

_OPTIONS = {
    "motion.algorithm": "--motion",
    "mqtt.url": "--broker",
    "visits.frames": "--votes",
    "visits.of": "--votes",
}

LaxPath = Annotated[Path, Field(strict=False)]


def _host_name() -> str:
    """Return this machine's name as an id, for a desk; a fleet sets `device_id`."""
    return re.sub(r"[^a-z0-9-]+", "-", socket.gethostname().lower())[:32].strip("-") or "device"


class ThresholdSettings(Settings):
    """Table `[inference.thresholds.CLASS]`: in place of the pack's, where given."""

    on: Probability | None = Field(None, description="A frame supports the class from here on.")
    off: Probability | None = Field(None, description="A visit lasts while frames reach this.")
    peak: Probability | None = Field(None, description="The best frame must reach this.")

    @model_validator(mode="after")
    def _in_order(self) -> ThresholdSettings:
        given = self.model_dump(exclude_none=True)
        rising = [(key, given[key]) for key in ("off", "on", "peak") if key in given]
        if [value for _, value in rising] != sorted(value for _, value in rising):
            text = ", ".join(f"{key} = {value}" for key, value in rising)
            raise ValueError(f"off <= on <= peak does not hold with {text}")
        return self


class InferenceSettings(Settings):
    """Table `[inference]`: which bundle decides, and on what it runs."""

    bundle: LaxPath | None = Field(None, description="Folder made by `edgeclip-export bundle`.")
    task: TaskName | None = Field(None, description="Which of its packs; the first where absent.")
    backend: Literal["auto", "onnxruntime", "tensorrt"] = Field(
        "auto", description="auto takes a fitting TensorRT engine, else ONNX Runtime, and says so."
    )
    precision: Literal["auto", Rung] = Field(
        "auto",
        description="auto goes down the ladder to the first rung that computes what it must; one"
        " that is named and fails stops.",
    )
    public_keys: list[LaxPath] = Field(
        default_factory=list,
        max_length=16,
        description="Files of `edgeclip-export keygen`. With any, only bundles signed by one of "
        "them run, and none older than what ran before.",
    )
    threads: int = Field(2, ge=1, le=64, description="CPU threads of ONNX Runtime.")
    thresholds: dict[str, ThresholdSettings] = Field(
        default_factory=dict, description="By class name; each use is logged."
    )

    @model_validator(mode="after")
    def _precision_of_backend(self) -> InferenceSettings:
        if self.backend == "onnxruntime" and self.precision not in ("auto", "fp32"):
            raise ValueError(
                f"precision = {self.precision} is no ONNX Runtime's: give fp32, or backend tensorrt"
            )
        return self


class MediaSettings(Settings):
    """Table `[media]`: the snapshots, and what the encoder saw of them."""

    max_bytes: int = Field(64_000, ge=4_000, le=2_000_000, description="Largest JPEG, in bytes.")
    max_side_px: int = Field(1280, ge=64, le=4096, description="Longest side of a snapshot.")
    quality: int = Field(80, ge=20, le=95, description="JPEG quality to begin with.")
    features: bool = Field(
        True, description="Detections carry the best frame's image features, to be searched by."
    )
    heat: bool = Field(True, description="Detections say where in the best frame the class is.")


class OutboxSettings(Settings):
    """Table `[outbox]`: how much may wait for the dashboard."""

    max_rows: int = Field(100_000, ge=10, description="Most detections; see dropped when reached.")
    max_mb: int = Field(2_000, ge=1, description="Most megabytes of detections and media.")


class MqttSettings(Settings):
    """Table `[mqtt]`: the broker. User name and password are no keys: see `credentials`."""

    url: str | None = Field(None, description="mqtt://HOST[:1883], or mqtts://HOST[:8883] for TLS.")
    protocol: Literal["5", "3.1.1"] = Field(
        "5", description="3.1.1 only for brokers without 5: a refusal is not seen then."
    )
    ca_file: LaxPath | None = Field(
        None, description="CA certificates (PEM) for mqtts; the system's where absent."
    )
    certificate_file: LaxPath | None = Field(None, description="The device's certificate (PEM).")
    key_file: LaxPath | None = Field(None, description="The certificate's private key (PEM).")
    keepalive_s: int = Field(60, ge=5, le=3600, description="MQTT keep-alive; 300 on LTE.")
    session_expiry_s: int | None = Field(
        None,
        ge=60,
        le=4_294_967_295,
        description="How long the broker keeps our MQTT session; without it 7 days, 14 where"
        " [power].mode lets the device rest.",
    )
    will_delay_s: int = Field(
        30, ge=0, le=3600, description="How long after a lost connection `offline` appears."
    )
    retry_max_s: float = Field(300.0, ge=1, le=86_400, description="Longest wait before a retry.")
    max_in_flight: int = Field(20, ge=1, le=200, description="Messages without PUBACK at a time.")

    @field_validator("url")
    @classmethod
    def _is_a_broker(cls, value: str | None) -> str | None:
        if value is not None:
            parse_broker_url(value)
        return value


class DeviceSettings(Settings):
    """The whole file `device.toml`."""

    device_id: Identifier = Field(
        default_factory=_host_name, description="This device's name; also its MQTT client id."
    )
    project: Identifier = Field("demo", description="The project that the device belongs to.")
    deployment_id: Identifier = Field(
        "unplaced", description="One camera, one place, one period: where the device stands now."
    )
    state: LaxPath = Field(Path("edgeclip-state"), description="Folder of the outbox and media.")
    camera: CameraSettings = CameraSettings()
    motion: MotionSettings = MotionSettings()
    inference: InferenceSettings = InferenceSettings()
    router: RouterSettings = RouterSettings()
    visits: VisitSettings = VisitSettings()
    limits: LimitSettings = LimitSettings()
    privacy: PrivacySettings = PrivacySettings()
    location: LocationSettings = LocationSettings()
    media: MediaSettings = MediaSettings()
    outbox: OutboxSettings = OutboxSettings()
    mqtt: MqttSettings = MqttSettings()
    uplink: UplinkSettings = UplinkSettings()
    commands: CommandSettings = CommandSettings()
    packs: PackSettings = PackSettings()
    health: HealthSettings = HealthSettings()
    clock: ClockSettings = ClockSettings()
    power: PowerSettings = PowerSettings()
    integrations: IntegrationsSettings = IntegrationsSettings()

    @property
    def link(self) -> MqttSettings:
        """The table `[mqtt]` with its session's expiry, which follows from how the device works."""
        if self.mqtt.session_expiry_s is not None:
            return self.mqtt
        days = 7 if self.power.mode == "continuous" else 14
        return self.mqtt.model_copy(update={"session_expiry_s": days * 86_400})


def load_settings(file: Path | None, options: dict[str, Any]) -> DeviceSettings:
    """Return the settings: option over file over default.

    Args:
        file: `device.toml`, or None.
        options: Options of the command line, as nested tables; None stands for not given.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong.
    """
    tables = read_toml(file) if file else {}
    _merge(tables, options)
    origin = str(file or "options")
    settings = settings_from(tables, DeviceSettings, source=origin, options=_typed(options))
    for key in ("source", "pipeline"):
        refuse_password(getattr(settings.camera, key) or "", key, origin)
    _check_certificates(settings.mqtt, origin)
    return settings


def _typed(options: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Return the option that was typed for each key that options set."""
    found: dict[str, str] = {}
    for key, value in options.items():
        name = prefix + key
        if isinstance(value, dict):
            found |= _typed(value, f"{name}.")
        elif value is not None:
            found[name] = _OPTIONS.get(name, f"--{key.replace('_', '-')}")
            if name in ("visits.frames", "visits.of"):  # together they are one option
                found["visits"] = found[name]
    return found


def _merge(tables: dict[str, Any], options: dict[str, Any]) -> None:
    for key, value in options.items():
        if isinstance(value, dict) and isinstance(tables.setdefault(key, {}), dict):
            _merge(tables[key], value)
        elif value is not None:
            tables[key] = value


def _check_certificates(mqtt: MqttSettings, origin: str) -> None:
    for key in ("ca_file", "certificate_file", "key_file"):
        path: Path | None = getattr(mqtt, key)
        if path is not None and not path.is_file():
            raise ConfigError(f"{origin}: [mqtt].{key}: {path} is not a file: check the path")
    if (mqtt.certificate_file is None) != (mqtt.key_file is None):
        raise ConfigError(
            f"{origin}: [mqtt]: certificate_file and key_file belong together: give both"
        )
