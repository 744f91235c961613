"""Options that several commands of `edgeclip` share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Optional

import typer

from edgeclip.contract.static_facts import require_possible
from edgeclip.errors import ConfigError

TargetOption = Annotated[
    Optional[list[str]],  # noqa: UP045  # typer evaluates it on Python 3.10 too
    typer.Option("--target", help="A class to alert on; repeat. Without any, all but blank."),
]
PretrainedOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="The backbone's weights: open_clip's tag, or a checkpoint file."),
]
MetaWeightsOption = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(help="Of the method meta; else those carried with the demo backbone."),
]
BoxesOption = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(help="MegaDetector's JSON, whose boxes the images get."),
]
StripTopOption = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(min=0, help="Rows of burned-in text to cut off; else as the pack was made."),
]
StripBottomOption = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(min=0, help="The same at the bottom."),
]
VersionOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="Three numbers; else 1.0.0, or with --on the next after that pack's."),
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite/--no-overwrite", help="Replace what is there.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of whatever is drawn at random.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
AllowRandomSplit = Annotated[
    bool, typer.Option("--allow-random-split", help="Places may teach and test; it is said.")
]


@dataclass(frozen=True, kw_only=True)
class RunGiven:
    """Where features are kept, and what becomes of an older output."""

    cache: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder for features; else in the user's cache."),
    ] = None
    cache_gb: Annotated[
        float,
        typer.Option(min=0.001, max=100_000, help="Most that it holds, in 10^9 bytes."),
    ] = 20.0
    overwrite: OverwriteOption = False


def pair_of(text: str, option: str) -> tuple[str, str]:
    """Return what stands on both sides of the sign in `key=value`.

    Raises:
        ConfigError: It is written otherwise.
    """
    key, equals, value = text.partition("=")
    if not equals or not key or not value:
        raise ConfigError(f"{option} {text!r}: write key=value")
    return key, value


def facts_given(options: list[str] | None) -> dict[str, str]:
    """Return what the options `--fact` say.

    Raises:
        ConfigError: One is written otherwise, or no image can be so.
    """
    facts = dict(pair_of(text, "--fact") for text in options or [])
    require_possible(facts, "--fact ")
    return facts
