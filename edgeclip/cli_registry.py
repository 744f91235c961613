"""`edgeclip pack list|show|diff|compose|add|sign|verify|index|fetch`: packs of many tasks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from rich.markup import escape

from edgeclip.cli_gate import GateOption, TopKOption, asked_k, show_gate
from edgeclip.cli_options import AsJson, OverwriteOption
from edgeclip.cli_output import next_command, print_json, show, whole_table
from edgeclip.contract.plurals import megabytes
from edgeclip.errors import ConfigError

if TYPE_CHECKING:
    from edgeclip.registry.held import Held

RegistryArgument = Annotated[str, typer.Argument(help="A folder of packs, or an index's URL.")]
FolderArgument = Annotated[Path, typer.Argument(help="A folder of packs.")]
PackArgument = Annotated[Path, typer.Argument(help="A pack.")]
KeyOption = Annotated[
    Optional[list[Path]],  # noqa: UP045  # typer evaluates it on Python 3.10 too
    typer.Option("--key", help="A public key: take only what it signed, from afar; repeat."),
]
_USUAL_NAME = 24  # letters of TASK@VERSION that stay on one line, also on a terminal of 80 columns
PlacedArgument = Annotated[str, typer.Argument(help="A pack, or URL#TASK@VERSION of an index.")]


def list_packs(registry: RegistryArgument, as_json: AsJson = False) -> None:
    """List the packs of a registry: task, version, encoder, what each stands on."""
    from edgeclip.registry.address import is_url
    from edgeclip.registry.folder import read_registry
    from edgeclip.registry.index import indexed, read_index

    if is_url(registry):
        packs = read_index(registry).packs
    else:
        held = read_registry(Path(registry))
        packs = [indexed(each, held, Path(registry)) for each in held]
    if as_json:
        print_json([each.model_dump(mode="json") for each in packs])
        return
    table = whole_table("pack", "alerts on", "method", "encoder", "size", "stands on", "signed by")
    usual = max((len(each.name) for each in packs if len(each.name) <= _USUAL_NAME), default=0)
    table.columns[0].min_width = usual
    for each in packs:
        cells = [each.name, ", ".join(each.targets), each.method, each.encoder]
        cells += [megabytes(each.size_bytes), each.parent or "-", each.signed_by or "-"]
        table.add_row(*map(escape, cells))
    show(table)


def show_pack(
    packs: Annotated[
        str, typer.Argument(help="A pack, a set, a folder of packs, or an index's URL.")
    ],
    name: Annotated[
        Optional[str],  # noqa: UP045  # typer evaluates it on Python 3.10 too
        typer.Argument(help="TASK or TASK@VERSION of a folder of packs or index."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a pack is, where it comes from, and what it stands on."""
    from edgeclip.registry.address import is_url, packs_of
    from edgeclip.registry.folder import find_pack, read_registry
    from edgeclip.registry.held import read_held

    url, _, named = packs.partition("#") if is_url(packs) else (packs, "", "")
    name = name or named or None
    if is_url(packs) and name is None:
        raise ConfigError(f"{packs} is an index: name a pack of it, as {packs}#TASK@VERSION")
    if name is None:
        _show_facts(Path(packs), {}, as_json=as_json)
    elif is_url(packs):
        with packs_of(url, [name]) as found:
            entry, folder = found[0]
            _show_facts(folder, _lineage(read_held(folder), entry.parent), as_json=as_json)
    else:
        held = read_registry(Path(packs))
        chosen = find_pack(held, name)
        _show_facts(chosen.path, _lineage(chosen, chosen.parent(held)), as_json=as_json)


def _lineage(chosen: Held, parent: str | None) -> dict[str, Any]:
    return {
        "sha256": chosen.sha256, "data_sha256": chosen.manifest.training.data_sha256,
        "encoder_sha256": chosen.manifest.base.weights_sha256,
        "parent": parent, "signed_by": chosen.signed_by,
    }  # fmt: skip


def _show_facts(packs: Path, lineage: dict[str, Any], *, as_json: bool) -> None:
    from edgeclip.pack_contents import gate_facts, pack_facts, pack_table

    facts = [each | {"lineage": lineage} if lineage else each for each in pack_facts(packs)]
    gate = gate_facts(packs)
    if as_json:
        print_json({"packs": facts, **({"gate": gate} if gate else {})})
        return
    for each in facts:
        show(pack_table(each))
    for what, value in lineage.items():
        show(escape(f"{what.replace('_', ' ')}: {value or '-'}"))
    if gate:
        names = ", ".join(row["name"] for row in gate["packs"])
        show(escape(f"a learned gate chooses between {names}; {gate['k']} a frame answer"))


def diff(
    one: PlacedArgument,
    other: Annotated[str, typer.Argument(help="Another pack.")],
    as_json: AsJson = False,
) -> None:
    """Say what differs between two packs: data, classes, thresholds, figures, tensors."""
    from edgeclip.registry.address import pack_at
    from edgeclip.registry.differing import pack_differences

    with pack_at(one) as first, pack_at(other) as second:
        rows = pack_differences(first, second)
    if as_json:
        print_json(rows)
        return
    if not rows:
        show("nothing differs")
        return
    table = whole_table("what", one, other)
    for row in rows:
        table.add_row(*(escape(str(row[key])) for key in ("what", "one", "other")))
    show(table)


def compose(
    registry: RegistryArgument,
    names: Annotated[list[str], typer.Argument(help="TASK or TASK@VERSION, two or more.")],
    *,
    out: Annotated[Path, typer.Option(help="The set to be made.", show_default=False)],
    gate: GateOption = "prototypes",
    top_k: TopKOption = None,
    key: KeyOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Put packs of a registry together by their names. Each stays as it is."""
    from edgeclip.registry.address import is_url, packs_of
    from edgeclip.registry.folder import find_pack, read_registry

    k = asked_k(gate, top_k)
    if len(names) < 2:
        raise ConfigError(f"{names[0]} alone is nothing to compose: name two packs or more")
    _refuse_key_here(key, registry)
    if is_url(registry):
        with packs_of(registry, names, key or []) as fetched:
            parts = [(pack.task, pack.name, path) for pack, path in fetched]
            _compose(parts, out, k, overwrite=overwrite)
    else:
        held = read_registry(Path(registry))
        chosen = [find_pack(held, name) for name in names]
        parts = [(each.manifest.task, each.name, each.path) for each in chosen]
        _compose(parts, out, k, overwrite=overwrite)
    next_command(["edgeclip", "pack", "ask", str(out), "image.jpg"])


def _compose(
    packs: list[tuple[str, str, Path]], out: Path, k: int | None, *, overwrite: bool
) -> None:
    from edgeclip.combining import combine

    tasks = [task for task, _, _ in packs]
    if twice := sorted({task for task in tasks if tasks.count(task) > 1}):
        raise ConfigError(
            f"two packs are of {twice[0]}: leave one out, or give one another name with"
            f" `edgeclip pack combine`, as {twice[0]}-2=FOLDER"
        )
    done = combine([(task, path) for task, _, path in packs], out, {}, k, overwrite=overwrite)
    show(escape(f"{out} holds {', '.join(name for _, name, _ in packs)}, each as it was"))
    show_gate(done)


def _refuse_key_here(key: list[Path] | None, where: str) -> None:
    """Refuse --key for what lies on this machine, of which `pack verify` asks it."""
    from edgeclip.registry.address import is_url

    if key and not is_url(where):
        raise ConfigError(
            f"--key is for packs from afar, and {where} is a folder here: check a pack of it with"
            " `edgeclip pack verify PACK --key`, and leave --key out"
        )


def add(registry: FolderArgument, pack: PlacedArgument, *, key: KeyOption = None) -> None:
    """Copy a pack into a registry. A version that is there is never replaced."""
    from edgeclip.registry.address import pack_at, refuse_url
    from edgeclip.registry.folder import add_pack

    refuse_url(registry, "pack add copies into a folder of this machine")
    _refuse_key_here(key, pack)
    with pack_at(pack, key or []) as folder:
        held = add_pack(registry, folder)
    keep_index(registry)
    show(escape(f"{held.name} lies in {held.path}"))


def keep_index(registry: Path) -> None:
    """Write the index of a folder of packs anew, where it has one, and say so."""
    from edgeclip.registry.index import INDEX_FILE, refresh_index

    if refresh_index(registry):
        typer.echo(f"{registry / INDEX_FILE} was written anew", err=True)


def sign(
    pack: PackArgument,
    *,
    key: Annotated[Path, typer.Option(help="The private key.", show_default=False)],
) -> None:
    """Sign a pack, so that others can tell who made it, and that it is unaltered."""
    from edgeclip.registry.address import refuse_url
    from edgeclip.registry.signing import sign_pack

    refuse_url(pack, "pack sign writes into the pack", "sign it there")
    show(f"signed by key {sign_pack(pack, key).key_id}")


def verify(
    pack: PlacedArgument,
    *,
    key: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option(help="A public key that is believed; repeat. Without one, hashes alone."),
    ] = None,
) -> None:
    """Check every hash of a pack, and with --key its signature."""
    from edgeclip.registry.address import pack_at
    from edgeclip.registry.held import read_held
    from edgeclip.registry.signing import verify_pack

    with pack_at(pack) as folder:
        if key:
            statement = verify_pack(folder, key)
            by = f"signed by key {statement.key_id} on {statement.signed_at:%Y-%m-%d}"
            show(f"whole, and {by}")
            return
        held = read_held(folder)
    by = f"signed by key {held.signed_by}, which was not checked" if held.signed_by else "unsigned"
    show(escape(f"{held.name} is whole; {by}"))


def index(registry: FolderArgument) -> None:
    """Write index.json, so that the folder can be read from a web server or bucket."""
    from edgeclip.registry.address import refuse_url
    from edgeclip.registry.index import INDEX_FILE, write_index

    refuse_url(registry, "pack index writes into a folder of this machine")
    written = write_index(registry)
    show(escape(f"{registry / INDEX_FILE} names {len(written.packs)} packs"))


def fetch(
    url: Annotated[str, typer.Argument(help="Of a folder with an index.json.")],
    name: Annotated[str, typer.Argument(help="TASK or TASK@VERSION.")],
    *,
    into: Annotated[Path, typer.Option(help="A folder of packs.", show_default=False)],
    key: KeyOption = None,
) -> None:
    """Copy a pack from afar into a folder of packs, each file checked by its hash."""
    from edgeclip.registry.address import refuse_url
    from edgeclip.registry.index import fetch_pack

    refuse_url(into, "--into is a folder of this machine")
    held = fetch_pack(url, name, into, key or [])
    keep_index(into)
    show(escape(f"{held.name} lies in {held.path}"))


def register(app: typer.Typer) -> None:
    """Add the commands to `edgeclip pack`."""
    commands: dict[str, Callable[..., None]] = {
        "list": list_packs, "show": show_pack, "diff": diff, "compose": compose, "add": add,
        "sign": sign, "verify": verify, "index": index, "fetch": fetch,
    }  # fmt: skip
    for name, command in commands.items():
        app.command(name)(command)
