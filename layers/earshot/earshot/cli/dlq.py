"""``earshot dlq``: what was given up, and why; sent back or discarded by the stack's operator."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from earshot.cli.exits import ExitCode
from earshot.cli.options import AsJson, Endpoint, dynamodb, sqs
from earshot.cli.output import fail, note, print_json, print_table
from earshot.letters import DeadLetters, Failures

if TYPE_CHECKING:
    from earshot.letters import Handled

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Arrivals that could not be taken in, and alerts that the webhook did not take: list, "
    "send back or discard them, by your own AWS credentials.",
)

Queue = Annotated[
    str,
    typer.Option(
        envvar="EARSHOT_DLQ",
        help="The stack's output IngestDeadLettersUrl or AlertDeadLettersUrl, or the queue's name; "
        "ingest and alerts are those of the local stack.",
    ),
]
Table = Annotated[str, typer.Option(envvar="EARSHOT_TABLE", help="The stack's output TableName.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID…", help="As `earshot dlq list` says.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]

LOCAL_QUEUES = {"ingest": "earshot-ingest-dlq", "alerts": "earshot-alerts-dlq"}
NO_REASON = "None was kept: its function did not survive it. It ran out of time or memory."


@app.command("list")
def list_letters(
    queue: Queue = "ingest",
    table: Table = "earshot",
    endpoint_url: Endpoint = None,
    as_json: AsJson = False,
) -> None:
    """All dead letters, the latest first, with the reason of each."""
    letters = _dead_letters(queue, table, endpoint_url).letters()
    if as_json:
        print_json({"letters": [asdict(letter) for letter in letters]})
        return
    rows = (
        (
            letter.id,
            letter.key or f"({letter.event})",
            f"{letter.code}: {letter.reason}" if letter.reason else NO_REASON,
            letter.sent_at[:19],
            "-" if letter.tries is None else letter.tries,
        )
        for letter in letters
    )
    print_table("Dead letters", ("id", "object", "reason", "first sent", ">tries"), rows)


@app.command()
def retry(
    ids: Ids = None,
    everything: All = False,
    queue: Queue = "ingest",
    table: Table = "earshot",
    endpoint_url: Endpoint = None,
    as_json: AsJson = False,
) -> None:
    """Send dead letters back to where they come from, once what they failed by is mended."""
    chosen = _chosen(ids, everything)
    handled = _dead_letters(queue, table, endpoint_url).retry(chosen)
    _report("retried", handled, as_json)


@app.command()
def discard(
    ids: Ids = None,
    everything: All = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    queue: Queue = "ingest",
    table: Table = "earshot",
    endpoint_url: Endpoint = None,
    as_json: AsJson = False,
) -> None:
    """Delete dead letters for good; the objects that they tell of stay in the bucket."""
    chosen = _chosen(ids, everything)
    dead_letters = _dead_letters(queue, table, endpoint_url)
    if chosen is None:
        # So that no more are discarded than were asked about.
        chosen = {letter.id for letter in dead_letters.letters()}
    if not yes and chosen:
        typer.confirm(f"Discard {len(chosen)} dead letters for good?", abort=True, err=True)
    _report("discarded", dead_letters.discard(chosen), as_json)


def _chosen(ids: list[str] | None, everything: bool) -> set[str] | None:
    """The letters that are meant; None for all."""
    if bool(ids) == everything:
        raise typer.BadParameter("name letters by their ID, or say --all.")
    return set(ids) if ids else None


def _dead_letters(queue: str, table: str, endpoint_url: str | None) -> DeadLetters:
    client = sqs(endpoint_url)
    queue = LOCAL_QUEUES.get(queue, queue)
    url = queue if "://" in queue else client.get_queue_url(QueueName=queue)["QueueUrl"]
    return DeadLetters(client, url, Failures(dynamodb(endpoint_url), table))


def _report(what: str, handled: Handled, as_json: bool) -> None:
    if as_json:
        print_json({what: handled.done, "missing": handled.missing})
    else:
        note(f"{len(handled.done)} dead letters {what}.")
    if handled.missing:
        fail("letter_not_found", f"Not in the queue, or no longer: {', '.join(handled.missing)}")
        raise typer.Exit(ExitCode.REFUSED)
