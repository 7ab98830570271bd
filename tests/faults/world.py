"""The stack on an emulator, and the tests as everything that is around it.

They are its queues, which bring every message at least once; its Batch, whose jobs are tried
again; and its users, who ask again when they had no answer.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.config import Config
from conftest import REPOSITORY, emulated, with_threshold
from earshot.catalog import SHARDS
from earshot.errors import RetrainInProgress
from earshot.ledger import Ledger
from earshot.moments import now
from earshot.services import Services
from earshot.settings import Settings
from earshot.sweeps import SweepReport
from earshot.wiring import wire
from injector import Injector
from standins import work

from infra.local import endpoint, stack
from ingest.records import recorder

TABLE = "earshot"
HOUR_S = 3600
# A run that nobody begins is published seven times, and then ended.
SWEEPS = 8


@dataclass(frozen=True)
class Place:
    """Where a deployed stack is: all that another process needs to know."""

    url: str
    environment: dict[str, str]
    arrivals: str
    jobs: str


@contextmanager
def deployed() -> Iterator[Place]:
    """template.yaml's stack on an emulator of its own."""
    with endpoint.emulator() as url:
        made = stack.deploy(
            REPOSITORY / "template.yaml",
            {"NamePrefix": TABLE, "ApiAccess": "signed"},
            emulated(url, "cloudformation"),
            emulated(url, "s3"),
        )
        source = made.functions["IngestFunction"].source
        assert source
        environment = made.functions["PredictFunction"].environment
        yield Place(url, environment, source.queue_url, made.jobs["RetrainJob"].queue_url)


def use_cases(
    place: Place, client: Callable[..., Any], threshold: int, ahead_s: float = 0.0
) -> Services:
    """The use cases as a process that just started has them.

    Its clock, which tells how long others were silent, is ``ahead_s`` of ours.
    """
    services = with_threshold(wire(Settings.from_environment(place.environment), client), threshold)
    ledger = Ledger(client("dynamodb"), TABLE, clock=lambda: time.time() + ahead_s)
    training = replace(services.training, ledger=ledger)
    samples = replace(services.samples, training=training)
    return replace(services, ledger=ledger, training=training, samples=samples)


def batched(things: Iterable[Any], n: int) -> Iterator[list[Any]]:
    """Lists of up to ``n``."""
    rest = iter(things)
    while some := [*islice(rest, n)]:
        yield some


def handle(services: Services, message: str) -> None:
    """What ingest does with one message of its queue."""
    attributes = {"ApproximateReceiveCount": "1"}
    record = SQSRecord({"messageId": "1", "body": message, "attributes": attributes})
    recorder(services, Counter())(record)


def sweep(services: Services, ahead_s: float) -> SweepReport:
    """Do a sweep, so many seconds from now."""
    return replace(services.sweep, clock=lambda: time.time() + ahead_s).run()


class World:
    """One deployed stack. ``arrived`` are the messages of ingest's queue that were taken off it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._make = partial(emulated, place.url)
        self._clients: dict[Any, Any] = {}
        self.s3, self.dynamodb = self._client("s3"), self._client("dynamodb")
        self.sqs = self._client("sqs")
        settings = Settings.from_environment(place.environment)
        self.recordings, self.artifacts = settings.recordings_bucket, settings.artifacts_bucket
        self.arrived: list[str] = []
        self.asked: list[str] = []
        self.workers: Counter[str] = Counter()
        self.ahead_s = 0.0
        self.verified: dict[str, dict[str, str]] = {}

    def use_cases(self, threshold: int, injector: Injector | None = None) -> Services:
        """The use cases of a new process, whose calls an injector may watch."""
        client = injector.watching(self._make) if injector else self._client
        return use_cases(self.place, client, threshold, self.ahead_s)

    def _client(self, service: str, config: Config | None = None) -> Any:
        """A client that was made before; to make one takes as long as a call."""
        signature = config and config.signature_version
        if (service, signature) not in self._clients:
            self._clients[service, signature] = self._make(service, config=config)
        return self._clients[service, signature]

    # --- S3 -----------------------------------------------------------------------------------

    def drop(self, key: str, body: bytes) -> None:
        """Put an object into the recordings bucket."""
        self.s3.put_object(Bucket=self.recordings, Key=key, Body=body)

    def remove(self, key: str) -> None:
        """Delete an object of the recordings bucket."""
        self.s3.delete_object(Bucket=self.recordings, Key=key)

    def objects(self, prefix: str) -> dict[str, bytes]:
        """What is in the recordings bucket now."""
        listed = self.s3.list_objects_v2(Bucket=self.recordings, Prefix=prefix)
        return {
            item["Key"]: self.s3.get_object(Bucket=self.recordings, Key=item["Key"])["Body"].read()
            for item in listed.get("Contents", ())
        }

    def files(self, version: str) -> dict[str, str]:
        """The files of a model version, with what tells their contents apart."""
        listed = self.s3.list_objects_v2(Bucket=self.artifacts, Prefix=f"models/{version}/")
        return {item["Key"]: item["ETag"] for item in listed["Contents"]}

    def clear(self) -> None:
        """Empty table, buckets and queues."""
        for bucket in (self.recordings, self.artifacts):
            listed = self.s3.list_object_versions(Bucket=bucket)
            there = [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]
            named = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in there]
            if named:
                self.s3.delete_objects(Bucket=bucket, Delete={"Objects": named})
            for one in self.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", ()):
                self.s3.abort_multipart_upload(
                    Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"]
                )
        self._write({"DeleteRequest": {"Key": key}} for key in self._items("pk, sk"))
        # As if nothing had ever to be counted anew, and today's sweep were over: no sweep hides a
        # count that is wrong, but for a use case that wants it to.
        self._write(
            {
                "PutRequest": {
                    "Item": {
                        "pk": {"S": f"COUNTS#{shard}"},
                        "sk": {"S": "COUNTS"},
                        "recounted_at": {"S": "9999"},
                    }
                }
            }
            for shard in SHARDS
        )
        self.use_cases(0).sweeps.keep(SweepReport(now(), {}, (), (), ""))
        self.listen()
        self.arrived, self.asked, self.workers = [], [], Counter()
        self.ahead_s = 0.0

    def catalogue(self) -> list[tuple[str, str, str]]:
        """Every sample: identity, label, and the key of its object."""
        names = {"#label": "label", "#key": "key"}
        items = self._items("pk, sk, #label, #key", ExpressionAttributeNames=names)
        return [
            (item["sk"]["S"], item["label"]["S"], item["key"]["S"])
            for item in items
            if item["pk"]["S"].startswith("SAMPLES#")
        ]

    def _items(self, attributes: str, **names: Any) -> list[Any]:
        pages = self.dynamodb.get_paginator("scan").paginate(
            TableName=TABLE, ProjectionExpression=attributes, **names
        )
        return [item for page in pages for item in page["Items"]]

    def _write(self, requests: Iterable[Any]) -> None:
        for some in batched(requests, 25):
            self.dynamodb.batch_write_item(RequestItems={TABLE: some})

    # --- queues -------------------------------------------------------------------------------

    def listen(self) -> None:
        """Take what the queues hold."""
        self.arrived += self._drain(self.place.arrivals)
        self.asked += [json.loads(body)["detail"]["run"] for body in self._drain(self.place.jobs)]

    def _drain(self, queue: str) -> Iterator[str]:
        while messages := self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            yield from (message["Body"] for message in messages)
            self.sqs.delete_message_batch(
                QueueUrl=queue,
                Entries=[
                    {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]}
                    for n, message in enumerate(messages)
                ],
            )

    def message(self) -> str:
        """The one message that is on ingest's queue; it stays there."""
        self.listen()
        (message,) = self.arrived
        return message

    def deliver(self, services: Services) -> None:
        """Bring ingest every message, also those that its own doing puts on the queue."""
        self.listen()
        while self.arrived:
            arrived, self.arrived = self.arrived, []
            for message in arrived:
                handle(services, message)
            self.listen()

    def settle(self, threshold: int) -> None:
        """Until nothing is under way: all messages, a job for each request, and sweeps.

        The first is an hour later, others later yet; the last finds nothing to do.
        """
        for attempt in range(SWEEPS):
            services = self.use_cases(threshold)
            self.deliver(services)
            self.train(services)
            self.ahead_s += HOUR_S * 2**attempt
            report = sweep(self.use_cases(threshold), self.ahead_s)
            assert report.failed == ()
            if not report.done and services.ledger.seat() is None:
                return
        raise AssertionError(f"{SWEEPS} sweeps were not enough: {report}")

    def train(self, services: Services) -> None:
        """Give every event that asked for a run a job; each event comes twice.

        ``workers`` counts those that had the run.
        """
        self.listen()
        asked, self.asked = self.asked, []
        for number, run in enumerate(asked * 2):
            try:
                work(services, run, f"job {number}")
                self.workers[run] += 1
            except RetrainInProgress:
                continue
