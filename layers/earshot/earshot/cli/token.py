"""``earshot token``: who may call the API, written into the stack's table by its operator."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from earshot.cli.options import AsJson, Endpoint, dynamodb
from earshot.cli.output import note, print_json, print_table
from earshot.tokens import CACHED_S, Scope, Token, Tokens

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Make, list and revoke the API's tokens, by your own AWS credentials.",
)

Table = Annotated[str, typer.Option(envvar="EARSHOT_TABLE", help="The stack's output TableName.")]


def _named(name: str) -> str:
    if not (name.strip() and name.isprintable() and len(name) <= 100):
        raise typer.BadParameter("write up to 100 characters that can be read.")
    return name.strip()


@app.command()
def create(
    name: Annotated[
        str, typer.Argument(callback=_named, help="Whose it is: promotions are made in its name.")
    ],
    scope: Annotated[
        Scope,
        typer.Option(
            help="predict: recordings in, and every state; write: also samples, uploads, trainings "
            "and reviews; admin: also promote and roll back."
        ),
    ],
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="It expires after so many.")
    ] = None,
    table: Table = "earshot",
    endpoint_url: Endpoint = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, this once: only its hash is kept."""
    token, text = Tokens(dynamodb(endpoint_url), table).create(name, scope, days)
    if as_json:
        print_json({**_plain(token), "token": text})
        return
    note(f"Token {token.id} of scope {scope} for {name}. It is shown only now; keep it safe:")
    print(text)


@app.command("list")
def list_tokens(
    table: Table = "earshot", endpoint_url: Endpoint = None, as_json: AsJson = False
) -> None:
    """All tokens, the newest first; what they read is nowhere kept."""
    tokens = [_plain(token) for token in Tokens(dynamodb(endpoint_url), table).list()]
    if as_json:
        print_json({"tokens": tokens})
        return
    rows = [
        [*(token[column] for column in ("id", "name", "scope", "state")), *_days(token)]
        for token in tokens
    ]
    print_table("Tokens", ("id", "name", "scope", "state", "created", "expires"), rows)


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `earshot token list` says.")],
    table: Table = "earshot",
    endpoint_url: Endpoint = None,
    as_json: AsJson = False,
) -> None:
    """Let a token end now; the API may go on taking it for half a minute."""
    Tokens(dynamodb(endpoint_url), table).revoke(token_id)
    if as_json:
        print_json({"revoked": token_id})
    else:
        note(f"Token {token_id} is revoked; within {CACHED_S} s it opens nothing any more.")


def _days(token: dict[str, Any]) -> list[str]:
    return [token["created_at"][:10], (token["expires_at"] or "never")[:10]]


def _plain(token: Token) -> dict[str, Any]:
    """A token in words: moments in UTC, ISO 8601."""
    expires_at = None
    if token.expires_at is not None:
        moment = datetime.fromtimestamp(token.expires_at, UTC)
        expires_at = moment.isoformat().replace("+00:00", "Z")
    return {**asdict(token), "expires_at": expires_at, "state": token.state(time.time())}
