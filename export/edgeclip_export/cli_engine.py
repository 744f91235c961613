"""`edgeclip-export engine`: build the engine for this machine, or find it built."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Optional, get_args

import typer

from edgeclip.contract.plurals import megabytes
from edgeclip.errors import ConfigError
from edgeclip_export.showing import AsJson, Bundle, print_json, show_check

if TYPE_CHECKING:
    from edgeclip_export.checks import Check
    from edgeclip_export.config import EngineConfig
    from edgeclip_export.engine import BuildProgress
    from edgeclip_export.engine_files import EngineResult
    from edgeclip_export.engine_plan import EnginePlan


def engine(
    bundle: Bundle,
    precision: Annotated[str, typer.Option(help="auto, fp16, fp16-attn32 or fp32.")] = "auto",
    workspace_mb: Annotated[
        Optional[int],  # noqa: UP045  # typer evaluates it on Python 3.10 too
        typer.Option(
            min=16, max=65536, help="The builder's scratch memory, MiB; else the board's."
        ),
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast/--no-fast", help="Build in less time a slower engine.")
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild/--no-rebuild", help="Build even where an engine fits.")
    ] = False,
    preflight: Annotated[
        bool, typer.Option("--preflight/--no-preflight", help="Look at memory and disk first.")
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run/--no-dry-run", help="Say what would be built, build nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Build the bundle's TensorRT engine for this machine, or find it built."""
    from edgeclip_export import engine_files

    config = _config(precision, workspace_mb, fast=fast, rebuild=rebuild, preflight=preflight)
    if dry_run:
        _print_plan(*engine_files.dry_run(bundle, config), config, as_json)
        return
    with _progress() as progress:
        result = engine_files.prepare_engine(bundle, config, progress, show_check(as_json))
    _print_result(result, as_json)


def _config(
    precision: str, workspace_mb: int | None, *, fast: bool, rebuild: bool, preflight: bool
) -> EngineConfig:
    from edgeclip.contract.engine_key import Precision
    from edgeclip_export.config import EngineConfig

    for known in ("auto", *get_args(Precision)):
        if precision == known:
            return EngineConfig(known, workspace_mb, fast, rebuild, preflight)
    raise ConfigError(f"--precision is {precision!r}: give auto, {', '.join(get_args(Precision))}")


@contextmanager
def _progress() -> Iterator[BuildProgress]:
    """Yield bars on a terminal; elsewhere a line every few seconds, so that no log falls silent."""
    from rich.console import Console

    from edgeclip_export.progress import BarProgress, LineProgress

    console = Console(stderr=True)
    if console.is_terminal:
        with BarProgress(console) as bars:
            yield bars
    else:
        yield LineProgress(lambda line: print(line, file=sys.stderr, flush=True))


def _print_plan(
    plan: EnginePlan,
    is_there: bool,
    checks: tuple[Check, ...],
    config: EngineConfig,
    as_json: bool,
) -> None:
    facts = plan.facts()
    builds = config.rebuild or not is_there
    if as_json:
        print_json({**facts, "builds": builds, "checks": [check.to_dict() for check in checks]})
        return
    machine, settings = plan.key.machine, plan.settings
    sizes = (f"{name} {p.min}-{p.opt}-{p.max}" for name, p in plan.key.profiles.items())
    streams = "as TensorRT likes" if settings.max_aux_streams is None else settings.max_aux_streams
    rows = {
        "engine": plan.path,
        "key": facts["key"],
        "from": f"{plan.graph.file} ({plan.key.precision})",
        "for": f"{machine.device_name}, {machine.runtime} {machine.runtime_version}",
        "profiles": ", ".join(sizes),
        "flags": ", ".join(plan.key.flags),
        "workspace": f"{settings.workspace_mb} MiB",
        "level": settings.optimisation_level,
        "auxiliary streams": streams,
        "timing cache": plan.timing_cache or f"none: {machine.runtime} measures nothing",
    }
    for name, value in rows.items():
        print(f"{name:17} {value}")
    for check in checks:
        print(check.line())
    print("would be built" if builds else "is already built: nothing would be done")


def _print_result(result: EngineResult, as_json: bool) -> None:
    from edgeclip_export.describe import engine_facts

    facts = engine_facts(result.sidecar)
    if as_json:
        print_json({"engine": str(result.path), "was_there": result.was_there, **facts})
        return
    size = megabytes(facts["size_bytes"])
    if result.was_there:
        print(f"already built: {result.path} ({facts['precision']}, {size})")
    else:
        peak = f"peak memory {facts['peak_rss_mb']} MB"
        print(f"built {result.path} ({facts['precision']}, {size}, {facts['build_s']} s, {peak})")
    print(f"by {facts['runtime']} for {facts['device']}")
    if result.is_for_no_gpu:
        print("built, not run here: no GPU; build on the device for an engine that it can use")
