"""`edgeclip-device command` and `desired`: ask something of a device, from any workstation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeclip.errors import ConfigError, PublishError

if TYPE_CHECKING:
    from edgeclip.contract.commands import Reply
    from edgeclip_device.sender import Sender

Device = Annotated[str, typer.Option("--device", help="The device's name.")]
Project = Annotated[str, typer.Option(help="The project that it belongs to.")]
Key = Annotated[Path, typer.Option(help="Private key of `edgeclip-export keygen`.")]
Broker = Annotated[str, typer.Option(help="mqtt://HOST[:PORT] or mqtts://HOST[:PORT].")]
CaFile = Annotated[Path | None, typer.Option(help="CA certificates for mqtts.")]
Certificate = Annotated[
    Path | None, typer.Option(help="Your certificate for mqtts, where the broker asks for one.")
]
CertificateKey = Annotated[Path | None, typer.Option(help="The certificate's private key.")]
Counter = Annotated[
    int | None, typer.Option(min=1, help="In place of the next one of the key's file.")
]
WaitS = Annotated[float, typer.Option(min=0, help="How long to wait for the end, s.")]
ValidS = Annotated[float, typer.Option(min=1, help="How long the device may take, s.")]


def command(
    name: Annotated[
        str,
        typer.Argument(
            help="ping, snapshot, arm, disarm, thresholds, restart, logs, pack_add, pack_promote"
            " or pack_rollback."
        ),
    ],
    device_id: Device,
    key: Key,
    broker: Broker,
    args: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="What it takes.")
    ] = None,
    project: Project = "demo",
    ca_file: CaFile = None,
    certificate_file: Certificate = None,
    certificate_key: CertificateKey = None,
    valid_s: ValidS = 3600.0,
    wait_s: WaitS = 60.0,
    counter: Counter = None,
    out: Annotated[Path | None, typer.Option(help="Where a snapshot is written.")] = None,
) -> None:
    """Sign a command, send it, and print each reply.

    The broker's user name and password come from EDGECLIP_MQTT_USERNAME and
    EDGECLIP_MQTT_PASSWORD.
    """
    sender = sender_of(
        key, device_id, project, (broker, ca_file, certificate_file, certificate_key)
    )
    made = sender.command(_known(name), _arguments(args or []), valid_s, counter)
    replies: list[dict[str, Any]] = []

    def on_reply(reply: Reply) -> None:
        replies.append(reply.model_dump(mode="json"))
        _show(replies[-1], out)

    final = sender.send(made, on_reply, wait_s)
    if final is None:
        raise PublishError(
            f"{project}/{device_id} {_how_far(replies)} within {wait_s:g} s; it has until"
            f" {made.not_after:%H:%M} UTC: its replies come on"
            f" {sender.topics.reply(made.command_id)}"
        )
    if final.state != "done":
        raise PublishError(f"{device_id}: {name} {final.state}: {final.reason}")


def desired(
    file: Annotated[Path, typer.Argument(help="TOML: tables that go over the device's own.")],
    device_id: Device,
    key: Key,
    broker: Broker,
    project: Project = "demo",
    ca_file: CaFile = None,
    certificate_file: Certificate = None,
    certificate_key: CertificateKey = None,
    wait_s: WaitS = 60.0,
    counter: Counter = None,
) -> None:
    """Sign a desired state and leave it with the broker; the device takes it when it connects."""
    from edgeclip.contract.settings import read_toml
    from edgeclip_device.desired import refuse_impossible

    tables = read_toml(file)
    refuse_impossible(tables, file)
    sender = sender_of(
        key, device_id, project, (broker, ca_file, certificate_file, certificate_key)
    )
    made = sender.command(
        "configure", {"tables": tables}, valid_s=10 * 366 * 86_400.0, counter=counter
    )
    final = sender.keep_desired(
        made, lambda reply: _show(reply.model_dump(mode="json"), None), wait_s
    )
    if final is not None and final.state != "done":
        raise PublishError(
            f"{device_id}: {file} {final.state}: {final.reason}; the state before stays retained"
        )
    print(f"retained on {sender.topics.desired}")
    if final is None:
        print(f"no end within {wait_s:g} s: the device takes it when it connects")
        print(f"its reply comes on {sender.topics.reply(made.command_id)}, its hash in up/info")


def sender_of(
    key: Path,
    device_id: str,
    project: str,
    broker: tuple[str, Path | None, Path | None, Path | None],
) -> Sender:
    """Return who sends, from the options of the command line.

    Args:
        key: File of the private key that signs.
        device_id: To whom.
        project: Of the device.
        broker: URL, CA file, certificate and its key.

    Raises:
        ConfigError: One of them is wrong.
    """
    from edgeclip.contract.settings import settings_from
    from edgeclip.contract.topics import DeviceTopics
    from edgeclip_device.config import MqttSettings
    from edgeclip_device.credentials import broker_credentials
    from edgeclip_device.mqtt import tls_context
    from edgeclip_device.sender import Sender

    names = ("url", "ca_file", "certificate_file", "key_file")
    keys = {**dict(zip(names, broker, strict=True)), "session_expiry_s": 60}
    typed = {"url": "--broker", "key_file": "--certificate-key"}
    mqtt = settings_from(keys, MqttSettings, source="options", options=typed)
    tls_context(mqtt)  # a wrong certificate shows now
    try:
        topics = DeviceTopics(project, device_id)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return Sender(key, topics, mqtt, broker_credentials())


def _known(name: str) -> Any:
    from typing import get_args

    from edgeclip.contract.commands import CommandName

    names = sorted(set(get_args(CommandName)) - {"configure"})
    if name not in names:
        raise ConfigError(f"no command {name!r}: there are {', '.join(names)}")
    return name


def _arguments(pairs: list[str]) -> dict[str, Any]:
    """Return KEY=VALUE pairs; a value that is JSON is that, any other is text."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"{pair!r} is not KEY=VALUE")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


def _how_far(replies: list[dict[str, Any]]) -> str:
    if not replies:
        return "has not answered (are --project and --device right, and is it online?)"
    reason = replies[-1]["reason"]
    return f"has not finished{f' ({reason})' if reason else ''}"


def _show(reply: dict[str, Any], out: Path | None) -> None:
    """Print a reply; a picture goes to its file."""
    import base64

    from edgeclip.contract.files import write_bytes

    data = dict(reply["data"])
    if "jpeg" in data and out is not None:
        write_bytes(out, base64.b64decode(data.pop("jpeg")))
        data["file"] = str(out)
    elif "jpeg" in data:
        data["jpeg"] = f"{len(data['jpeg'])} characters: --out FILE writes it"
    reason = f": {reply['reason']}" if reply["reason"] else ""
    print(f"{reply['state']}{reason}")
    if data:
        print(json.dumps(data, indent=2, ensure_ascii=False))
