"""What is wrong with a camera, as an error that carries its alarm's code."""

from __future__ import annotations

from typing import Final, Literal, get_args

from edgeclip.errors import SourceError

FaultCode = Literal["camera_stalled", "camera_frozen", "camera_dark"]
FAULT_CODES: Final[tuple[FaultCode, ...]] = get_args(FaultCode)


class CameraFaultError(SourceError):
    """A camera gives no frames, or frames that show nothing; reading goes on, and tries to help.

    Args:
        code: Of the alarm.
        message: What, where, what is done.
    """

    def __init__(self, code: FaultCode, message: str) -> None:
        super().__init__(message)
        self.code = code
