"""From how little a class was taught, for people and in `pack.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgeclip.contract.plurals import counted

PREFIX = "taught/"
"""Of the figures in `pack.json` that say from how little a class was taught."""
_IMAGES = "/images"


@dataclass(frozen=True)
class Account:
    """From what a class was taught, for people.

    Attributes:
        name: Of the class.
        how: `meta` or `closed form`.
        images: That taught it.
        others: Frames without it that placed the threshold: those given.
        carried: Those that the pack carries.
        left_out: How many of the images are recognised where the others taught; None for one.
        threshold: What it stands on, in a few words.
        words_read: Whether its name was read: not by a bundle, which has no text encoder.
    """

    name: str
    how: str
    images: int
    others: int
    carried: int
    left_out: int | None
    threshold: str
    words_read: bool = True

    @property
    def said(self) -> str:
        """One line: from how little it was taught, and that nobody has measured it."""
        images = counted(self.images, "image")
        return f"{self.name}: taught from {images}, threshold from {self.threshold}; UNVERIFIED"

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be said of the class beside from how little it was taught."""
        if self.words_read:
            return ()
        said = f"the words {self.name!r} were not read, since a bundle has no text encoder:"
        return (f"{said} prompts alone will not know it",)

    def figures(self) -> dict[str, float]:
        """Return what `pack.json` says of it."""
        found = {
            "images": float(self.images),
            "others": float(self.others),
            "carried": float(self.carried),
        }
        if not self.words_read:
            found["words_read"] = 0.0
        if self.left_out is not None:
            found["left_out_recognised"] = float(self.left_out)
        return {f"{PREFIX}{self.name}/{key}": value for key, value in found.items()}


def taught_lines(metrics: Mapping[str, float]) -> list[str]:
    """Return of each class that was taught from a few images, from how many.

    Args:
        metrics: Of `pack.json`.
    """
    images = {name: metrics[f"{PREFIX}{name}{_IMAGES}"] for name in taught_names(metrics)}
    return [
        f"{name} from {number:.0f} image{'' if number == 1 else 's'}, its threshold is unverified"
        for name, number in images.items()
    ]


def taught_names(metrics: Mapping[str, float]) -> list[str]:
    """Return the classes that were taught from a few images.

    Args:
        metrics: Of `pack.json`.
    """
    return [
        key.removeprefix(PREFIX).removesuffix(_IMAGES)
        for key in metrics
        if key.startswith(PREFIX) and key.endswith(_IMAGES)
    ]
