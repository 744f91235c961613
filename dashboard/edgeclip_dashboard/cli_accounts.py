"""`edgeclip-dashboard account ...` and `token ...`: people and programs, also while it serves."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from edgeclip_dashboard.cli_options import AsJson, Config, Database, Project
from edgeclip_dashboard.cli_transactions import print_rows, transaction

account_app = typer.Typer(
    help="Say who may sign in.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)
token_app = typer.Typer(
    help="Say which programs may read the API.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)

Name = Annotated[str, typer.Argument(help="Letters, digits, '.', '_', '@', '-'.")]


@account_app.command("add")
def add(
    name: Name,
    role: Annotated[str, typer.Option(help="viewer, reviewer or admin.")] = "viewer",
    project: Project = None,
    database: Database = None,
    config: Config = None,
) -> None:
    """Add an account, and print the one-time password for its first sign-in."""
    from edgeclip_dashboard.accounts import account_role, add_account
    from edgeclip_dashboard.deeds import COMMAND_LINE

    with transaction(project, database, config) as (session, now):
        password = add_account(session, COMMAND_LINE, name, account_role(role), now)
    print(f"{name.strip().casefold()}, {role}: one-time password {password} (shown this once)")


@account_app.command("list")
def list_accounts(
    as_json: AsJson = False,
    project: Project = None,
    database: Database = None,
    config: Config = None,
) -> None:
    """List all accounts."""
    from edgeclip_dashboard.accounts import all_accounts

    with transaction(project, database, config) as (session, _):
        rows = [
            {
                "name": account.name,
                "role": account.role,
                "state": "disabled" if account.is_disabled else "one-time password"
                if account.must_change else "enabled",
                "created_at": account.created_at,
            }
            for account in all_accounts(session)
        ]  # fmt: skip
    print_rows(rows, as_json=as_json)


@account_app.command("reset")
def reset(
    name: Name, project: Project = None, database: Database = None, config: Config = None
) -> None:
    """Print a new one-time password, enable the account and end its sessions."""
    from edgeclip_dashboard.accounts import reset_password
    from edgeclip_dashboard.deeds import COMMAND_LINE

    with transaction(project, database, config) as (session, now):
        password = reset_password(session, COMMAND_LINE, name, now)
    print(f"{name.strip().casefold()}: one-time password {password} (shown this once)")


@account_app.command("role")
def set_role(
    name: Name,
    role: Annotated[str, typer.Argument(help="viewer, reviewer or admin.")],
    project: Project = None,
    database: Database = None,
    config: Config = None,
) -> None:
    """Give an account another role, and end its sessions."""
    from edgeclip_dashboard.accounts import account_role, change_role
    from edgeclip_dashboard.deeds import COMMAND_LINE

    with transaction(project, database, config) as (session, now):
        change_role(session, COMMAND_LINE, name, account_role(role), now)
    print(f"{name.strip().casefold()} is {role} now")


@account_app.command("disable")
def disable(
    name: Name, project: Project = None, database: Database = None, config: Config = None
) -> None:
    """Let an account sign in no more, and end its sessions; `reset` enables it again."""
    from edgeclip_dashboard.accounts import disable_account
    from edgeclip_dashboard.deeds import COMMAND_LINE

    with transaction(project, database, config) as (session, now):
        disable_account(session, COMMAND_LINE, name, now)
    print(f"{name.strip().casefold()} may sign in no more")


@token_app.command("add")
def add_a_token(
    name: Name,
    role: Annotated[str, typer.Option(help="viewer, or reviewer: sees people.")] = "viewer",
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it opens.")] = 365,
    project: Project = None,
    database: Database = None,
    config: Config = None,
) -> None:
    """Add a token, and print it: once, and alone on its line."""
    from edgeclip_dashboard.api_tokens import add_token
    from edgeclip_dashboard.deeds import COMMAND_LINE

    with transaction(project, database, config) as (session, now):
        lifetime = timedelta(days=days)
        token = add_token(session, COMMAND_LINE, name, role, lifetime=lifetime, at=now)
    print(token)


@token_app.command("list")
def list_tokens(
    as_json: AsJson = False,
    project: Project = None,
    database: Database = None,
    config: Config = None,
) -> None:
    """List all tokens, without what opens."""
    from edgeclip_dashboard.api_tokens import all_tokens

    with transaction(project, database, config) as (session, _):
        rows = [
            {
                "name": token.name,
                "role": token.role,
                "created_at": token.created_at,
                "expires_at": token.expires_at,
            }
            for token in all_tokens(session)
        ]
    print_rows(rows, as_json=as_json)


@token_app.command("revoke")
def revoke(
    name: Name, project: Project = None, database: Database = None, config: Config = None
) -> None:
    """Remove a token; it opens nothing from now on."""
    from edgeclip_dashboard.api_tokens import revoke_token
    from edgeclip_dashboard.deeds import COMMAND_LINE

    with transaction(project, database, config) as (session, now):
        revoke_token(session, COMMAND_LINE, name, now)
    print(f"the token {name.strip().casefold()} opens nothing any more")
