"""`edgeclip-dashboard rule ...`: which rules there are, and whether their channels can be told."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from edgeclip_dashboard.cli_options import AsJson, Config, Database, Project
from edgeclip_dashboard.cli_transactions import print_rows, transaction

rule_app = typer.Typer(
    help="See and try the rules that tell people; `/rules` writes them.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


@rule_app.command("list")
def list_rules(
    as_json: AsJson = False,
    project: Project = None,
    database: Database = None,
    config: Config = None,
) -> None:
    """List all rules; no channel is shown whole."""
    from edgeclip_dashboard.notices.desk import all_rules
    from edgeclip_dashboard.notices.words import what_it_tells, whom_it_tells

    with transaction(project, database, config) as (session, _):
        rows = [
            {"name": view.form.name, "state": "on" if view.form.is_enabled else "off"}
            | dict((*what_it_tells(view.form), *whom_it_tells(view.form)))
            for view in all_rules(session)
        ]
    if as_json:
        print_rows(rows, as_json=True)
        return
    if not rows:
        print("none yet: nobody is told of anything")
    for row in rows:
        print(f"{row.pop('name')} ({row.pop('state')})")
        for key, value in row.items():
            print(f"  {key}: {value}")


@rule_app.command("test")
def try_a_rule(
    name: Annotated[str, typer.Argument(help="Of a rule, as `rule list` shows it.")],
    as_json: AsJson = False,
    project: Project = None,
    database: Database = None,
    config: Config = None,
) -> None:
    """Send a test message to all channels of a rule; ends with 4 if one did not take it."""
    from edgeclip.errors import DashboardError
    from edgeclip_dashboard.deeds import COMMAND_LINE, note
    from edgeclip_dashboard.notices.desk import find_rule
    from edgeclip_dashboard.notices.trial import try_rule

    with transaction(project, database, config) as (session, now):
        rule = find_rule(session, name).form
        note(session, COMMAND_LINE, "rule tested", rule.name, now)
    tried = try_rule(rule)
    if as_json:
        print(json.dumps([{"channel": one.channel, "problem": one.reason} for one in tried]))
    for one in () if as_json else tried:
        print(f"{one.channel}: {one.reason or 'took it'}")
    failed = sum(one.reason is not None for one in tried)
    if failed:
        raise DashboardError(
            f"{failed} of {len(tried)} channels did not take the test: see their reasons, and"
            " correct them on the page /rules"
        )
