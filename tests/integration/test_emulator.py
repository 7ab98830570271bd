"""The emulator is exact under threads, and keeps what it holds."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.local import endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

THREADS = 32
TABLE: dict[str, Any] = {
    "TableName": "books",
    "KeySchema": [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ],
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "S"},
    ],
    "BillingMode": "PAY_PER_REQUEST",
}
ADD_ONE = {
    "UpdateExpression": "ADD n :one",
    "ExpressionAttributeValues": {":one": {"N": "1"}},
}


class Aws:
    """Clients for one endpoint, closed together."""

    def __init__(self, url: str) -> None:
        session = boto3.Session("local", "local", region_name=endpoint.REGION)
        config = Config(max_pool_connections=THREADS, retries={"max_attempts": 0})
        self.s3, self.dynamodb, self.sqs = (
            session.client(service, endpoint_url=url, config=config)
            for service in ("s3", "dynamodb", "sqs")
        )

    def create(self) -> None:
        self.dynamodb.create_table(**TABLE)
        self.s3.create_bucket(Bucket="box")
        self.sqs.create_queue(QueueName="letters")

    def close(self) -> None:
        for client in (self.s3, self.dynamodb, self.sqs):
            client.close()


@pytest.fixture
def aws() -> Iterator[Aws]:
    with endpoint.emulator() as url:
        clients = Aws(url)
        clients.create()
        yield clients
        clients.close()


def key(pk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": "-"}}


def accepted(attempt: Callable[[int], object], times: int) -> int:
    """How many of many concurrent attempts went through."""

    def succeeds(number: int) -> bool:
        try:
            attempt(number)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (400, 412):
                raise
            return False
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(succeeds, range(times)))


def count(aws: Aws, pk: str) -> int:
    item = aws.dynamodb.get_item(TableName="books", Key=key(pk))["Item"]
    return int(item["n"]["N"])


def test_concurrent_additions_all_count(aws: Aws) -> None:
    def add(_: int) -> None:
        aws.dynamodb.update_item(TableName="books", Key=key("sum"), **ADD_ONE)

    assert accepted(add, 600) == 600
    assert count(aws, "sum") == 600


def test_one_of_concurrent_conditional_puts_wins(aws: Aws) -> None:
    def put(number: int) -> None:
        aws.dynamodb.put_item(
            TableName="books",
            Item=key(f"p{number // 4}"),
            ConditionExpression="attribute_not_exists(pk)",
        )

    assert accepted(put, 400) == 100


def test_one_of_concurrent_transactions_wins_and_the_others_leave_no_trace(aws: Aws) -> None:
    def transact(number: int) -> None:
        put = {
            "TableName": "books",
            "Item": key(f"o{number // 3}"),
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        update = {"TableName": "books", "Key": key("sum"), **ADD_ONE}
        # The addition comes first, so that a refused transaction has something to take back.
        aws.dynamodb.transact_write_items(TransactItems=[{"Update": update}, {"Put": put}])

    assert accepted(transact, 600) == 200
    assert count(aws, "sum") == 200


def test_one_of_concurrent_swaps_of_an_object_wins(aws: Aws) -> None:
    etag = aws.s3.put_object(Bucket="box", Key="pointer", Body=b"0")["ETag"]

    def swap(number: int) -> None:
        aws.s3.put_object(Bucket="box", Key="pointer", Body=str(number + 1), IfMatch=etag)

    def create(number: int) -> None:
        aws.s3.put_object(Bucket="box", Key=f"k{number // 4}", Body=b"1", IfNoneMatch="*")

    assert accepted(swap, 64) == 1
    assert accepted(create, 200) == 50


def test_no_message_is_lost_while_others_are_deleted(aws: Aws) -> None:
    url = aws.sqs.get_queue_url(QueueName="letters")["QueueUrl"]

    def send_and_delete(number: int) -> None:
        aws.sqs.send_message(QueueUrl=url, MessageBody=str(number))
        received = aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)
        for message in received.get("Messages", []):
            aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    assert accepted(send_and_delete, 400) == 400
    left = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert left["ApproximateNumberOfMessages"] == "0"
    assert left["ApproximateNumberOfMessagesNotVisible"] == "0"


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_everything_comes_back_after_the_end(tmp_path: Path, end: signal.Signals) -> None:
    long_name = f"samples/{'ü' * 300}/..//a b+c%2F.wav"
    port = endpoint.free_port()
    process = endpoint.start_emulator(port, tmp_path)
    endpoint.wait(port, process)
    aws = Aws(f"http://127.0.0.1:{port}")
    aws.create()
    bodies = {f"samples/siren/{number}.wav": bytes([number]) * 200_000 for number in range(50)}
    bodies |= {long_name: b"long", "..": b"dots", "replaced": b"new"}
    aws.s3.put_object(Bucket="box", Key="replaced", Body=b"old")
    for name, body in bodies.items():
        aws.s3.put_object(
            Bucket="box", Key=name, Body=body, ContentType="audio/wav", Metadata={"site": "north"}
        )
    for gone in ("one", "two"):
        aws.s3.put_object(Bucket="box", Key=gone, Body=b"")
    aws.s3.delete_object(Bucket="box", Key="one")
    aws.s3.delete_objects(Bucket="box", Delete={"Objects": [{"Key": "two"}]})
    etag = aws.s3.head_object(Bucket="box", Key="replaced")["ETag"]
    aws.dynamodb.put_item(TableName="books", Item=key("a") | {"b": {"B": b"\x00\xff"}})
    aws.dynamodb.put_item(TableName="books", Item=key("gone"))
    aws.dynamodb.delete_item(TableName="books", Key=key("gone"))
    for _ in range(3):
        update = {"TableName": "books", "Key": key("sum"), **ADD_ONE}
        aws.dynamodb.transact_write_items(TransactItems=[{"Update": update}])
    url = aws.sqs.get_queue_url(QueueName="letters")["QueueUrl"]
    for body in ("first", "second"):
        aws.sqs.send_message(QueueUrl=url, MessageBody=body)
    first = aws.sqs.receive_message(QueueUrl=url)["Messages"][0]
    aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    if end == signal.SIGKILL:
        # Messages follow a little later than objects and items.
        signal.sigtimedwait([], 1)
    process.send_signal(end)
    process.wait()
    endpoint.end(process)
    aws.close()

    with endpoint.emulator(tmp_path) as url:
        aws = Aws(url)
        aws.create()
        listed = aws.s3.list_objects_v2(Bucket="box")["Contents"]
        assert {entry["Key"] for entry in listed} == bodies.keys()
        for name, body in bodies.items():
            answer = aws.s3.get_object(Bucket="box", Key=name)
            assert answer["Body"].read() == body
            assert answer["ContentType"] == "audio/wav"
            assert answer["Metadata"] == {"site": "north"}
        aws.s3.put_object(Bucket="box", Key="replaced", Body=b"newer", IfMatch=etag)
        items = aws.dynamodb.scan(TableName="books")["Items"]
        assert sorted(item["pk"]["S"] for item in items) == ["a", "sum"]
        assert count(aws, "sum") == 3
        kept = aws.dynamodb.get_item(TableName="books", Key=key("a"))["Item"]
        assert kept["b"]["B"] == b"\x00\xff"
        queue = aws.sqs.get_queue_url(QueueName="letters")["QueueUrl"]
        waiting = aws.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
        assert [message["Body"] for message in waiting] == ["second"]
        aws.close()


def test_a_deleted_bucket_is_forgotten(tmp_path: Path) -> None:
    with endpoint.emulator(tmp_path) as url:
        aws = Aws(url)
        aws.s3.create_bucket(Bucket="box")
        aws.s3.put_object(Bucket="box", Key="a", Body=b"1")
        aws.s3.delete_object(Bucket="box", Key="a")
        aws.s3.delete_bucket(Bucket="box")
        aws.close()
    assert list((tmp_path / "s3").iterdir()) == []
