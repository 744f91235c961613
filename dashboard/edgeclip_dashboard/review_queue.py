"""Where a reviewer stands: what is at hand, what comes, what was said; no database."""

from __future__ import annotations

from collections.abc import Iterable

from edgeclip_dashboard.verdicts import Said


class ReviewQueue:
    """A list of detections that one goes through, forth and back.

    Attributes:
        given: What was said here, by detection.
    """

    def __init__(self, detection_ids: Iterable[str]) -> None:
        self._ids = list(detection_ids)
        self._at = 0
        self.given: dict[str, Said] = {}

    @property
    def current(self) -> str | None:
        """The detection at hand, or None past the last."""
        return self._ids[self._at] if self._at < len(self._ids) else None

    @property
    def following(self) -> str | None:
        """The one after it, or None."""
        return self._ids[self._at + 1] if self._at + 1 < len(self._ids) else None

    def next(self) -> None:
        """Go on; past the last there is nothing at hand."""
        self._at = min(self._at + 1, len(self._ids))

    def back(self) -> None:
        """Go back, as far as the first."""
        self._at = max(self._at - 1, 0)

    def skip(self) -> None:
        """Put what is at hand behind all others."""
        if self.current is not None:
            self._ids.append(self._ids.pop(self._at))

    def drop(self) -> None:
        """Take what is at hand out of the list."""
        if self.current is not None:
            del self._ids[self._at]

    def judged(self, detection_id: str, said: Said) -> None:
        """Note what was said, and go on if it was of what is at hand."""
        self.given[detection_id] = said
        if detection_id == self.current:
            self.next()

    def progress(self, waiting: int) -> str:
        """Return where one stands in words.

        Args:
            waiting: How many there were to be reviewed when the list was made; a list holds only
                the hardest of them.
        """
        place = f"{min(self._at + 1, len(self._ids))} of {len(self._ids)}"
        more = f", {waiting} wait" if waiting > len(self._ids) else ""
        done = f" · {len(self.given)} judged" if self.given else ""
        return f"{place}{more}{done}" if self._ids else f"nothing here{done}"
