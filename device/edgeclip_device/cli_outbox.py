"""`edgeclip-device outbox`: what waits, and how it is carried where no link comes."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

outbox_app = typer.Typer(help="Look at what waits for the dashboard.", no_args_is_help=True)

State = Annotated[Path, typer.Option(help="Folder of the outbox.")]
AsJson = Annotated[bool, typer.Option("--json/--no-json", help="JSON on stdout, for machines.")]


@outbox_app.command("status")
def outbox_status(state: State, as_json: AsJson = False) -> None:
    """Say what waits, since when, and what was dropped."""
    import json
    from dataclasses import asdict

    from edgeclip_device.outbox_status import read_status

    status = read_status(state)
    if as_json:
        print(json.dumps(asdict(status), indent=2))
        return
    from edgeclip_device.status_tables import status_table
    from edgeclip_device.terminal import console

    console().print(status_table(status))


@outbox_app.command("export")
def outbox_export(
    out: Annotated[Path, typer.Argument(help="The ZIP that is written, on a stick for example.")],
    state: State,
) -> None:
    """Copy what waits into one file, for a dashboard that no link reaches.

    The outbox stays as it is: the dashboard receipts what it has when the device sends it again.
    """
    from edgeclip_device.carrying import carry
    from edgeclip_device.clock import SystemClock, believed

    header = carry(state, out, believed(SystemClock().now(), None))
    if header is None:
        print("nothing waits")
        return
    print(f"{header.detections} detections and {header.media} snapshots lie in {out}")
    print(
        f"at the dashboard, while it is stopped: edgeclip-dashboard import {shlex.quote(out.name)}"
    )
