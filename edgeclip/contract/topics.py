"""MQTT topics: `edgeclip/v1/{project}/{device_id}/...`; no species and no coordinates in them."""

from __future__ import annotations

from dataclasses import dataclass

from edgeclip.contract.detection import Severity, is_identifier

ROOT = "edgeclip/v1"


@dataclass(frozen=True)
class DeviceTopics:
    """All topics of one device.

    Raises:
        ValueError: An id is not of the form `[a-z0-9-]{1,32}`.
    """

    project: str
    device_id: str

    def __post_init__(self) -> None:
        for name in (self.project, self.device_id):
            if not is_identifier(name):
                raise ValueError(f"{name!r} is not an id: use a-z, 0-9 and -, at most 32")

    @property
    def prefix(self) -> str:
        """The part that all its topics share, without a closing slash."""
        return f"{ROOT}/{self.project}/{self.device_id}"

    @property
    def status(self) -> str:
        """Retained: online, stopped, offline (the last will)."""
        return f"{self.prefix}/up/status"

    @property
    def info(self) -> str:
        """Retained: the birth certificate."""
        return f"{self.prefix}/up/info"

    def reply(self, command_id: str) -> str:
        """What became of a command."""
        return f"{self.prefix}/up/reply/{command_id}"

    @property
    def event(self) -> str:
        """Detections once more, flat; off by default."""
        return f"{self.prefix}/up/event"

    @property
    def log(self) -> str:
        """Entries of the log book, and older health rows, grouped."""
        return f"{self.prefix}/up/log"

    @property
    def clockfix(self) -> str:
        """How far the clock of a boot was off."""
        return f"{self.prefix}/up/clockfix"

    def command(self, name: str) -> str:
        """A signed command; `+` for all of them."""
        return f"{self.prefix}/down/command/{name}"

    @property
    def desired(self) -> str:
        """Retained: the signed state that the device shall have."""
        return f"{self.prefix}/down/desired"

    def chunk(self, sha256: str, offset: str) -> str:
        """Bytes of a pack from an offset on, in decimal; `+` for all of them."""
        return f"{self.prefix}/down/chunk/{sha256}/{offset}"

    def retained(self, name: str) -> str:
        """One of the retained messages of a device, for example `alarm/disk_low`."""
        return f"{self.prefix}/up/{name}"

    @property
    def health(self) -> str:
        """Retained: how the device does."""
        return f"{self.prefix}/up/health"

    def detection(self, severity: Severity) -> str:
        """One revision of a visit."""
        return f"{self.prefix}/up/detection/{severity}"

    def media(self, detection_id: str, n: int) -> str:
        """The bytes of one JPEG; of a large one its parts, a level below: `/2-5` is 2 of 5."""
        return f"{self.prefix}/up/media/{detection_id}/{n}"

    @property
    def receipt(self) -> str:
        """What the dashboard has stored."""
        return f"{self.prefix}/down/receipt"


@dataclass(frozen=True)
class UpTopic:
    """A topic that a device published on, taken apart.

    Attributes:
        kind: status, info, detection or media.
        rest: What follows the kind: severity, or detection id and number.
    """

    project: str
    device_id: str
    kind: str
    rest: tuple[str, ...]


def parse_up_topic(topic: str) -> UpTopic | None:
    """Return the parts of a device's topic, or None if it is not one."""
    parts = topic.split("/")
    if len(parts) < 6 or "/".join(parts[:2]) != ROOT or parts[4] != "up":
        return None
    if not (is_identifier(parts[2]) and is_identifier(parts[3])):
        return None
    return UpTopic(parts[2], parts[3], parts[5], tuple(parts[6:]))


def all_devices(project: str) -> str:
    """Return the filter for everything that a project's devices publish."""
    return f"{ROOT}/{project}/+/up/#"


def dashboard_status(project: str) -> str:
    """Return the retained topic that says whether the dashboard is there."""
    return f"{ROOT}/{project}/dashboard/status"
