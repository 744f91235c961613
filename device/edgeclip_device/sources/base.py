"""What every source of frames can do."""

from __future__ import annotations

from typing import Protocol

from edgeclip_device.frames import Frame, NothingYet


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

    def read(self) -> Frame | NothingYet | None:
        """Return the next frame, that there is none yet, or None at the end.

        It returns within a second, or nearly so: the watchdog, signals and open visits wait for it.

        Raises:
            SourceError: A frame is lost. Reading again goes on: with the next image of a folder, or
                by helping the camera.
        """

    def close(self) -> None:
        """Give the camera or file back."""
