"""How a label source is read: the one set of options of check, train and evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from pydantic import Field

from edgeclip.contract.settings import Settings
from edgeclip.errors import ConfigError

Layout = Literal["label", "location/label"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)


class ReadingOptions(Settings):
    """What is read, and how: paths, names of classes, and what to do in doubt."""

    data: Path = Field(strict=False, description="A folder of images, or a table.")
    data_dir: Path | None = Field(None, strict=False, description="Where its paths start.")
    layout: Layout | None = Field(None, description="Of folders; None: guessed, and said.")
    classes: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Class name -> labels; empty: a class a label."
    )


def parse_layout(text: str | None) -> Layout | None:
    """Return the layout that an option names; None, to guess it, for no option.

    Raises:
        ConfigError: There is no such layout.
    """
    if text is None:
        return None
    for layout in LAYOUTS:
        if text == layout:
            return layout
    known = ", ".join(repr(layout) for layout in LAYOUTS)
    raise ConfigError(f"--layout {text!r} is not known: use one of {known}")
