"""What `edgeclip pack combine|compose` are told of a gate, and what they say of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer
from rich.markup import escape

from edgeclip.cli_output import show
from edgeclip.errors import ConfigError

if TYPE_CHECKING:
    from edgeclip.combining import Combined

_GATES = ("prototypes", "learned")

GateOption = Annotated[
    str, typer.Option(help="Who chooses between packs: prototypes, or a learned gate.")
]
TopKOption = Annotated[
    Optional[int],  # noqa: UP045  # typer evaluates it on Python 3.10 too
    typer.Option(
        help="Packs that a learned gate lets answer for an image.", show_default="1", min=1
    ),
]


def asked_k(gate: str, top_k: int | None) -> int | None:
    """Return how many packs a learned gate lets answer; None where prototypes choose.

    Raises:
        ConfigError: There is no such gate, or --top-k has no effect.
    """
    if gate not in _GATES:
        raise ConfigError(f"--gate is {gate!r}: give {' or '.join(_GATES)}")
    if gate == "prototypes" and top_k is not None:
        raise ConfigError(f"--top-k {top_k} is for --gate learned: by prototypes one pack answers")
    return None if gate == "prototypes" else top_k or 1


def show_gate(combined: Combined) -> None:
    """Print what was learned, and warn of a gate that was left behind."""
    learned = combined.learned
    if learned is not None:
        manifest = learned.stored.manifest
        names = ", ".join(row.name for row in manifest.packs)
        show(
            escape(
                f"learned a gate between {names}: {learned.right} of the {learned.samples}"
                f" images that taught it go to their pack; {manifest.k} a frame answer"
            )
        )
        return
    for source in combined.left:
        typer.echo(
            f"warning: the learned gate of {source} stays behind: --gate learned learns another",
            err=True,
        )
