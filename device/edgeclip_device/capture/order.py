"""What the parent tells the capture process at its start, as one line of JSON on its stdin.

Not as arguments: an address holds a camera's password, and arguments can be read by everyone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from edgeclip_device.sources.cameras import CameraAddress

OPENCV = "edgeclip_device.sources.cameras:open_capture"


@dataclass(frozen=True)
class Order:
    """What to capture, and where to put it.

    Attributes:
        address: The camera.
        interval_s: Between two frames that are kept; those between are taken and not decoded.
        opener: Which function opens it, as module:name.
        memory: Descriptor of the shared memory.
        words: Descriptor of the pipe to the parent.
    """

    address: CameraAddress
    interval_s: float
    opener: str
    memory: int
    words: int

    def to_line(self) -> bytes:
        """Return the order as a line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @staticmethod
    def from_line(line: bytes) -> Order:
        """Return the order that a line holds."""
        fields = json.loads(line)
        address = fields.pop("address")
        for name in ("parameters", "wishes", "secrets"):
            address[name] = tuple(
                tuple(item) if isinstance(item, list) else item for item in address[name]
            )
        return Order(address=CameraAddress(**address), **fields)
