"""What every source of frames can do."""

from __future__ import annotations

from typing import Protocol

from edgeclip_device.frames import Frame


class Source(Protocol):
    """A camera, a clip or images.

    Attributes:
        name: For logs and reports, without secrets.
        is_live: Whether it goes on after a failure, and frames are lost that are not read in time.
    """

    @property
    def name(self) -> str:
        """For logs and reports, without secrets."""

    @property
    def is_live(self) -> bool:
        """Whether time passes at the source while nobody reads."""

    def read(self) -> Frame | None:
        """Return the next frame, or None at the end.

        Raises:
            SourceError: There is no frame now. Reading again goes on: with the next image of a
                folder, or by opening the camera again.
        """

    def close(self) -> None:
        """Give the camera or file back."""
