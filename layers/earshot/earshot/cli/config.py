"""``earshot config``: which API the command would ask."""

from __future__ import annotations

import re

import typer

from earshot.cli.configuration import Given, config_file, read
from earshot.cli.options import AsJson
from earshot.cli.output import print_json, say

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Which API is asked, and with what token."
)

# What tells a token from others, as earshot token list shows it, and opens nothing.
NAMED = re.compile(r"earshot_[0-9a-f]{12}_")


@app.callback()
def _group() -> None:
    """Keep one command a subcommand."""


@app.command()
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Show the endpoint, the token without most of it, and where each comes from."""
    given = context.obj if isinstance(context.obj, Given) else Given()
    configuration = read(given)
    token = configuration.token and f"{_name(configuration.token)}…"
    sources = configuration.sources
    if as_json:
        print_json(
            {
                "file": str(config_file()),
                "endpoint": {"value": configuration.endpoint, "from": sources["endpoint"]},
                "token": {"value": token, "from": sources.get("token")},
            }
        )
        return
    say(f"file      {config_file()}{'' if config_file().is_file() else ' (not there)'}")
    say(f"endpoint  {configuration.endpoint} ({sources['endpoint']})")
    say(f"token     {token} ({sources['token']})" if token else "token     none")


def _name(token: str) -> str:
    named = NAMED.match(token)
    return named[0] if named else ""
