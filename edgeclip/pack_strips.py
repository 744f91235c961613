"""The strips of burned-in text that a pack was trained without, and what is cut off now."""

from __future__ import annotations

from edgeclip.contract.pack import PackManifest
from edgeclip.regions import Strips


def strips_for(
    manifest: PackManifest, top_px: int | None, bottom_px: int | None
) -> tuple[Strips, tuple[str, ...]]:
    """Return the rows to cut, and what must be said of them.

    Args:
        manifest: Of the pack; its strips are used where none are asked for.
        top_px: Asked for, or None.
        bottom_px: Asked for, or None.
    """
    trained = manifest.strip_top_px, manifest.strip_bottom_px
    sides = list(zip(("top", "bottom"), (top_px, bottom_px), trained, strict=True))
    notes = [
        f"--strip-{side}-px {asked}: the pack was trained without {own} rows there"
        for side, asked, own in sides
        if asked is not None and own is not None and asked != own
    ]
    top, bottom = (own or 0 if asked is None else asked for _, asked, own in sides)
    return Strips(top, bottom), tuple(notes)
