"""`edgeclip-device prepare`: build the engine here, prove it, measure it, and say what serves."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from edgeclip_device.cli_verify import facts_of, print_verification


def prepare(
    bundle: Annotated[
        Path | None, typer.Argument(help="Folder made by `edgeclip-export bundle`.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="device.toml; options go over it.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Which pack of the bundle.")] = None,
    backend: Annotated[str | None, typer.Option(help="auto, onnxruntime or tensorrt.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, fp16, fp16-attn32, fp32.")] = None,
    state: Annotated[Path | None, typer.Option(help="Folder of the outbox and its media.")] = None,
    fast: Annotated[
        bool, typer.Option("--fast/--no-fast", help="Build in less time a slower engine.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json/--no-json", help="JSON on stdout, for machines.")
    ] = False,
) -> None:
    """Make a bundle ready on this device: engine, golden outputs, figures; rung by rung."""
    from edgeclip_device.backends.ladder import Ladder
    from edgeclip_device.building import BuildOptions
    from edgeclip_device.config import load_settings
    from edgeclip_device.own_engines import OwnEngines
    from edgeclip_device.packs import load_pack
    from edgeclip_device.preparing import Preparation
    from edgeclip_device.trust import Trust

    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(levelname)s %(message)s")
    inference = {"bundle": bundle, "task": task, "backend": backend, "precision": precision}
    settings = load_settings(config, {"inference": inference, "state": state})
    pack = load_pack(settings.inference, Trust(settings.inference, settings.state).read)
    own = OwnEngines(settings.inference, settings.state)
    done = Preparation(
        pack,
        settings.inference,
        own,
        BuildOptions(settings.inference.precision, fast),
        lambda line: None if as_json else print(line, flush=True),
        Ladder(believes=own.believes),
    ).run()
    if as_json:
        found = facts_of(pack.name, done.verification)
        print(json.dumps({**found, "benchmark": done.figures}, indent=2))
    else:
        print_verification(pack.name, done.verification)
        if done.figures:
            took = ", ".join(f"{done.figures[f'b1_p{p}_ms']:.2f} ms (p{p})" for p in (50, 95, 99))
            print(f"one frame takes {took}")
    done.verification.require_all(pack.bundle)
