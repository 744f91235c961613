"""`edgeclip teach`: one to five images in, a pack that knows them out, without a gradient step."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from rich.markup import escape
from typer.core import TyperCommand

from edgeclip.cli_groups import takes_groups
from edgeclip.cli_options import (
    AsJson,
    BoxesOption,
    MetaWeightsOption,
    OverwriteOption,
    PretrainedOption,
    StripBottomOption,
    StripTopOption,
    VersionOption,
)
from edgeclip.cli_output import next_command, print_json, show

if TYPE_CHECKING:
    from edgeclip.teaching.teach import TeachResult

_OF_SEVERAL = ("--images", "--others")


class SeveralPaths(TyperCommand):
    """A command whose options for paths take several: `--images a.jpg b.jpg`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give each path of such an option the option of its own, and go on."""
        for option, after in itertools.pairwise([*args, "--"]):
            if option in _OF_SEVERAL and after.startswith("-"):
                raise typer.BadParameter("it needs a path or more", ctx, param_hint=option)
        return super().parse_args(ctx, spelled_out(args))


def spelled_out(args: list[str]) -> list[str]:
    """Return arguments with `--images a b` as `--images a --images b`.

    Args:
        args: As typed; what begins with a dash ends an option's paths.
    """
    spelled: list[str] = []
    option, is_first = "", False
    for arg in args:
        if arg.startswith("-"):
            option = arg if arg in _OF_SEVERAL else ""
            is_first = True
        elif option and not is_first:
            spelled.append(option)
        else:
            is_first = False
        spelled.append(arg)
    return spelled


@dataclass(frozen=True, kw_only=True)
class TaughtGiven:
    """What is taught, and on what."""

    images: Annotated[
        list[Path],
        typer.Option(help="One to five frames that show it, one after the other.", metavar="PATHS"),
    ]
    name: Annotated[str, typer.Option(help="What it is called: 'black leopard'.")]
    on: Annotated[
        Optional[Path],  # noqa: UP045  # typer evaluates it on Python 3.10 too
        typer.Option(help="A pack that gets the class; it stays as it is. Else words alone."),
    ] = None
    others: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option(
            help="Frames of the same cameras without it: images, folders or tables.",
            metavar="PATHS",
        ),
    ] = None
    boxes: BoxesOption = None
    method: Annotated[
        str, typer.Option(help="What predicts the class: closed (a closed form), or meta.")
    ] = "closed"
    bundle: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="A bundle that has the encoder: then no torch is needed, nor loaded."),
    ] = None
    backbone: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="'demo', an open_clip name, or a model's JSON; else the pack's own."),
    ] = None
    pretrained: PretrainedOption = None
    meta_weights: MetaWeightsOption = None
    strip_top_px: StripTopOption = None
    strip_bottom_px: StripBottomOption = None


@dataclass(frozen=True, kw_only=True)
class MadeGiven:
    """What is made."""

    out: Annotated[Path, typer.Option(help="The pack's folder, to be made.", show_default=False)]
    task: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The pack's name, a-z 0-9 -; else that of --on, or taught-NAME."),
    ] = None
    version: VersionOption = None
    overwrite: OverwriteOption = False


@takes_groups
def teach(*, taught: TaughtGiven, made: MadeGiven, as_json: AsJson = False) -> None:
    """Teach a pack one class from one to five images. Nothing is trained; it takes seconds."""
    from datetime import datetime, timezone

    from edgeclip.contract.settings import settings_from
    from edgeclip.teaching.request import TeachRequest, check_teaching

    tables: dict[str, Any] = {**vars(taught), **vars(made)}
    tables |= {"images": tuple(taught.images), "others": tuple(taught.others or ())}
    request = settings_from(tables, TeachRequest, source="edgeclip teach")
    check_teaching(request)
    from edgeclip.teaching.teach import teach as teach_pack  # torch: after what is refused at once

    result = teach_pack(request, created_at=datetime.now(timezone.utc))
    if as_json:
        print_json(result.as_json(made.out))
    else:
        _show(result, made.out)


def _show(result: TeachResult, out: Path) -> None:
    manifest, limits = result.manifest, result.manifest.thresholds[result.account.name]
    classes = escape(", ".join(manifest.class_names))
    show(f"pack: {escape(manifest.task)} {manifest.version}, {classes}")
    show(escape(result.account.said))
    show(f"alerts on {escape(result.account.name)} from {limits.on:.3f}, by {result.account.how}")
    for note in result.notes:
        show(f"[bold yellow]{escape(note)}[/]")
    show(
        f"took {result.total_s:.1f} s: the encoder {result.loading_s:.1f}, looking at images"
        f" {result.seeing_s:.1f}, predicting {result.predicting_s:.3f}, writing"
        f" {result.writing_s:.1f}"
    )
    next_command(["edgeclip", "evaluate", "--pack", str(out), "--data", "labels.csv"])
