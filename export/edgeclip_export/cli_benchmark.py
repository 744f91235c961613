"""`edgeclip-export benchmark`: a table of latencies, and the same as JSON."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from edgeclip.errors import ConfigError, SetupError
from edgeclip_export.showing import AsJson, Bundle, print_json

if TYPE_CHECKING:
    from edgeclip_export.benchmark_result import BenchmarkResult

_LIMITS = ("fps", "p50_ms", "p95_ms", "p99_ms")
_MOST_BATCH = 64


def benchmark(
    bundle: Bundle,
    backend: Annotated[
        Optional[str],  # noqa: UP045  # typer evaluates it on Python 3.10 too
        typer.Option(help="ort, trt or rtx, which must be here; else every one that is."),
    ] = None,
    batch: Annotated[str, typer.Option(help="Images a call: sizes with commas.")] = "1,4",
    rounds: Annotated[
        int, typer.Option(min=5, max=100_000, help="Calls of each variant and size.")
    ] = 50,
    threads: Annotated[
        int, typer.Option(min=0, max=256, help="CPU threads; 0 leaves it to each library.")
    ] = 0,
    compare: Annotated[
        bool, typer.Option("--compare/--no-compare", help="Run torch and the bare encoder beside.")
    ] = True,
    compiled: Annotated[
        bool, typer.Option("--compile/--no-compile", help="torch.compile too: it takes minutes.")
    ] = True,
    fail_below: Annotated[
        Optional[list[str]],  # noqa: UP045  # typer evaluates it on Python 3.10 too
        typer.Option(help="fps=5 or p95_ms=200 and the like: exit 3 if it is missed; repeat."),
    ] = None,
    backbone: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The encoder, where the bundle's name for it is not known here."),
    ] = None,
    pretrained: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Its weights: open_clip's tag, or a checkpoint file."),
    ] = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="File for the JSON as well."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure latency, throughput and memory, side by side with other ways to run the encoder."""
    from edgeclip_export.benchmark import run_benchmark
    from edgeclip_export.benchmark_result import require_fast
    from edgeclip_export.config import BenchmarkConfig
    from edgeclip_export.verify import BACKENDS

    if backend not in (None, *BACKENDS):
        raise ConfigError(f"--backend is {backend!r}: give {', '.join(BACKENDS)}")
    batches, limits = _batches(batch), _limits(fail_below or [])
    if out:
        _refuse_unwritable(out)
    config = BenchmarkConfig(
        bundle, batches, rounds, threads, compare, compiled, backbone, pretrained, backend
    )
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("measuring", total=rounds * len(batches))
        result = run_benchmark(config, lambda: progress.advance(task))
    facts = {"bundle": str(bundle), "threads": threads, "rounds": rounds, **result.to_dict()}
    if as_json:
        print_json(facts)
    else:
        _show(result)
    if out:
        _write(out, facts)
    require_fast(result, limits)


def _refuse_unwritable(out: Path) -> None:
    """Stop before minutes of measuring that could not be kept."""
    from edgeclip.contract.files import reason_of, remedy_for

    if out.is_dir():
        raise ConfigError(f"--out {out} is a folder: name a file in it")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise ConfigError(
            f"--out {out} cannot be written ({reason_of(error)}): {remedy_for(error)}"
        ) from error


def _write(out: Path, facts: Mapping[str, Any]) -> None:
    from edgeclip.contract.files import reason_of, remedy_for, write_text

    try:
        write_text(out, json.dumps(facts, indent=2) + "\n")
    except OSError as error:
        raise SetupError(
            f"--out {out} cannot be written ({reason_of(error)}): {remedy_for(error)}"
        ) from error


def _show(result: BenchmarkResult) -> None:
    content = result.to_dict()
    table = Table(title=f"{content['pack']}, times of the wall clock, variants in turn")
    for column in ("variant", "batch", "p50 ms", "p95 ms", "p99 ms", "images/s", "x bundle"):
        table.add_column(column, justify="left" if column == "variant" else "right")
    for row in content["rows"]:
        times = (f"{row[f'p{p}_ms']:.2f}" for p in (50, 95, 99))
        rate, ratio = f"{row['images_per_second']:.1f}", f"{row['times_of_bundle']:.2f}"
        table.add_row(row["variant"], str(row["batch"]), *times, rate, ratio)
    console = Console()
    console.print(table)
    for name, mb in content["memory_mb"].items():
        gpu = content["gpu_memory_mb"].get(name)
        line = f"{name}: loading it and its first run took {mb} MiB of memory"
        line += "" if gpu is None else f", all of it {gpu} MiB of the GPU's"
        console.print(line, markup=False, soft_wrap=True)
    for name, ms in content["memory_floor_ms"].items():
        share = next(row for row in content["rows"] if row["variant"] == name)
        line = f"{name}: reading its weights once takes this board {ms:.2f} ms, which is"
        line += f" {share['share_of_memory_floor']:.0%} of the time at batch {share['batch']}"
        console.print(line, markup=False, soft_wrap=True)
    for name, reason in content["absent"].items():
        console.print(f"{name} is not there: {reason}", markup=False, soft_wrap=True)


def _batches(text: str) -> list[int]:
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    if not sizes or any(not 1 <= size <= _MOST_BATCH for size in sizes):
        raise ConfigError(f"--batch is {text!r}: give sizes from 1 to {_MOST_BATCH}, as in 1,4")
    return sorted(set(sizes))


def _limits(texts: list[str]) -> dict[str, float]:
    limits = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            limit = float(value)
        except ValueError:
            limit = 0.0
        if name not in _LIMITS or not 0 < limit < float("inf"):
            raise ConfigError(
                f"--fail-below is {text!r}: give one of {', '.join(_LIMITS)} and a number above 0,"
                " as in fps=5"
            )
        limits[name] = limit
    return limits
