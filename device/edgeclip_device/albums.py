"""The pictures of each detection so far, and what its first revision said once and for all."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from edgeclip.contract.detection import Latency, MediaRef, Severity
from edgeclip.contract.preprocess import crop_square
from edgeclip_device.config import MediaSettings
from edgeclip_device.media import Snapshot, encode
from edgeclip_device.outbox import Attachment
from edgeclip_device.privacy import Privacy
from edgeclip_device.seen import Seen
from edgeclip_device.visit_records import Visit

_MOST_MEDIA = 16  # a detection names no more
_REMEMBERED = 64  # detections whose numbering goes on; far more than can be in their cool-down


@dataclass
class Album:
    """What is remembered of one detection.

    Attributes:
        refs: Of all its pictures, the newest first.
        of_at_s: Time of the frame that the newest show.
        latency: Of its first revision.
        severity: Of its first revision: a detection does not change its topic.
    """

    refs: list[MediaRef] = field(default_factory=list)
    next_n: int = 0
    of_at_s: float | None = None
    latency: Latency | None = None
    severity: Severity | None = None


class Albums:
    """The albums of one camera.

    Args:
        settings: Size and quality of pictures.
        privacy: What of people may be in them.
        margin: Around what moved, as the pack's preprocessing has it.
    """

    def __init__(self, settings: MediaSettings, privacy: Privacy, margin: float) -> None:
        self._settings = settings
        self._privacy = privacy
        self._margin = margin
        self._albums: OrderedDict[str, Album] = OrderedDict()

    def of(self, detection_id: str) -> Album:
        """Return a detection's album, an empty one at first."""
        album = self._albums.setdefault(detection_id, Album())
        self._albums.move_to_end(detection_id)
        while len(self._albums) > _REMEMBERED:
            self._albums.popitem(last=False)
        return album

    def take_pictures(self, visit: Visit[Seen], album: Album) -> list[Attachment]:
        """Return pictures of the best frame, unless it is the one that was sent before.

        Raises:
            DataError: No picture of the frame fits into the largest size.
        """
        if album.of_at_s == visit.best.at_s:
            return []
        album.of_at_s = visit.best.at_s
        seen = visit.best.what
        if seen.shows_person and self._privacy.keeps_sealed:
            name = f"{visit.detection_id}-{album.next_n}"
            self._privacy.keep_sealed(name, encode(seen.image, "full", self._settings).data)
            album.next_n += 1
        made = [Attachment(album.next_n + i, item) for i, item in enumerate(self._pictures(seen))]
        album.next_n += len(made)
        album.refs = [*(item.ref for item in made), *album.refs][:_MOST_MEDIA]
        return made

    def _pictures(self, seen: Seen) -> list[Snapshot]:
        image = self._privacy.visible(seen.image, shows_person=seen.shows_person)
        if image is None:
            return []
        pictures = [encode(image, "full", self._settings)]
        if seen.crop is not None and not seen.shows_person:
            part = crop_square(image, seen.crop, self._margin)
            pictures.append(encode(part, "crop", self._settings))
        return pictures
