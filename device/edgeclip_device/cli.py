"""`edgeclip-device`: detect, uplink, run, replay, prepare, verify, outbox, and the field's."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeclip.command_line import run_application
from edgeclip.errors import ConfigError, PublishError
from edgeclip_device import cli_field
from edgeclip_device.cli_command import command, desired
from edgeclip_device.cli_outbox import outbox_app
from edgeclip_device.cli_pack import pack_app
from edgeclip_device.cli_prepare import prepare
from edgeclip_device.cli_unseal import unseal
from edgeclip_device.cli_verify import verify
from edgeclip_device.options import identity, parse_time, settings_of, watching

app = typer.Typer(
    help="Watch a camera, and keep each detection on disk until the dashboard has it.",
    epilog="--version alone prints the version.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # a bug's traceback, without locals: they hold secrets
)
app.add_typer(outbox_app, name="outbox")
app.add_typer(pack_app, name="pack")
app.command()(prepare)
app.command()(verify)
app.command()(unseal)
app.command()(command)
app.command()(desired)
for _command in (
    cli_field.install,
    cli_field.uninstall,
    cli_field.provision,
    cli_field.doctor,
    cli_field.health,
    cli_field.apply,
):
    app.command()(_command)

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="device.toml; options go over it.")
]
Source = Annotated[
    str | None,
    typer.Option(help="Image, folder, video, number, /dev/..., csi://, rtsp://... or GStreamer."),
]
Bundle = Annotated[Path | None, typer.Option(help="Folder made by `edgeclip-export bundle`.")]
Task = Annotated[str | None, typer.Option(help="Which pack of the bundle.")]
Backend = Annotated[str | None, typer.Option(help="auto, onnxruntime or tensorrt.")]
State = Annotated[Path | None, typer.Option(help="Folder of the outbox and its media.")]
DeviceId = Annotated[str | None, typer.Option(help="This device's name.")]
Project = Annotated[str | None, typer.Option(help="The project it belongs to.")]
DeploymentId = Annotated[str | None, typer.Option(help="One camera, one place, one period.")]
CameraId = Annotated[str | None, typer.Option(help="The camera's name.")]
Broker = Annotated[str | None, typer.Option(help="mqtt://HOST[:PORT] or mqtts://HOST[:PORT].")]
Protocol = Annotated[str | None, typer.Option(help="MQTT version: 5 or 3.1.1.")]
Motion = Annotated[str | None, typer.Option(help="mog2, average, difference or off.")]
Votes = Annotated[str | None, typer.Option(help="N/M: the last M frames vote, at least N.")]
MaxFps = Annotated[float | None, typer.Option(help="Frames a second that are looked at.")]
StripTop = Annotated[int | None, typer.Option(help="Strip at the top, px; else the pack's.")]
StripBottom = Annotated[int | None, typer.Option(help="At the bottom, px; else the pack's.")]
AsJson = Annotated[bool, typer.Option("--json/--no-json", help="JSON on stdout, for machines.")]
Verbose = Annotated[bool, typer.Option("--verbose/--no-verbose", help="Log every change.")]


@app.command()
def detect(
    config: ConfigFile = None,
    source: Source = None,
    bundle: Bundle = None,
    task: Task = None,
    backend: Backend = None,
    state: State = None,
    device_id: DeviceId = None,
    project: Project = None,
    deployment_id: DeploymentId = None,
    camera_id: CameraId = None,
    motion: Motion = None,
    votes: Votes = None,
    max_fps: MaxFps = None,
    strip_top_px: StripTop = None,
    strip_bottom_px: StripBottom = None,
) -> None:
    """Watch a camera and write detections into the outbox; needs no network."""
    settings = settings_of(
        config,
        {
            **identity(device_id, project, deployment_id, state),
            **watching(source, camera_id, (bundle, task, backend), (motion, votes)),
        },
        (max_fps, strip_top_px, strip_bottom_px),
    )
    _log_to_stderr(logging.INFO)
    from edgeclip_device.detect import run_detect

    run_detect(settings)


@app.command()
def uplink(
    config: ConfigFile = None,
    broker: Broker = None,
    protocol: Protocol = None,
    state: State = None,
    device_id: DeviceId = None,
    project: Project = None,
    deployment_id: DeploymentId = None,
    camera_id: CameraId = None,
) -> None:
    """Publish what is in the outbox; delete what the dashboard has stored."""
    settings = settings_of(
        config,
        {
            **identity(device_id, project, deployment_id, state),
            "camera": {"camera_id": camera_id},
            "mqtt": {"url": broker, "protocol": protocol},
        },
    )
    _log_to_stderr(logging.INFO)
    from edgeclip_device.services import run_uplink

    run_uplink(settings)


@app.command()
def run(
    config: ConfigFile = None,
    source: Source = None,
    bundle: Bundle = None,
    broker: Broker = None,
    protocol: Protocol = None,
    task: Task = None,
    backend: Backend = None,
    state: State = None,
    device_id: DeviceId = None,
    project: Project = None,
    deployment_id: DeploymentId = None,
    camera_id: CameraId = None,
    motion: Motion = None,
    votes: Votes = None,
    max_fps: MaxFps = None,
    strip_top_px: StripTop = None,
    strip_bottom_px: StripBottom = None,
) -> None:
    """Run detect and uplink in one process, for a desk."""
    settings = settings_of(
        config,
        {
            **identity(device_id, project, deployment_id, state),
            **watching(source, camera_id, (bundle, task, backend), (motion, votes)),
            "mqtt": {"url": broker, "protocol": protocol},
        },
        (max_fps, strip_top_px, strip_bottom_px),
    )
    _log_to_stderr(logging.INFO)
    from edgeclip_device.services import run_both

    run_both(settings)


@app.command()
def replay(
    clip: Annotated[str, typer.Argument(help="A video, an image or a folder of images.")],
    bundle: Bundle = None,
    config: ConfigFile = None,
    broker: Broker = None,
    protocol: Protocol = None,
    speed: Annotated[
        float, typer.Option(min=0, max=1000, help="0 as fast as possible, 1 the clip's own time.")
    ] = 0.0,
    start: Annotated[
        str | None,
        typer.Option(help="When the clip begins, RFC 3339; the file's time where absent."),
    ] = None,
    wait_s: Annotated[
        float, typer.Option(min=0, max=3600, help="How long to wait for receipts at the end.")
    ] = 60.0,
    task: Task = None,
    backend: Backend = None,
    state: State = None,
    device_id: DeviceId = None,
    project: Project = None,
    deployment_id: DeploymentId = None,
    camera_id: CameraId = None,
    motion: Motion = None,
    votes: Votes = None,
    max_fps: MaxFps = None,
    strip_top_px: StripTop = None,
    strip_bottom_px: StripBottom = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Run detect over a clip, send what it finds where a broker is named, and print a table."""
    settings = settings_of(
        config,
        {
            **identity(device_id, project, deployment_id, state),
            **watching(clip, camera_id, (bundle, task, backend), (motion, votes)),
            "mqtt": {"url": broker, "protocol": protocol},
        },
        (max_fps, strip_top_px, strip_bottom_px),
    )
    _log_to_stderr(logging.INFO if verbose else logging.WARNING)
    from edgeclip_device.replay import ReplayOptions
    from edgeclip_device.replay import replay as replay_clip

    result = replay_clip(settings, ReplayOptions(parse_time(start), speed, wait_s))
    _print_replay(result, as_json)


@app.command("check-config")
def check_config(
    file: Annotated[Path, typer.Argument(help="device.toml")],
) -> None:
    """Print the settings as they would be used, without secrets, and what is wrong with them."""
    from edgeclip_device.config import load_settings
    from edgeclip_device.config_faults import faults_of
    from edgeclip_device.credentials import broker_credentials, camera_credentials
    from edgeclip_device.sources.pipelines import pipeline_of
    from edgeclip_device.sources.pipelines import shown as shown_pipeline

    settings = load_settings(file, {})
    print(settings.model_dump_json(indent=2))
    for kind, credentials in (("mqtt", broker_credentials()), ("camera", camera_credentials())):
        shown = credentials.username or "none"
        password = "set, not shown" if credentials.password else "none"
        print(f"{kind} user name: {shown}; password: {password}")
    pipeline = pipeline_of(settings.camera, camera_credentials())
    if pipeline is not None:
        print(f"camera pipeline: {shown_pipeline(pipeline, camera_credentials())}")
    faults = faults_of(settings)
    for fault in faults:
        print(f"{'wrong' if fault.stops else 'note'}: {fault}")
    if faults and faults[0].stops:
        raise ConfigError(f"{file}: {faults[0]}")


def _print_replay(result: Any, as_json: bool) -> None:
    from edgeclip_device.replay_tables import detections_table, replay_json, summary_table
    from edgeclip_device.terminal import console

    if as_json:
        print(replay_json(result))
    else:
        console().print(detections_table(result))
        console().print(summary_table(result))
    rows, media = result.waiting
    if result.broker is not None and not result.is_delivered:
        reason = f" ({result.last_error})" if result.last_error else ""
        raise PublishError(
            f"{rows} revisions and {media} snapshots have no receipt{reason}: is a dashboard of"
            f" this project connected to {result.broker}? They stay in {result.state}"
        )


def _log_to_stderr(level: int) -> None:
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )


def main() -> None:
    """Run the command line.

    Raises:
        SystemExit: Always; with the exit codes of `edgeclip.errors`.
    """
    run_application(app, "edgeclip-device")


if __name__ == "__main__":
    main()
