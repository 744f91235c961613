"""`edgeclip cache`: what is kept of earlier trainings, and how it is removed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.markup import escape
from rich.table import Table

from edgeclip.cli_options import AsJson
from edgeclip.cli_output import next_command, print_json, show

app = typer.Typer(help="Features that are kept: show them, remove them.")

CacheOption = Annotated[
    Optional[Path],  # noqa: UP045  # typer evaluates it on Python 3.10 too
    typer.Option(help="The folder for features; else that in the user's cache."),
]


@app.callback(invoke_without_command=True)
def cache(context: typer.Context, *, cache: CacheOption = None, as_json: AsJson = False) -> None:
    """Show what is kept, by encoder: shards, size, and when it was last used."""
    context.obj = cache, as_json
    if context.invoked_subcommand:
        return
    from datetime import datetime, timezone

    from edgeclip.cache_store import CacheStore, Shard
    from edgeclip.config import default_cache

    store = CacheStore(cache or default_cache())
    by_encoder: dict[str, list[Shard]] = {}
    for shard in store.shards():
        name = shard.path.relative_to(store.root).parts[0]
        by_encoder.setdefault(name, []).append(shard)
    rows: list[dict[str, Any]] = [
        {
            "encoder": name,
            "shards": len(own),
            "bytes": sum(shard.size_bytes for shard in own),
            "used_at": datetime.fromtimestamp(own[-1].used_at, timezone.utc).isoformat(
                timespec="seconds"
            ),
        }
        for name, own in by_encoder.items()
    ]
    if as_json:
        print_json({"cache": str(store.root), "encoders": rows})
        return
    table = Table("encoder", "shards", "MB", "last used")
    for row in rows:
        table.add_row(
            row["encoder"], str(row["shards"]), f"{row['bytes'] / 1e6:.1f}", row["used_at"]
        )
    show(table)
    total = sum(shard.size_bytes for own in by_encoder.values() for shard in own)
    show(f"{escape(str(store.root))}: {total / 1e6:.1f} MB")
    next_command(_command(cache, "clear"))


@app.command()
def clear(context: typer.Context, *, cache: CacheOption = None, as_json: AsJson = False) -> None:
    """Remove all of it but what a training reads just now."""
    from edgeclip.cache_store import CacheStore
    from edgeclip.config import default_cache

    before, json_before = context.obj  # `edgeclip cache --cache X --json clear` has them before
    named = cache or before
    store = CacheStore(named or default_cache())
    removed, kept = store.clear() if store.root.is_dir() else (0, 0)
    if as_json or json_before:
        print_json({"cache": str(store.root), "removed": removed, "in_use": kept})
        return
    rest = f"; {kept} are in use and stay" if kept else ""
    show(f"{escape(str(store.root))}: {removed} shards removed{rest}")
    next_command(_command(named))


def _command(cache: Path | None, *words: str) -> list[str]:
    """Return a command on the cache that was named, or on the user's."""
    named = ("--cache", str(cache)) if cache else ()
    return ["edgeclip", "cache", *words, *named]
