"""Whether the gate sees nothing any more: forced frames find what no motion announced."""

from __future__ import annotations

from edgeclip_device.alarms import Alarms

_FINDS = 3  # on their own, one after the other, without any motion between them


class StuckWatch:
    """Raises `gate_stuck`, and clears it when something moves.

    Args:
        alarms: Are told.
    """

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms
        self._finds = 0
        alarms.clear_alarm("gate_stuck")  # of the last process

    def saw(self, *, forced: bool, moved: bool, is_seen: bool) -> None:
        """Note a classified frame.

        Args:
            forced: It was let through because it was time.
            moved: Something moved in it.
            is_seen: A class that is decided on may be in it.
        """
        if moved:
            if self._finds >= _FINDS:
                self._alarms.clear_alarm("gate_stuck")
            self._finds = 0
        elif forced and is_seen:
            self._finds += 1
            if self._finds == _FINDS:
                self._alarms.raise_alarm(
                    "gate_stuck",
                    f"{_FINDS} times a frame without any motion showed an animal: look at masks,"
                    " zones, min_blob_pct and learned_noise of [motion]",
                )
