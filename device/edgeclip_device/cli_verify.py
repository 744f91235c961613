"""`edgeclip-device verify`: does each backend compute what the exporter did, and which serves."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from edgeclip_device.verifying import Verdict, Verification


def verify(
    config: Annotated[
        Path | None, typer.Option("--config", help="device.toml; options go over it.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Folder made by `edgeclip-export bundle`.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Which pack of the bundle.")] = None,
    backend: Annotated[str | None, typer.Option(help="auto, onnxruntime or tensorrt.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json/--no-json", help="JSON on stdout, for machines.")
    ] = False,
) -> None:
    """Run the pack's golden frames on each backend, and say which one would serve."""
    from edgeclip_device.backends.ladder import Ladder
    from edgeclip_device.config import load_settings
    from edgeclip_device.own_engines import OwnEngines
    from edgeclip_device.packs import load_pack
    from edgeclip_device.trust import Trust
    from edgeclip_device.verifying import verify_backends

    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(levelname)s %(message)s")
    inference = {"bundle": bundle, "task": task, "backend": backend}
    settings = load_settings(config, {"inference": inference})
    pack = load_pack(settings.inference, Trust(settings.inference, settings.state).read)
    own = OwnEngines(settings.inference, settings.state)
    found = verify_backends(pack, settings.inference, Ladder(believes=own.believes))
    if as_json:
        print(json.dumps(facts_of(pack.name, found), indent=2))
    else:
        print_verification(pack.name, found)
    found.require_all(pack.bundle)


def print_verification(name: str, found: Verification) -> None:
    """Print a line a backend, and which one serves."""
    for verdict in found.verdicts:
        print(_line(verdict))
    if found.serves is not None:
        print(f"{name} is served by {found.serves.backend}, rung {found.serves.rung}")
    if found.alarm:
        print(f"that is below what was asked for: {found.alarm}")


def _line(verdict: Verdict) -> str:
    if verdict.absent:
        return f"- {verdict.backend}: absent: {verdict.absent}"
    if verdict.parity is None:
        return f"✗ {verdict.backend}, rung {verdict.rung}: {'; '.join(verdict.problems)}"
    parity = verdict.parity
    mark = "✓" if verdict.serves else "✗"
    figures = f"1 - cosine {parity.one_minus_cosine:.1e}, probability {parity.probability:.1e}"
    found = "; ".join(verdict.problems) or f"{figures}, the same decisions"
    return f"{mark} {verdict.backend}, rung {verdict.rung}: {parity.images} images, {found}"


def facts_of(name: str, found: Verification) -> dict[str, Any]:
    """Return the same as JSON values."""
    serves = found.serves
    return {
        "pack": name,
        "serves": serves.backend if serves else None,
        "rung": serves.rung if serves else None,
        "degraded_precision": found.alarm or None,
        "backends": [
            {
                "backend": verdict.backend,
                "rung": verdict.rung or None,
                "passed": None if verdict.absent else verdict.serves,
                "absent": verdict.absent or None,
                "problems": list(verdict.problems),
                "parity": verdict.parity.figures() if verdict.parity else None,
            }
            for verdict in found.verdicts
        ],
    }
