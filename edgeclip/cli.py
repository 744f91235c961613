"""`edgeclip`: look at labelled images, train an adapter, evaluate a pack, use it on archives."""

from __future__ import annotations

import typer

from edgeclip import cli_cache, cli_data, cli_pack
from edgeclip.cli_evaluate import evaluate
from edgeclip.cli_predict import RepeatsFormat, predict
from edgeclip.cli_recipe import recipe
from edgeclip.cli_teach import SeveralPaths, teach
from edgeclip.cli_train import train
from edgeclip.cli_words import words
from edgeclip.command_line import run_application

app = typer.Typer(
    name="edgeclip",
    help="Train CLIP adapters on camera-trap images.",
    epilog="--version alone prints the version.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(cli_data.app, name="data")
app.add_typer(cli_cache.app, name="cache")
app.add_typer(cli_pack.app, name="pack")
app.command()(train)
app.command(cls=SeveralPaths)(teach)
app.command()(recipe)
app.command()(evaluate)
app.command(cls=RepeatsFormat)(predict)
app.command()(words)


def main() -> None:
    """Run the command line."""
    run_application(app, "edgeclip")


if __name__ == "__main__":
    main()
