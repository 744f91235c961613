"""`edgeclip pack attributes|attribute-file`: what a pack is asked in words beside its class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer
from rich.markup import escape

from edgeclip.cli_groups import takes_groups
from edgeclip.cli_options import AsJson, OverwriteOption, PretrainedOption
from edgeclip.cli_output import bundle_words, next_command, print_json, show
from edgeclip.cli_reading import ReadingGiven
from edgeclip.errors import ConfigError

if TYPE_CHECKING:
    from edgeclip.attributes.making import Made
    from edgeclip.contract.pack import PackManifest


@takes_groups
def attributes(
    pack: Annotated[Path, typer.Argument(help="A pack; it stays as it is.")],
    *,
    out: Annotated[Path, typer.Option(help="The pack to be made.", show_default=False)],
    attributes: Annotated[
        str, typer.Option(help="A TOML or JSON file, or 'usual' for the built-in one.")
    ] = "usual",
    data: Annotated[
        Optional[Path],  # noqa: UP045  # typer evaluates it on Python 3.10 too
        typer.Option(help="Labelled images with columns that say what is true; else unverified."),
    ] = None,
    backbone: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The encoder, where the pack's name for it is not known."),
    ] = None,
    pretrained: PretrainedOption = None,
    overwrite: OverwriteOption = False,
    as_json: AsJson = False,
    reading: ReadingGiven,
) -> None:
    """Let a pack answer questions in words too. Nothing is trained; its adapters stay."""
    from datetime import datetime, timezone

    from edgeclip.attributes.asked import read_asked
    from edgeclip.config import default_cache
    from edgeclip.contract.pack import read_pack_manifest
    from edgeclip.contract.settings import settings_from
    from edgeclip.labels.reading import ReadingOptions
    from edgeclip.progress import Bars

    base, groups = read_pack_manifest(pack).base, read_asked(attributes)
    if data is None and reading != ReadingGiven():
        raise ConfigError("options that say how labels are read need --data: name the labels")
    options = settings_from(
        {"data": data or Path(), **reading.fields()}, ReadingOptions, source="edgeclip pack"
    )
    from edgeclip.attributes.adding import Addition, add_attributes  # torch
    from edgeclip.clip import load_backbone

    named = pretrained or (None if backbone or base.arch == "demo" else base.pretrained)
    addition = Addition(pack, out, groups, options if data else None, default_cache(), overwrite)
    encoder = load_backbone(backbone or base.arch, named)
    with Bars(quiet=as_json) as bars:
        manifest, made = add_attributes(addition, encoder, at=datetime.now(timezone.utc), bars=bars)
    _show_result(out, manifest, made, as_json=as_json)


def _show_result(out: Path, manifest: PackManifest, made: Made, *, as_json: bool) -> None:
    from edgeclip.pack_contents import pack_facts, pack_table

    if as_json:
        print_json(
            {"pack": str(out), "version": manifest.version, "notes": list(made.notes)}
            | made.content.model_dump(mode="json", by_alias=True)
        )
        return
    for each in pack_facts(out):
        show(pack_table(each))
    for note in made.notes:
        show(f"[bold yellow]{escape(note)}[/]")
    show(f"{escape(str(out))} is version {manifest.version}; sign it where packs are signed")
    next_command(bundle_words(out))


def attribute_file() -> None:
    """Print the built-in file of attributes, to be changed."""
    from edgeclip.attributes.asked import usual_text

    typer.echo(usual_text(), nl=False)


def register(app: typer.Typer) -> None:
    """Add the commands to `edgeclip pack`."""
    app.command("attributes")(attributes)
    app.command("attribute-file")(attribute_file)
