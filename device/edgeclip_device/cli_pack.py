"""`edgeclip-device pack`: wrap and send a pack; on the device list, install and roll back."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeclip.errors import ConfigError, PublishError
from edgeclip_device.cli_command import (
    Broker,
    CaFile,
    Certificate,
    CertificateKey,
    Counter,
    Device,
    Key,
    Project,
    sender_of,
)

pack_app = typer.Typer(help="Packs over the air, and their way back.", no_args_is_help=True)

Config = Annotated[Path, typer.Option("--config", help="The device's device.toml.")]
AsJson = Annotated[bool, typer.Option("--json/--no-json", help="JSON on stdout, for machines.")]
_OF_THE_GROUP = 0o007  # as the services' units: what root makes must stay writable for them


@pack_app.command()
def wrap(
    bundle: Annotated[Path, typer.Argument(help="A signed bundle.")],
    delivery: Annotated[Path, typer.Argument(help="The file to write, a zip.")],
    task: Annotated[str | None, typer.Option(help="Whose pack goes; the first's without.")] = None,
    whole: Annotated[
        bool, typer.Option("--whole/--pack", help="All files, for devices with another encoder.")
    ] = False,
) -> None:
    """Write what devices need of a bundle to run its newest pack."""
    from edgeclip_device.rollout.delivery import is_delivery
    from edgeclip_device.rollout.delivery import wrap as wrap_bundle

    if delivery.exists() and not is_delivery(delivery):
        raise ConfigError(f"{delivery} is there, and no delivery: name another file")
    size = wrap_bundle(bundle, delivery, task=task, whole=whole)
    print(f"{delivery}: {size / 1e3:.1f} kB")
    named = shlex.quote(str(delivery))
    print(f"edgeclip-device pack send {named} --device NAME --key KEY --broker URL")


@pack_app.command()
def send(
    delivery: Annotated[Path, typer.Argument(help="Of `pack wrap`.")],
    device_id: Device,
    key: Key,
    broker: Broker,
    project: Project = "demo",
    ca_file: CaFile = None,
    certificate_file: Certificate = None,
    certificate_key: CertificateKey = None,
    url: Annotated[
        str | None, typer.Option(help="Where the device finds this file: https, http or file.")
    ] = None,
    wait_s: Annotated[float, typer.Option(min=1, help="How long to wait for it, s.")] = 600.0,
    counter: Counter = None,
) -> None:
    """Send a delivery in chunks, or by a URL; end when it runs in shadow or is refused."""
    from edgeclip_device.rollout.delivery import looked_into, unasked
    from edgeclip_device.rollout.sending import send_delivery

    if delivery.is_file():  # for another file a device would raise an alarm
        looked_into(delivery, unasked)  # whom it believes, it knows itself
    sender = sender_of(
        key, device_id, project, (broker, ca_file, certificate_file, certificate_key)
    )
    final = send_delivery(sender, delivery, url, (wait_s, counter), print)
    if final is None:
        raise PublishError(
            f"{project}/{device_id} has not finished within {wait_s:g} s: send it again"
        )
    if final.state != "done":
        raise PublishError(f"{device_id}: {final.state}: {final.reason}")
    print(f"{final.data.get('packs')} runs in shadow; `pack list` there tells of its promotion")


@pack_app.command("list")
def list_packs(config: Config, as_json: AsJson = False) -> None:
    """Say which bundle decides, which can come back, and how a candidate does."""
    from edgeclip_device.config import load_settings
    from edgeclip_device.rollout.shelf import CONFIGURED, Shelf

    shelf = Shelf(load_settings(config, {}))
    state = shelf.read()
    if as_json:
        print(state.model_dump_json(indent=2))
        return

    def named(name: str) -> str:
        return f"{name or 'as configured'} ({shelf.path(name)}): {_packs_of(shelf.path(name))}"

    print(f"decides:   {named(state.serving)}; {state.stage}")
    for name in state.before:
        print(f"before it: {named(name)}")
    if state.candidate is not None and state.candidate != CONFIGURED:
        counts = state.counts
        print(f"candidate: {named(state.candidate)}")
        print(f"           agrees on {counts.agreed} of {counts.frames} frames")
    if state.reason:
        print(f"last time: {state.reason}")


@pack_app.command()
def install(
    delivery: Annotated[Path, typer.Argument(help="Of `pack wrap`.")], config: Config
) -> None:
    """Give detect a delivery that came by hand; it goes the way of one over the air."""
    import shutil

    from edgeclip.contract.hashing import sha256_file
    from edgeclip_device.config import load_settings
    from edgeclip_device.rollout.delivery import believer, looked_into
    from edgeclip_device.rollout.shelf import INCOMING_FOLDER

    settings = load_settings(config, {})
    if not delivery.is_file():
        raise ConfigError(f"{delivery} is not a file: name one of `pack wrap`")
    manifest = looked_into(delivery, believer(settings.inference.public_keys))
    os.umask(_OF_THE_GROUP)
    folder = settings.state / INCOMING_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{sha256_file(delivery)}.zip"
    shutil.copyfile(delivery, path)
    _ask(settings, "pack_add", {"path": str(path)})
    print(", ".join(f"{pack.task}@{pack.version}" for pack in manifest.packs))
    print("detect takes it, tests it and runs it in shadow: `edgeclip-device pack list` tells")


@pack_app.command()
def rollback(config: Config) -> None:
    """Bring back the bundle that decided before; or drop the candidate, where there is one."""
    from edgeclip.errors import SetupError
    from edgeclip_device.config import load_settings
    from edgeclip_device.locks import only_process
    from edgeclip_device.rollout.shelf import Shelf

    settings = load_settings(config, {})
    os.umask(_OF_THE_GROUP)
    shelf = Shelf(settings)
    state = shelf.read()
    if not state.before and state.candidate is None:
        raise ConfigError("there is nothing to go back to: no pack came over the air")
    try:
        with only_process(settings.state, "detect"):
            if state.candidate is not None:
                shelf.reject("a person asked for it", is_fault=False)
            else:
                shelf.roll_back("a person asked for it")
    except SetupError:  # detect runs, and does it itself
        _ask(settings, "pack_rollback", {})
        print("detect goes back now: `edgeclip-device pack list` tells")
        return
    print("done: it decides from the next start of detect on")


def _ask(settings: Any, name: str, args: dict[str, Any]) -> None:
    """Leave detect a command of the person who stands before the device."""
    from contextlib import closing
    from datetime import datetime, timedelta, timezone

    from edgeclip.contract.topics import DeviceTopics
    from edgeclip_device.clock import SystemClock
    from edgeclip_device.command_book import CommandBook
    from edgeclip_device.database import open_database

    topics = DeviceTopics(settings.project, settings.device_id)
    until = datetime.now(timezone.utc) + timedelta(days=36_500)
    with closing(open_database(settings.state)) as connection:
        CommandBook(connection, SystemClock(), topics).take_local(name, args, until)


def _packs_of(folder: Path | None) -> str:
    from edgeclip.contract.bundle import read_bundle
    from edgeclip.errors import EdgeclipError

    if folder is None:
        return "none is named"
    try:
        manifest = read_bundle(folder, check_hashes=False)
    except EdgeclipError as error:
        return str(error)
    return ", ".join(f"{pack.task}@{pack.version}" for pack in manifest.packs)
