"""`edgeclip pack list|show|diff|compose|add|sign|verify|index|fetch`: packs of many tasks."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.markup import escape
from rich.table import Table

from edgeclip.cli_options import AsJson
from edgeclip.cli_output import next_command, print_json, show
from edgeclip.contract.plurals import megabytes
from edgeclip.errors import ConfigError

RegistryArgument = Annotated[str, typer.Argument(help="A folder of packs, or an index's URL.")]
FolderArgument = Annotated[Path, typer.Argument(help="A folder of packs.")]
PackArgument = Annotated[Path, typer.Argument(help="A pack.")]


def list_packs(registry: RegistryArgument, as_json: AsJson = False) -> None:
    """List the packs of a registry: task, version, encoder, what each stands on."""
    from edgeclip.registry.folder import read_registry
    from edgeclip.registry.index import indexed, read_index

    if "://" in registry:
        packs = read_index(registry).packs
    else:
        held = read_registry(Path(registry))
        packs = [indexed(each, held, Path(registry)) for each in held]
    if as_json:
        print_json([each.model_dump(mode="json") for each in packs])
        return
    table = Table("pack", "alerts on", "method", "encoder", "size", "stands on", "signed by")
    for each in packs:
        cells = [each.name, ", ".join(each.targets), each.method, each.encoder]
        cells += [megabytes(each.size_bytes), each.parent or "-", each.signed_by or "-"]
        table.add_row(*map(escape, cells))
    show(table)


def show_pack(
    packs: Annotated[Path, typer.Argument(help="A pack, a set, or a folder of packs.")],
    name: Annotated[
        Optional[str],  # noqa: UP045  # typer evaluates it on Python 3.10 too
        typer.Argument(help="TASK or TASK@VERSION of a folder of packs."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a pack is, where it comes from, and what it stands on."""
    from edgeclip.pack_contents import pack_facts, pack_table
    from edgeclip.registry.folder import find_pack, read_registry

    lineage: dict[str, Any] = {}
    if name is not None:
        held = read_registry(packs)
        chosen = find_pack(held, name)
        training = chosen.manifest.training
        lineage = {
            "sha256": chosen.sha256, "data_sha256": training.data_sha256,
            "encoder_sha256": chosen.manifest.base.weights_sha256,
            "parent": chosen.parent(held), "signed_by": chosen.signed_by,
        }  # fmt: skip
        packs = chosen.path
    facts = [each | {"lineage": lineage} if lineage else each for each in pack_facts(packs)]
    if as_json:
        print_json({"packs": facts})
        return
    for each in facts:
        show(pack_table(each))
    for what, value in lineage.items():
        show(escape(f"{what.replace('_', ' ')}: {value or '-'}"))


def diff(
    one: PackArgument,
    other: Annotated[Path, typer.Argument(help="Another pack.")],
    as_json: AsJson = False,
) -> None:
    """Say what differs between two packs: data, classes, thresholds, figures, tensors."""
    from edgeclip.registry.differing import pack_differences

    rows = pack_differences(one, other)
    if as_json:
        print_json(rows)
        return
    if not rows:
        show("nothing differs")
        return
    table = Table("what", str(one), str(other))
    for row in rows:
        table.add_row(*(escape(str(row[key])) for key in ("what", "one", "other")))
    show(table)


def compose(
    registry: FolderArgument,
    names: Annotated[list[str], typer.Argument(help="TASK or TASK@VERSION, two or more.")],
    *,
    out: Annotated[Path, typer.Option(help="The set to be made.", show_default=False)],
) -> None:
    """Put packs of a registry together by their names. Each stays as it is."""
    from edgeclip.registry.folder import find_pack, read_registry
    from edgeclip.routed_packs import combine

    held = read_registry(registry)
    chosen = [find_pack(held, name) for name in names]
    if len(chosen) < 2:
        raise ConfigError(f"{names[0]} alone is nothing to compose: name two packs or more")
    combine([(each.manifest.task, each.path) for each in chosen], out, {})
    show(escape(f"{out} holds {', '.join(each.name for each in chosen)}, each as it was"))
    next_command(shlex.join(["edgeclip", "pack", "ask", str(out), "image.jpg"]))


def add(registry: FolderArgument, pack: PackArgument) -> None:
    """Copy a pack into a registry. A version that is there is never replaced."""
    from edgeclip.registry.folder import add_pack

    held = add_pack(registry, pack)
    show(escape(f"{held.name} lies in {held.path}"))


def sign(
    pack: PackArgument,
    *,
    key: Annotated[Path, typer.Option(help="The private key.", show_default=False)],
) -> None:
    """Sign a pack, so that others can tell who made it, and that it is unaltered."""
    from edgeclip.registry.signing import sign_pack

    show(f"signed by key {sign_pack(pack, key).key_id}")


def verify(
    pack: PackArgument,
    *,
    key: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option(help="A public key that is believed; repeat. Without one, hashes alone."),
    ] = None,
) -> None:
    """Check every hash of a pack, and with --key its signature."""
    from edgeclip.registry.held import read_held
    from edgeclip.registry.signing import verify_pack

    if key:
        statement = verify_pack(pack, key)
        show(f"whole, and signed by key {statement.key_id} on {statement.signed_at:%Y-%m-%d}")
        return
    held = read_held(pack)
    by = f"signed by key {held.signed_by}, which was not checked" if held.signed_by else "unsigned"
    show(escape(f"{held.name} is whole; {by}"))


def index(registry: FolderArgument) -> None:
    """Write index.json, so that the folder can be read from a web server or bucket."""
    from edgeclip.registry.index import INDEX_FILE, write_index

    written = write_index(registry)
    show(escape(f"{registry / INDEX_FILE} names {len(written.packs)} packs"))


def fetch(
    url: Annotated[str, typer.Argument(help="Of a folder with an index.json.")],
    name: Annotated[str, typer.Argument(help="TASK or TASK@VERSION.")],
    *,
    into: Annotated[Path, typer.Option(help="A folder of packs.", show_default=False)],
) -> None:
    """Copy a pack from afar into a folder of packs, each file checked by its hash."""
    from edgeclip.registry.index import fetch_pack

    held = fetch_pack(url, name, into)
    show(escape(f"{held.name} lies in {held.path}"))


def register(app: typer.Typer) -> None:
    """Add the commands to `edgeclip pack`."""
    commands: dict[str, Callable[..., None]] = {
        "list": list_packs, "show": show_pack, "diff": diff, "compose": compose, "add": add,
        "sign": sign, "verify": verify, "index": index, "fetch": fetch,
    }  # fmt: skip
    for name, command in commands.items():
        app.command(name)(command)
