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
    from edgeclip_device.config import load_settings
    from edgeclip_device.packs import load_pack
    from edgeclip_device.trust import Trust
    from edgeclip_device.verifying import verify_backends

    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(levelname)s %(message)s")
    inference = {"bundle": bundle, "task": task, "backend": backend}
    settings = load_settings(config, {"inference": inference})
    pack = load_pack(settings.inference, Trust(settings.inference, settings.state).read)
    found = verify_backends(pack, settings.inference)
    if as_json:
        print(json.dumps(_facts(pack.name, found), indent=2))
    else:
        for verdict in found.verdicts:
            print(_line(verdict))
        if found.serves is not None:
            print(f"{pack.name} is served by {found.serves.backend}, rung {found.serves.rung}")
        if found.alarm:
            print(f"that is below what was asked for: {found.alarm}")
    found.require_all(pack.bundle)


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


def _facts(name: str, found: Verification) -> dict[str, Any]:
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
