"""`edgeclip pack`: packs put together, taken out again, and asked; the rest is registry's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.markup import escape

from edgeclip.cli_attributes import register as register_attributes
from edgeclip.cli_gate import GateOption, TopKOption, asked_k, show_gate
from edgeclip.cli_options import AsJson, OverwriteOption, PretrainedOption, facts_given, pair_of
from edgeclip.cli_output import next_command, print_json, show, whole_table
from edgeclip.cli_registry import keep_index, register
from edgeclip.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="Packs of many tasks: list, compare, sign, ask.")
register(app)
register_attributes(app)
OutOption = Annotated[Path, typer.Option(help="The folder to be made.", show_default=False)]


@app.command()
def combine(
    packs: Annotated[
        list[str],
        typer.Argument(help="Packs, each as FOLDER or NAME=FOLDER; or sets of packs."),
    ],
    *,
    out: OutOption,
    static: Annotated[
        Optional[list[str]],  # noqa: UP045  # typer evaluates it on Python 3.10 too
        typer.Option(help="'name:key=value' that must hold of a pack's images; repeat."),
    ] = None,
    gate: GateOption = "prototypes",
    top_k: TopKOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Put packs together. Each answers for images like those that it was trained on."""
    from edgeclip.combining import combine as combine_packs
    from edgeclip.contract.static_facts import doubt_of_key
    from edgeclip.labels.classes import empty_target_doubt
    from edgeclip.registry.address import refuse_url

    if len(packs) == 1 and not static:
        raise ConfigError(
            f"{packs[0]} alone is nothing to combine: name two packs or more, or say by --static"
            " which images it answers for"
        )
    k = asked_k(gate, top_k)
    for text in packs:
        refuse_url(text, "pack combine takes folders", "name that (or `edgeclip pack compose URL`)")
    asked = _static(static or [])
    sources = [_source(text) for text in packs]
    done = combine_packs(sources, out, asked, k, overwrite=overwrite)
    show(f"{escape(str(out))} holds the packs, each as it was")
    show_gate(done)
    for name, pack in done.routed.packs.items():
        targets = pack.manifest.targets
        show(escape(f"{name} {pack.manifest.version} alerts on {', '.join(targets)}"))
        if doubt := empty_target_doubt(targets):
            typer.echo(f"warning: {name}: {doubt}", err=True)
    for key in dict.fromkeys(key for keys in asked.values() for key in keys):
        if said := doubt_of_key(key):
            typer.echo(f"warning: {said}", err=True)
    next_command(["edgeclip", "pack", "ask", str(out), "image.jpg"])


@app.command()
def remove(
    packs: Annotated[
        Path, typer.Argument(help="A set of packs; a folder of packs; or a pack, for --adapter.")
    ],
    *,
    out: Annotated[
        Optional[Path],  # noqa: UP045  # typer evaluates it on Python 3.10 too
        typer.Option(
            help="The folder to be made; of a folder of packs none is.", show_default=False
        ),
    ] = None,
    part: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="A pack of the set, by its name; of a folder TASK@VERSION, for good."),
    ] = None,
    adapter: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="An adapter of the pack, by its kind, such as visual."),
    ] = None,
    backbone: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="For --adapter: the encoder, where the pack's name for it is not known."),
    ] = None,
    pretrained: PretrainedOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Take a pack out of a set, or an adapter out of a pack. The rest stays as it was."""
    from edgeclip.registry.address import refuse_url

    if (part is None) == (adapter is None):
        raise ConfigError("edgeclip pack remove: name --part of a set, or --adapter of a pack")
    if adapter is None and (backbone or pretrained):
        raise ConfigError("--backbone and --pretrained are for --adapter: leave them out")
    refuse_url(packs, "pack remove works on a folder of this machine", "remove it there")
    if out is None and overwrite:
        raise ConfigError("--overwrite is for the folder of --out: leave it out, or name that")
    if adapter is None and out is None:
        _remove_held(packs, str(part))
    elif out is None:
        raise ConfigError("--adapter makes a new pack: name its folder with --out")
    elif adapter is None:
        _remove_part(packs, str(part), out, overwrite=overwrite)
    else:
        _remove_adapter(packs, adapter, out, (backbone, pretrained), overwrite=overwrite)


def _remove_held(registry: Path, name: str) -> None:
    from edgeclip.registry.folder import remove_pack
    from edgeclip.set_files import SET_FILE

    if (registry / SET_FILE).is_file():
        raise ConfigError(f"{registry} is a set: name the folder of the new one with --out")
    gone = remove_pack(registry, name)
    keep_index(registry)
    show(escape(f"{gone.name} is gone from {registry}; the others are as they were"))


def _remove_part(packs: Path, part: str, out: Path, *, overwrite: bool) -> None:
    from edgeclip.combining import remove as remove_pack

    remove_pack(packs, part, out, overwrite=overwrite)
    show(f"{escape(str(out))} is without {escape(part)}")
    next_command(["edgeclip", "pack", "ask", str(out), "image.jpg"])


def _remove_adapter(
    pack: Path, kind: str, out: Path, encoder: tuple[str | None, str | None], *, overwrite: bool
) -> None:
    from datetime import datetime, timezone

    from edgeclip.contract.pack import read_pack_manifest

    base, (backbone, pretrained) = read_pack_manifest(pack).base, encoder
    from edgeclip.clip import load_backbone  # torch: after what can be refused at once
    from edgeclip.pack_removal import Removal, remove_adapter

    named = pretrained or (None if backbone or base.arch == "demo" else base.pretrained)
    removal = Removal(pack, kind, out, overwrite)
    encoder_here = load_backbone(backbone or base.arch, named)
    manifest = remove_adapter(removal, encoder_here, at=datetime.now(timezone.utc))
    show(f"{escape(str(out))} is without {escape(kind)}: {escape(manifest.method)} is left")
    show(
        "its temperature and thresholds are those of the whole pack: `edgeclip train --on` chooses"
        " them again"
    )
    next_command(["edgeclip", "evaluate", "--pack", str(out), "--data", "labels.csv"])


@app.command()
def ask(
    packs: Annotated[Path, typer.Argument(help="A set of packs, or one pack.")],
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    *,
    backbone: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="'demo', an open_clip name, or a model's JSON; else the packs'."),
    ] = None,
    pretrained: PretrainedOption = None,
    fact: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="'key=value' of all images, beside light and folder of each; repeat."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show which pack answers for each image, and what it says."""
    from edgeclip.routed_images import ask_images

    facts = facts_given(fact)
    asked = ask_images(packs, images, facts, backbone=backbone, pretrained=pretrained)
    answers = asked.answers
    rows = list(zip(asked.images, answers.chosen, answers.probabilities, strict=True))
    if as_json:
        found: list[dict[str, Any]] = [
            {
                "image": str(image),
                "pack": chosen,
                "shares": shares,
                "probabilities": dict(zip(asked.class_names, map(float, row), strict=True)),
            }
            for (image, chosen, row), shares in zip(rows, answers.shares, strict=True)
        ]
        print_json(
            found + [{"image": str(image), "error": why} for image, why in asked.unreadable.items()]
        )
    else:
        table = whole_table("image", "pack", *asked.class_names)
        for (image, _, row), shares in zip(rows, answers.shares, strict=True):
            table.add_row(escape(str(image)), _who(shares), *(f"{p:.3f}" for p in row))
        show(table)
    asked.require_all()


def _who(shares: dict[str, float]) -> str:
    """Return which packs answered: of several with what each weighs."""
    if len(shares) > 1:
        return ", ".join(f"{name} {weight:.2f}" for name, weight in shares.items())
    return next(iter(shares), "prompts alone")


def _source(text: str) -> Path | tuple[str, Path]:
    name, equals, folder = text.partition("=")
    if not equals or Path(text).exists():  # the sign may stand in a path
        return Path(text)
    return name, Path(folder)


def _static(options: list[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for option in options:
        name, colon, pair = option.partition(":")
        if not colon:
            raise ConfigError(f"--static {option!r}: write name:key=value")
        key, value = pair_of(pair, "--static")
        found.setdefault(name, {})[key] = value
    return found
