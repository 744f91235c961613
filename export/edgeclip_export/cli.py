"""The command `edgeclip-export`: make a bundle, build its engine, prove it, look into it."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edgeclip.command_line import run_application
from edgeclip.contract.plurals import counted, megabytes
from edgeclip.errors import ConfigError
from edgeclip_export import cli_benchmark, cli_trust
from edgeclip_export.cli_engine import engine
from edgeclip_export.showing import AsJson, Bundle, print_json, show_check

app = typer.Typer(
    name="edgeclip-export",
    help="Turn an adapter pack into a bundle that a device runs.",
    epilog="--version alone prints the version.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_COLUMNS = (
    *("file", "rung", "runtime", "nodes", "task", "version", "classes"),
    *("precision", "device", "built_at", "size_bytes", "judged", "problem", "reason"),
)
"""What a table shows; `--json` has the rest."""


VerifyImages = Annotated[
    Optional[Path],  # noqa: UP045  # typer evaluates it on Python 3.10 too
    typer.Option(help="Folder of real frames that are compared as well; 32 of them are taken."),
]


@app.command()
def bundle(
    pack: Annotated[
        Path, typer.Option(help="The adapter pack's folder, or a set's.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="The bundle's folder, to be made.", show_default=False)],
    backbone: Annotated[
        Optional[str],  # noqa: UP045  # typer evaluates it on Python 3.10 too
        typer.Option(help="The encoder, where the pack's name for it is not known here."),
    ] = None,
    pretrained: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Its weights: open_clip's tag, or a checkpoint file."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite/--no-overwrite", help="Replace the bundle at --out.")
    ] = False,
    max_batch: Annotated[int, typer.Option(help="Images an engine takes at once, 2 to 64.")] = 4,
    bake: Annotated[
        bool,
        typer.Option(
            "--bake/--no-bake", help="Make the pack part of the graphs: one bundle, one pack."
        ),
    ] = False,
    verify_images: VerifyImages = None,
    as_json: AsJson = False,
) -> None:
    """Fuse encoder and pack into ONNX, check it against torch, and write the bundle."""
    from edgeclip_export.bundle_writer import write_bundle
    from edgeclip_export.config import BundleConfig

    config = BundleConfig(
        pack, out, backbone, pretrained, overwrite, max_batch, bake, verify_images
    )
    result = write_bundle(config, show_check(as_json))
    size = sum(record.size_bytes for record in result.manifest.files.values())
    if as_json:
        checks = [check.to_dict() for check in result.checks]
        print_json({"bundle": str(out), "size_bytes": size, "baked": bake, "checks": checks})
        return
    if bake:
        own = result.manifest.packs[0]
        print(f"baked: its graphs are {own.task} {own.version}, and take no other pack")
    print(f"wrote {out} ({megabytes(size)})")
    cli_trust.show_router(pack)
    print(f"next: edgeclip-export engine {shlex.quote(str(out))}, or copy it to the device")


@app.command()
def verify(
    bundle: Bundle,
    backend: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="ort, trt or rtx, which must be here; else every one that is."),
    ] = None,
    key: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option(help="Public key's file: the bundle must be signed with it; repeat."),
    ] = None,
    verify_images: VerifyImages = None,
    as_json: AsJson = False,
) -> None:
    """Check signature and hashes, and the golden frames against the golden outputs."""
    from edgeclip_export.verify import BACKENDS, verify_bundle

    if backend not in (None, *BACKENDS):
        raise ConfigError(f"--backend is {backend!r}: give {', '.join(BACKENDS)}")
    checks = verify_bundle(
        bundle, show_check(as_json), key or (), backend=backend, frames=verify_images
    )
    if as_json:
        print_json({"bundle": str(bundle), "checks": [check.to_dict() for check in checks]})
        return
    print(f"{bundle} is whole, and computes what its packs promise")


@app.command()
def inspect(bundle: Bundle, as_json: AsJson = False) -> None:
    """Show what is inside a bundle."""
    from edgeclip_export.describe import describe_bundle

    facts = describe_bundle(bundle)
    if as_json:
        print_json(facts)
        return
    console = Console()
    console.print(_table(facts))
    facts["engines"] = [{**each, "judged": _judged(each)} for each in facts["engines"]]
    for name in ("graphs", "packs", "engines", "aside"):
        if facts[name]:
            console.print(_items(name, facts[name]))


def _judged(engine: dict[str, Any]) -> str:
    """Return what is known of what an engine computes."""
    if engine.get("problems"):
        return f"refused: {'; '.join(engine['problems'])}"
    if parity := engine.get("parity"):
        figures = (f"{name} {parity[name]:.1e}" for name in ("one_minus_cosine", "probability"))
        return f"right on {counted(int(parity['images']), 'image')}: {', '.join(figures)}"
    return "not verified yet"


def _table(facts: dict[str, Any]) -> Table:
    table = Table(show_header=False, box=None)
    table.add_column()
    table.add_column(overflow="fold")  # of paths and names nothing is cut
    base = facts["base"]
    made = f"{megabytes(facts['size_bytes'])}, {_minute(facts['created_at'])}"
    rows = {
        "bundle": f"{facts['bundle']} ({made})",
        "encoder": f"{base['arch']}, {base['pretrained']}, {base['params']:,} parameters",
        "packs": "baked into the graphs" if facts["baked"] else "bound as inputs",
        **_gate(facts["gate"]),
        "signed": _signed(facts),
        "input": f"{base['image_size']} px, RGB, uint8",
        "sizes": ", ".join(f"{k} {p['min']}-{p['max']}" for k, p in facts["profiles"].items()),
        "parity": ", ".join(f"{name} {value:.3g}" for name, value in facts["parity"].items()),
    }
    for name, text in rows.items():
        table.add_row(name, escape(text))
    return table


def _gate(facts: dict[str, Any] | None) -> dict[str, str]:
    """Return the line of a learned gate; none where there is none."""
    if facts is None:
        return {}
    return {"gate": f"learned between {', '.join(facts['packs'])}; {facts['k']} a frame answer"}


def _signed(facts: dict[str, Any]) -> str:
    """Return what the signature claims: whether to believe it takes the signer's public key."""
    if not facts["signed_by"]:
        return "no"
    if not facts["signature_is_of_this"]:
        return f"void: key {facts['signed_by']} signed another manifest"
    return f"by key {facts['signed_by']}, unchecked: verify --key does"


def _items(title: str, items: list[dict[str, Any]]) -> Table:
    """Return one table of graphs, packs or engines; a damaged engine has other columns."""
    names = list(dict.fromkeys(name for item in items for name in item if name in _COLUMNS))
    table = Table(title=title, title_justify="left")
    for name in names:
        table.add_column({"size_bytes": "size"}.get(name, name), overflow="fold")
    for item in items:
        table.add_row(*(escape(_shown(name, item.get(name, ""))) for name in names))
    return table


def _shown(column: str, value: Any) -> str:
    """Return a cell as a person reads it."""
    if column == "size_bytes" and value != "":
        return megabytes(value)
    if column == "built_at" and value:
        return _minute(value)
    return ", ".join(value) if isinstance(value, list) else str(value)


def _minute(time: str) -> str:
    """Return an ISO time to the minute."""
    return time[:16].replace("T", " ")


app.command()(engine)
app.command()(cli_benchmark.benchmark)
app.command("add-pack")(cli_trust.add_pack)
app.command()(cli_trust.sign)
app.command()(cli_trust.keygen)


def main() -> None:
    """Run the command line; SIGTERM and a closed terminal end it as Ctrl-C does."""
    with _ended_as_by_ctrl_c():
        run_application(app, "edgeclip-export")


@contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    usual = [sign for sign in (signal.SIGTERM, signal.SIGHUP) if not _is_handled(sign)]
    for sign in usual:
        signal.signal(sign, signal.default_int_handler)
    try:
        yield
    finally:
        for sign in usual:
            signal.signal(sign, signal.SIG_DFL)


def _is_handled(sign: signal.Signals) -> bool:
    """Return whether someone decided what a signal does, as nohup does."""
    return signal.getsignal(sign) is not signal.SIG_DFL


if __name__ == "__main__":
    main()
