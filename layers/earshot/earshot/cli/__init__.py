"""The ``earshot`` command: the API's client, and what other distributions add to it.

They add by the entry point group ``earshot.commands``: a function is one command, a
``typer.Typer`` a group of them. A command is imported when it is asked for, or for the help that
lists them all, so none pays for another's libraries.
"""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from earshot import __version__
from earshot.cli.configuration import DEFAULT_ENDPOINT, Given, config_file
from earshot.cli.exits import MEANINGS, ExitCode
from earshot.cli.options import AsJson, Endpoint, s3
from earshot.cli.output import fail
from earshot.errors import ApiUnreachable, EarshotError, TokenRefused

__all__ = ["AsJson", "Endpoint", "app", "main", "s3"]

GROUP = "earshot.commands"
OWN = {
    "predict": "earshot.cli.predict:predict",
    "analyze": "earshot.cli.analyze:analyze",
    "search": "earshot.cli.search:search",
    "upload": "earshot.cli.upload:upload",
    "samples": "earshot.cli.samples:samples",
    "recordings": "earshot.cli.recordings:app",
    "retrain": "earshot.cli.training:retrain",
    "runs": "earshot.cli.training:runs",
    "models": "earshot.cli.models:app",
    "status": "earshot.cli.status:status",
    "metrics": "earshot.cli.metrics:metrics",
    "alerts": "earshot.cli.alerts:app",
    "token": "earshot.cli.token:app",
    "dlq": "earshot.cli.dlq:app",
    "cost": "earshot.cli.cost:cost",
    "config": "earshot.cli.config:app",
}


class Commands(TyperGroup):
    """The commands by name, each imported when it is wanted."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        own = [EntryPoint(name, value, GROUP) for name, value in OWN.items()]
        added = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
        self._entries = {entry.name: entry for entry in [*added, *own]}

    def list_commands(self, ctx: object) -> list[str]:  # noqa: ARG002
        """Every command's name: Earshot's own first, then what is added."""
        return list(dict.fromkeys([*OWN, *self._entries]))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, imported now; None when there is none."""
        # What an unknown one may be mistaken for is looked for among all of them.
        wanted = [cmd_name] if cmd_name in self._entries else [*self._entries]
        for name in wanted:
            if name not in self.commands:
                self.add_command(_imported(self._entries[name]))
        return super().get_command(ctx, cmd_name)


def _imported(entry: EntryPoint) -> Any:
    """The command of an entry point; when it cannot be imported, one that says why."""
    single = typer.Typer(add_completion=False)
    try:
        found = entry.load()
    except ImportError as error:
        missing = error

        def unusable() -> None:
            raise missing

        single.command(help=f"Not usable here: {missing}.")(unusable)
    else:
        if isinstance(found, typer.Typer):
            single = found
        else:
            single.command()(found)
    command = typer.main.get_command(single)
    command.name = entry.name
    _reflow(command)
    return command


def _reflow(command: Any) -> None:
    """Make help flow to any width, and keep its brackets, which typer takes for markup."""
    paragraphs = (command.help or "").split("\n\n")
    command.help = escape("\n\n".join(" ".join(lines.split()) for lines in paragraphs))
    for below in getattr(command, "commands", {}).values():
        _reflow(below)


HELP = """Earshot, from the shell.

The API is the one named by --endpoint and --token, else by EARSHOT_ENDPOINT and EARSHOT_TOKEN, \
else by the configuration file, else the local stack's.
"""
EPILOG = "Exit status: " + "; ".join(f"{code} {words}" for code, words in MEANINGS.items()) + "."

app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, help=HELP, epilog=EPILOG
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    endpoint: Annotated[
        str | None,
        typer.Option(envvar="EARSHOT_ENDPOINT", help=f"The API's address; {DEFAULT_ENDPOINT}."),
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="EARSHOT_TOKEN", help="What lets you in.")
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(envvar="EARSHOT_PROFILE", help=f"A profile of {config_file()}."),
    ] = None,
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    context.obj = Given(endpoint, token, profile)


def main() -> None:
    """Run the command; what goes wrong is one line, and an exit status that scripts can use."""
    try:
        app()
    except EarshotError as error:
        fail(error.code, str(error))
        sys.exit(_exit_code(error))
    except ImportError as error:
        fail("not_installed", f"{error}. Install earshot with what this command needs.")
        sys.exit(ExitCode.REFUSED)
    except Exception as error:
        if not _is_of_aws(error):
            raise
        fail("aws", str(error))
        sys.exit(ExitCode.REFUSED)


def _exit_code(error: EarshotError) -> ExitCode:
    if isinstance(error, TokenRefused):
        return ExitCode.TOKEN
    return ExitCode.UNREACHABLE if isinstance(error, ApiUnreachable) else ExitCode.REFUSED


def _is_of_aws(error: Exception) -> bool:
    """Whether boto3 raised it, told without importing boto3."""
    return type(error).__module__.partition(".")[0] in ("boto3", "botocore")
