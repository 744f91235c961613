"""What `edgeclip teach` says, in the page's words: no options and no paths of this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MOST: Final = 400
_KNOWN: Final = re.compile(r".* knows (?P<known>[^:]+) already: .*")
_ADVICE: Final = {
    ": name another frame, or open it with an image program and save it as a JPEG": (
        ": choose another detection"
    ),
    "--backbone": "[teaching].backbone",
    "--pretrained": "[teaching].pretrained",
    "--bundle": "[teaching].bundle",
    "--on ": "",
    "--on: ": "",
    "--images: ": "",
    "--others ": "",
    "edgeclip teach: ": "",
}
"""What stands in an error of the command: what stands for it here."""


@dataclass(frozen=True)
class PageWords:
    """Says what the command said to those who chose detections on a page.

    Attributes:
        name: Of the class, as it was typed.
        folder: Where the command's files lie, for this teaching alone.
        words: By path what lies there.
    """

    name: str
    folder: Path
    words: Mapping[Path, str]

    def of(self, text: str) -> str:
        """Return a sentence of the command in words that make sense on the page."""
        if known := _KNOWN.fullmatch(text):
            return (
                f"the pack knows {known['known']} already: what is special can be taught under a"
                " name of its own, such as 'black leopard'; more pictures of the same are for a"
                " training"
            )
        text = text.replace(f"--name {self.name}: ", "")
        for path in sorted(self.words, key=lambda own: -len(str(own))):  # no part of a longer one
            text = text.replace(str(path), self.words[path])
        for said, instead in _ADVICE.items():
            text = text.replace(said, instead)
        return re.sub(rf"{re.escape(str(self.folder))}[^\s:,;]*", "a file for this", text)[:_MOST]
