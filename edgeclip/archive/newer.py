"""What a run that is gone on with says of images that came after its list was made."""

from __future__ import annotations

from edgeclip.archive.journal import Journal
from edgeclip.archive.stores import ImageStore, LocalFolder
from edgeclip.contract.plurals import counted
from edgeclip.errors import DataError


def said_of_list(journal: Journal, store: ImageStore) -> list[str]:
    """Return one line on how old the list of a run is; nothing of a run that begins now.

    Args:
        journal: The run.
        store: Its archive; a folder of this machine is listed again, which reads no image.
    """
    if not journal.is_earlier:
        return []
    since = f"the list of images is of {journal.plan.begun_at:%Y-%m-%d %H:%M} UTC"
    way = "for newer ones add --overwrite, or choose another --out"
    new = _new(journal, store)
    if new is None:
        return [f"{since}: {way}"]
    if not new:
        return [f"{since}, and no image is new"]
    return [f"{since}, and {counted(new, 'image')} came since, not looked at: {way}"]


def _new(journal: Journal, store: ImageStore) -> int | None:
    """Return how many images are not in the list; None where telling is slow, or cannot be."""
    if not isinstance(store, LocalFolder):
        return None
    parts = range(journal.plan.parts)
    known = {image.name for _, images in journal.listed(parts) for image in images}
    try:
        return sum(image.name not in known for image in store.images())
    except DataError:
        return None  # the images are gone; what they gave is here
