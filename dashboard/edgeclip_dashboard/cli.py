"""`edgeclip-dashboard`: serve the page, or run the embedded broker."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from edgeclip.command_line import run_application
from edgeclip_dashboard.cli_accounts import account_app, token_app
from edgeclip_dashboard.cli_export import add_export_commands
from edgeclip_dashboard.cli_options import Config, Database, Project, settings_of
from edgeclip_dashboard.cli_packs import pack_app
from edgeclip_dashboard.cli_rules import rule_app

app = typer.Typer(
    help="Receive, acknowledge and show detections.",
    epilog="--version alone prints the version.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_show_locals=False,  # locals may hold secrets
)
app.add_typer(account_app, name="account")
app.add_typer(token_app, name="token")
app.add_typer(rule_app, name="rule")
app.add_typer(pack_app, name="pack")
add_export_commands(app)


@app.command()
def serve(
    broker: Annotated[
        str | None, typer.Option(help="mqtt://HOST[:1883], or mqtts://HOST for TLS.")
    ] = None,
    project: Project = None,
    dashboard_id: Annotated[str | None, typer.Option(help="Name in receipts.")] = None,
    database: Database = None,
    media: Annotated[Path | None, typer.Option(help="Folder of the snapshots.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0 takes a free one.")] = None,
    protocol: Annotated[str | None, typer.Option(help="MQTT version: 5 or 3.1.1.")] = None,
    shared_group: Annotated[
        str | None, typer.Option(help="Share the load with the instances of this group.")
    ] = None,
    auth: Annotated[
        str | None, typer.Option(help="accounts, or none on the loopback interface.")
    ] = None,
    config: Config = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every step.")] = False,
) -> None:
    """Receive what devices send, keep it, and show it on pages of its own.

    The broker's user name and password come from EDGECLIP_DASHBOARD_MQTT_USERNAME and
    EDGECLIP_DASHBOARD_MQTT_PASSWORD.
    """
    from edgeclip_dashboard.config import credentials_from_environment

    settings = settings_of(
        config,
        project=project,
        dashboard_id=dashboard_id,
        broker={"url": broker, "protocol": protocol, "shared_group": shared_group},
        store={"database": database, "media": media},
        page={"host": host, "port": port, "auth": auth},
    )
    credentials = credentials_from_environment()
    _log_to_stderr(verbose=verbose)
    from edgeclip_dashboard.server import serve as run_server

    def ready(url: str, password: str | None) -> None:
        print(f"project {settings.project}, broker {settings.broker.url}", flush=True)
        if password:
            print(f"sign in as admin, one-time password {password} (shown this once)", flush=True)
        print(f"open {url} (Ctrl-C ends)", flush=True)

    run_server(settings, credentials, ready=ready)


@app.command("import")
def import_carried(
    file: Annotated[Path, typer.Argument(help="ZIP of `edgeclip-device outbox export`.")],
    project: Project = None,
    database: Database = None,
    media: Annotated[Path | None, typer.Option(help="Folder of the snapshots.")] = None,
    config: Config = None,
) -> None:
    """Store what was carried here from a device by hand, while the dashboard is stopped."""
    from edgeclip_dashboard.carried_in import take_in

    store = {"database": database, "media": media}
    taken = take_in(file, settings_of(config, project=project, store=store))
    print(
        f"{taken.detections} detections are new, {taken.known} were known;"
        f" {taken.media} snapshots are here, {taken.refused} messages refused"
    )


places = typer.Typer(help="Deployments: where devices stand.", no_args_is_help=True)
app.add_typer(places, name="places")


@places.command("import")
def import_places(
    file: Annotated[Path, typer.Argument(help="CSV; a Camtrap DP deployments.csv will do.")],
    project: Project = None,
    database: Database = None,
    config: Config = None,
) -> None:
    """Write deployments of a table, all or none, also while the dashboard runs."""
    from edgeclip_dashboard.database import database_url
    from edgeclip_dashboard.field import places_table

    settings = settings_of(config, project=project, store={"database": database})
    url = database_url(settings.store.database)
    print(places_table.import_places(file, url, settings.project).said)


@app.command()
def migrate(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    project: Project = None,
    database: Database = None,
    config: Config = None,
) -> None:
    """Bring an older database up to date, as `serve` does by itself when it starts."""
    from edgeclip_dashboard.database import database_url, open_database, shown, state_of
    from edgeclip_dashboard.migrating import what_is_due

    settings = settings_of(config, project=project, store={"database": database})
    url = database_url(settings.store.database)
    due = what_is_due(state_of(url, project=settings.project), url)
    if dry_run:
        print(f"{shown(url)}: {due}; nothing was changed")
        return
    with open_database(url, project=settings.project):
        print(f"{shown(url)}: {due}; done")


@app.command()
def broker(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="TCP port; 0 takes a free one.", min=0)] = 1883,
) -> None:
    """Run a small MQTT 3.1.1 broker for a desk; it keeps nothing over a restart."""
    from edgeclip_dashboard.embedded_broker import run_broker

    _log_to_stderr(verbose=False)

    def ready(url: str) -> None:
        print(f"edgeclip-dashboard serve --broker {url} --protocol 3.1.1", flush=True)

    run_broker(host, port, ready=ready)


def _log_to_stderr(*, verbose: bool) -> None:
    level = logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )
    # at DEBUG and INFO some of these would log addresses that hold tokens
    for name in ("alembic", "amqtt", "apprise", "asyncio", "httpcore", "httpx", "transitions",
                 "urllib3", "uvicorn"):  # fmt: skip
        logging.getLogger(name).setLevel(logging.WARNING)


def main() -> None:
    """Run the command line; an error of ours becomes one line and an exit code."""
    run_application(app, "edgeclip-dashboard")


if __name__ == "__main__":
    main()
