"""Dead letters: listed with their reasons, sent back, discarded."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.exceptions import ClientError
from conftest import Aws
from earshot import letters
from earshot.cli import dlq as command
from earshot.errors import BadSettings
from earshot.letters import DeadLetters, Failure, Failures
from rich.console import Console
from typer.testing import CliRunner

from ingest.events import UnknownEvent
from ingest.records import recorder

if TYPE_CHECKING:
    from click.testing import Result
    from earshot.services import Services

FAILURE = Failure("", "NoSuchBucket", "The bucket is gone.", tries=5, at="2026-11-21T10:00:00.000Z")


def eventbridge(key: str) -> str:
    detail = {"bucket": {"name": "recordings"}, "object": {"key": key, "size": 5}}
    return json.dumps({"detail-type": "Object Created", "detail": detail})


class Post:
    """A queue and where its dead letters go."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.dead = aws.sqs.create_queue(QueueName="earshot-ingest-dlq")["QueueUrl"]
        arn = aws.sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=["QueueArn"])
        policy = {"deadLetterTargetArn": arn["Attributes"]["QueueArn"], "maxReceiveCount": 2}
        self.work = aws.sqs.create_queue(
            QueueName="earshot-ingest", Attributes={"RedrivePolicy": json.dumps(policy)}
        )["QueueUrl"]
        self.failures = Failures(aws.dynamodb, "earshot")
        self.dead_letters = DeadLetters(aws.sqs, self.dead, self.failures)

    def die(self, body: str, failure: Failure | None = FAILURE, **attributes: str) -> str:
        """Put a dead letter there; returns its identity."""
        message_id = self.aws.sqs.send_message(
            QueueUrl=self.dead,
            MessageBody=body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
            },
        )["MessageId"]
        if failure:
            self.failures.note(replace(failure, message_id=message_id))
        return message_id

    def waiting(self, queue: str) -> list[str]:
        """The bodies in a queue, taken out."""
        bodies: list[str] = []
        while found := self.aws.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            bodies += [message["Body"] for message in found]
        return sorted(bodies)


@pytest.fixture
def post(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Post:
    monkeypatch.setattr(letters, "WAIT_S", 0)
    return Post(aws)


def test_a_letter_says_what_it_is_about_and_why_it_is_dead(post: Post) -> None:
    message_id = post.die(eventbridge("samples/siren/a b.wav"))
    (letter,) = post.dead_letters.letters()
    assert letter.sent_at.endswith("Z")
    assert replace(letter, sent_at="") == letters.Letter(
        id=message_id,
        event="Object Created",
        key="samples/siren/a b.wav",
        code="NoSuchBucket",
        reason="The bucket is gone.",
        tries=5,
        received=1,
        sent_at="",
        failed_at="2026-11-21T10:00:00.000Z",
    )


def test_what_eventbridge_could_not_deliver_says_so(post: Post) -> None:
    post.die(
        eventbridge("samples/siren/a.wav"),
        None,
        ERROR_CODE="NO_PERMISSIONS",
        ERROR_MESSAGE="The queue's policy does not allow it.",
    )
    (letter,) = post.dead_letters.letters()
    assert (letter.code, letter.reason) == (
        "NO_PERMISSIONS",
        "The queue's policy does not allow it.",
    )
    assert (letter.tries, letter.failed_at) == (None, None)


def test_what_ingest_did_not_survive_has_no_reason(post: Post) -> None:
    post.die(eventbridge("samples/siren/a.wav"), None)
    (letter,) = post.dead_letters.letters()
    assert (letter.code, letter.reason, letter.tries) == (None, None, None)


@pytest.mark.parametrize(
    ("body", "event", "key"),
    [
        ("no JSON", "not JSON", None),
        ("[" * 100_000, "not JSON", None),
        ("[]", "unknown", None),
        ("null", "unknown", None),
        ('{"Records": []}', "unknown", None),
        ('{"detail-type": "Object Tags Added", "detail": {}}', "Object Tags Added", None),
        (eventbridge("samples%2Fsiren%2Fd+%C3%A9.wav"), "Object Created", "samples/siren/d é.wav"),
        (eventbridge("samples/1%2Fa+b.wav"), "Object Created", "samples/1%2Fa+b.wav"),
        (
            '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "a+b"}}}]}',
            "ObjectCreated:Put",
            "a b",
        ),
    ],
)  # fmt: skip
def test_whatever_a_letter_holds_it_is_listed(
    post: Post, body: str, event: str, key: str | None
) -> None:
    post.die(body)
    (letter,) = post.dead_letters.letters()
    assert (letter.event, letter.key) == (event, key)


def test_looking_takes_nothing_away_and_sees_everything(post: Post) -> None:
    sent = {post.die(eventbridge(f"samples/siren/{number}.wav")) for number in range(123)}
    for _ in range(2):
        found = post.dead_letters.letters()
        assert {letter.id for letter in found} == sent
        assert {letter.reason for letter in found} == {"The bucket is gone."}
        assert [letter.sent_at for letter in found] == sorted(
            (letter.sent_at for letter in found), reverse=True
        )
    assert len(post.waiting(post.dead)) == 123


def test_an_empty_queue_has_no_letters(post: Post) -> None:
    assert post.dead_letters.letters() == []
    assert post.dead_letters.retry().done == []


def test_chosen_letters_go_back_to_where_they_came_from(post: Post) -> None:
    ids = [post.die(str(number)) for number in range(25)]
    handled = post.dead_letters.retry({ids[3], ids[17], "0000"})
    assert sorted(handled.done) == sorted([ids[3], ids[17]])
    assert handled.missing == ["0000"]
    assert post.waiting(post.work) == ["17", "3"]
    assert len(post.waiting(post.dead)) == 23


def test_all_letters_go_back(post: Post) -> None:
    for number in range(25):
        post.die(str(number))
    assert len(post.dead_letters.retry().done) == 25
    assert len(post.waiting(post.work)) == 25
    assert post.waiting(post.dead) == []


def test_a_letter_is_in_both_queues_rather_than_in_none(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        post.die(str(number))

    def fails(**_: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(post.aws.sqs, "delete_message", fails)
    with pytest.raises(ConnectionError):
        post.dead_letters.retry()
    assert len(post.waiting(post.work)) == 1
    # None of them stays hidden.
    assert len(post.waiting(post.dead)) == 3


def test_discarded_letters_are_gone(post: Post) -> None:
    ids = [post.die(str(number)) for number in range(3)]
    assert post.dead_letters.discard([ids[1], "0000"]) == letters.Handled([ids[1]], ["0000"])
    assert post.waiting(post.dead) == ["0", "2"]
    assert post.waiting(post.work) == []


def test_a_queue_that_nothing_dies_into_is_refused_before_anything_moves(post: Post) -> None:
    post.die("a")
    other = DeadLetters(post.aws.sqs, post.work, post.failures)
    with pytest.raises(BadSettings, match="IngestDeadLettersUrl"):
        other.retry()
    assert post.waiting(post.dead) == ["a"]


def test_the_last_failure_is_remembered_and_none_for_ever(post: Post) -> None:
    post.failures.note(replace(FAILURE, message_id="m", tries=1, reason="First."))
    post.failures.note(replace(FAILURE, message_id="m", tries=2, reason="x" * 300_000))
    (failure,) = post.failures.of(["m", "other"]).values()
    assert failure.tries == 2
    assert failure.reason == "x" * letters.REASON_LENGTH
    key = {"pk": {"S": "FAILURES"}, "sk": {"S": "m"}}
    item = post.aws.dynamodb.get_item(TableName="earshot", Key=key)["Item"]
    # A letter lives for 14 days.
    assert int(item["expires_at"]["N"]) > time.time() + 14 * 86_400


# --- what ingest remembers ------------------------------------------------------------------


def record(body: str, tries: int = 3) -> SQSRecord:
    attributes = {"ApproximateReceiveCount": str(tries)}
    return SQSRecord({"messageId": "m", "body": body, "attributes": attributes})


def test_ingest_remembers_why_a_message_failed(services: Services) -> None:
    counts = Counter[str]()
    with pytest.raises(UnknownEvent):
        recorder(services, counts)(record('{"a": 1}'))
    failure = services.failures.of(["m"])["m"]
    assert (failure.code, failure.tries) == ("UnknownEvent", 3)
    assert failure.reason.startswith("Not an event that ingest knows")
    assert counts == {"Failed": 1}


def test_ingest_remembers_what_nobody_expected(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.drop("samples/siren/a.wav", b"")
    monkeypatch.setattr("earshot.services.samples.decode", lambda _: list[int]()[1])
    with pytest.raises(IndexError):
        recorder(services, Counter())(record(eventbridge("samples/siren/a.wav")))
    failure = services.failures.of(["m"])["m"]
    assert (failure.code, failure.reason) == ("IndexError", "list index out of range")


def test_a_message_that_goes_well_leaves_no_trace(services: Services) -> None:
    recorder(services, Counter())(record('{"Event": "s3:TestEvent"}'))
    assert services.failures.of(["m"]) == {}


def test_a_failure_that_cannot_be_remembered_is_still_the_same_failure(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException"}}, "PutItem")

    table: Any = services.failures._table
    monkeypatch.setattr(table._client, "put_item", away)
    with pytest.raises(UnknownEvent):
        recorder(services, Counter())(record("no JSON"))


# --- the command ----------------------------------------------------------------------------


def ask(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(command.app, arguments, input=answer)


def test_the_list_is_for_people_and_for_programs(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = post.die(eventbridge("samples/siren/a.wav"))
    killed = post.die("no JSON", None)
    done = ask("list", "--json")
    assert done.exit_code == 0, done.output
    rows = {row["id"]: row for row in json.loads(done.stdout)["letters"]}
    assert rows.keys() == {message_id, killed}
    assert rows[message_id]["key"] == "samples/siren/a.wav"
    assert rows[message_id]["reason"] == "The bucket is gone."
    assert rows[killed]["reason"] is None
    monkeypatch.setattr("earshot.cli.output.out", Console(width=240))
    shown = ask("list").stdout
    for words in (message_id, "NoSuchBucket: The bucket is gone.", "(not JSON)", "did not survive"):
        assert words in shown


def test_the_webhooks_queue_is_another(post: Post) -> None:
    post.die("arrival")
    dead = post.aws.sqs.create_queue(QueueName="earshot-alerts-dlq")["QueueUrl"]
    alert = {"detail-type": "DetectionAlert", "detail": {"key": "recordings/ridge/a.wav"}}
    post.aws.sqs.send_message(QueueUrl=dead, MessageBody=json.dumps(alert))
    (row,) = json.loads(ask("list", "--queue", "alerts", "--json").stdout)["letters"]
    assert (row["event"], row["key"]) == ("DetectionAlert", "recordings/ridge/a.wav")


def test_letters_are_sent_back_by_name_or_all_of_them(post: Post) -> None:
    one = post.die("one")
    post.die("two")
    done = ask("retry", one, "--json")
    assert json.loads(done.stdout) == {"retried": [one], "missing": []}
    assert post.waiting(post.work) == ["one"]
    done = ask("retry", one)
    assert done.exit_code == 1
    assert "letter_not_found" in done.stderr
    assert ask("retry", "--all", "--queue", post.dead).exit_code == 0
    assert post.waiting(post.work) == ["two"]


def test_letters_are_discarded_when_one_is_sure(post: Post) -> None:
    one = post.die("one")
    post.die("two")
    refused = ask("discard", one, answer="n\n")
    assert refused.exit_code == 1
    assert "Discard 1 dead letters for good?" in refused.stderr
    assert len(post.dead_letters.letters()) == 2
    assert ask("discard", one, answer="y\n").exit_code == 0
    done = ask("discard", "--all", "--yes", "--json")
    assert len(json.loads(done.stdout)["discarded"]) == 1
    assert post.waiting(post.dead) == post.waiting(post.work) == []


def test_all_are_those_that_were_asked_about(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    post.die("one")

    def another_comes(*_: Any, **__: Any) -> bool:
        post.die("two")
        return True

    monkeypatch.setattr("typer.confirm", another_comes)
    assert ask("discard", "--all").exit_code == 0
    assert post.waiting(post.dead) == ["two"]


@pytest.mark.parametrize("what", ["retry", "discard"])
@pytest.mark.parametrize("arguments", [(), ("0000", "--all")])
def test_which_letters_are_meant_is_said(post: Post, what: str, arguments: tuple[str, ...]) -> None:
    post.die("one")
    assert ask(what, *arguments).exit_code == 2
    assert post.waiting(post.dead) == ["one"]
