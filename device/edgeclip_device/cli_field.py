"""Commands of the field: install, uninstall, provision, doctor, health, apply."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeclip.errors import ConfigError

if TYPE_CHECKING:
    from edgeclip_device.field.steps import Step

Root = Annotated[Path, typer.Option(help="What stands for /: an image, or a folder to look at.")]
State = Annotated[Path, typer.Option(help="Folder of the outbox.")]
AsJson = Annotated[bool, typer.Option("--json/--no-json", help="JSON on stdout, for machines.")]


def install(
    bundle: Annotated[
        Path | None, typer.Argument(help="Folder made by `edgeclip-export bundle`.")
    ] = None,
    root: Root = Path("/"),
    program: Annotated[
        Path | None, typer.Option(help="edgeclip-device as the units should name it.")
    ] = None,
    start: Annotated[bool, typer.Option("--start/--no-start", help="Start the services.")] = True,
) -> None:
    """Install units, users, folders, configuration and bundle; a second run changes nothing."""
    from edgeclip_device.field.installing import InstallOptions
    from edgeclip_device.field.installing import install as install_all

    ours = Path(sys.executable).with_name("edgeclip-device")
    steps = install_all(InstallOptions(bundle, root, program or ours, start))
    _print_steps(steps)
    print("next: edgeclip-device doctor --config /etc/edgeclip/device.toml")


def uninstall(
    root: Root = Path("/"),
    purge: Annotated[
        bool, typer.Option("--purge/--no-purge", help="Also configuration, keys and outbox.")
    ] = False,
) -> None:
    """Remove what `install` made."""
    from edgeclip_device.field.installing import uninstall as uninstall_all

    _print_steps(uninstall_all(root, purge=purge))


def provision(
    config: Annotated[
        Path | None, typer.Option("--config", help="device.toml, for its id; else that of /etc.")
    ] = None,
    device_id: Annotated[str | None, typer.Option(help="This device's name.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of key and request.")] = Path("/etc/edgeclip"),
) -> None:
    """Make the device's key and a certificate request; an existing key is used again."""
    from edgeclip_device.config import load_settings
    from edgeclip_device.field.provisioning import provision as make

    settings = load_settings(config or _installed(), {"device_id": device_id})
    if "device_id" not in settings.model_fields_set:
        raise ConfigError(
            f"the device has no name but its host's, {settings.device_id}: give --device-id, or set"
            " device_id in the file of --config"
        )
    made = make(settings.device_id, out)
    print(f"{'made' if made.is_new else 'kept'} {made.key}: it stays on this device")
    print(f"made {made.request}: CN = {settings.device_id}")
    if made.replaced is not None:
        print(f"it replaces one of CN = {made.replaced}: a certificate of that name fits no more")
    print("next: let your authority sign the request, name both files in [mqtt], and `install`")


def apply(
    request: Annotated[str, typer.Argument(help="Name of a file in /run/edgeclip/requests.")],
) -> None:
    """Do what detect or uplink asked for; started by a path unit, as root."""
    from edgeclip_device.field.requests import apply as do

    print(do(request))


def health(
    state: State,
    gate: Annotated[
        bool, typer.Option("--gate/--no-gate", help="Exit with 3 unless the device does its work.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say how detect does, from what it leaves in its outbox; needs no broker."""
    from edgeclip.errors import GateError
    from edgeclip_device.field.health_gate import judge

    verdict = judge(state)
    if as_json:
        print(json.dumps(verdict.facts(), indent=2))
    else:
        for line in verdict.lines():
            print(line)
    if gate and verdict.problems:
        raise GateError(f"{state}: {verdict.problems[0]}")


def doctor(
    config: Annotated[
        Path | None, typer.Option("--config", help="device.toml; else that of /etc, if any.")
    ] = None,
    root: Root = Path("/"),
    frame: Annotated[bool, typer.Option("--frame/--no-frame", help="Take a test frame.")] = True,
    broker: Annotated[bool, typer.Option("--broker/--no-broker", help="Ask the broker.")] = True,
    as_json: AsJson = False,
) -> None:
    """Look at everything that a device needs, a line each, with what to do; 4 where one fails."""
    from edgeclip_device.config import load_settings
    from edgeclip_device.credentials import take_from
    from edgeclip_device.doctor.base import Patient
    from edgeclip_device.doctor.report import examine, facts_of, require_all, table_of
    from edgeclip_device.machine.tree import Tree

    config = config or _installed(root)
    if config is not None:
        take_from(config.absolute().parent / "credentials")
    patient = Patient(load_settings(config, {}), Tree(root), frame, broker)
    findings = examine(patient)
    if as_json:
        print(json.dumps(facts_of(patient, findings), indent=2))
    else:
        from edgeclip_device.terminal import console

        print(f"configuration: {config or 'none, every key at its default'}")
        console().print(table_of(findings))
    require_all(findings)


def _installed(root: Path = Path("/")) -> Path | None:
    """Return the configuration that `install` made, if there is one."""
    from edgeclip_device.field.installing import CONFIG

    file = root / CONFIG.lstrip("/")
    try:
        return file if file.is_file() else None
    except PermissionError:  # it is root's: reading it says so
        return file


def _print_steps(steps: list[Step]) -> None:
    for step in steps:
        print(f"{step.did:8} {step.what}")
