"""Objects that go, move or change on the local stack, with many workers at once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from deployed import Deployed
from earshot.errors import SampleContended
from test_removal import OTHER, A, B, agrees, contents, short

from infra.local import endpoint
from ingest.events import ObjectCreated, objects

WORKERS, PEOPLE = 8, 4


class Live(Deployed):
    """A stack on an emulator; the test's threads are its workers."""

    def __init__(self, url: str) -> None:
        super().__init__(url, "PredictFunction", threshold=1_000, connections=24)
        self.queue = self.sqs.get_queue_url(QueueName="earshot-ingest")["QueueUrl"]
        self.bucket = self.services.store.bucket

    def work(self, twice: Callable[[], bool] = lambda: False, wait_s: int = 0) -> Counter[str]:
        """Act on what is in ingest's queue until there is nothing; what fails comes again."""
        done: Counter[str] = Counter()
        while messages := self.sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=1, WaitTimeSeconds=wait_s
        ).get("Messages"):
            (message,) = messages
            handle = {"QueueUrl": self.queue, "ReceiptHandle": message["ReceiptHandle"]}
            try:
                for thing in objects(message["Body"]):
                    receive, forget = self.services.receive, self.services.forget
                    act = receive if isinstance(thing, ObjectCreated) else forget
                    for _ in range(1 + twice()):
                        done[act(thing.key).state] += 1
            except SampleContended:
                self.sqs.change_message_visibility(**handle, VisibilityTimeout=0)
                continue
            self.sqs.delete_message(**handle)
        return done


@pytest.fixture(scope="module")
def deployed() -> Iterator[Live]:
    with endpoint.emulator() as url:
        yield Live(url)


def test_the_stack_tells_of_what_is_deleted(deployed: Live) -> None:
    s3, bucket = deployed.s3, deployed.bucket
    for key, body in {A: short(1), B: short(2)}.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    assert deployed.work() == {"added": 2}
    s3.copy_object(Bucket=bucket, Key=OTHER, CopySource={"Bucket": bucket, "Key": A})
    assert deployed.work() == {"refused": 1}
    s3.delete_object(Bucket=bucket, Key=A)
    assert deployed.work() == {"removed": 1}
    agrees(deployed.services, {OTHER: short(1), B: short(2)})
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": OTHER}, {"Key": B}]})
    assert deployed.work() == {"removed": 2}
    agrees(deployed.services, {})


def test_the_stack_tells_of_versions_that_are_deleted(deployed: Live) -> None:
    """As on AWS, where the template's buckets have versions; moto's CloudFormation gives none."""
    s3, bucket = deployed.s3, deployed.bucket
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket=bucket, Key=A, Body=short(1))["VersionId"]
    new = s3.put_object(Bucket=bucket, Key=A, Body=short(2))["VersionId"]
    assert deployed.work() == {"added": 1, "duplicate": 1}
    s3.delete_object(Bucket=bucket, Key=A, VersionId=old)
    assert deployed.work() == {"duplicate": 1}
    marker = s3.delete_object(Bucket=bucket, Key=A)["VersionId"]
    assert deployed.work() == {"removed": 1}
    s3.delete_object(Bucket=bucket, Key=A, VersionId=marker)
    assert deployed.work() == {"added": 1}
    s3.delete_object(Bucket=bucket, Key=A, VersionId=new)
    assert deployed.work()["removed"] == 1
    agrees(deployed.services, {})


def test_many_workers_and_people_who_put_move_and_delete(deployed: Live) -> None:
    """Counts are the catalogue, and that is the bucket, when all is quiet."""
    s3, bucket = deployed.s3, deployed.bucket
    keys = [f"samples/{label}/{n}.wav" for label in ("casual", "gunshot", "siren") for n in "abc"]
    bodies = [*(short(seed) for seed in range(3)), b"no sound"]

    def live(seed: int) -> None:
        chance = random.Random(seed)
        acts = chance.choices(["put", "move", "delete"], [3, 2, 1], k=30)
        for act in acts:
            key, other = chance.sample(keys, 2)
            if act == "put":
                s3.put_object(Bucket=bucket, Key=key, Body=chance.choice(bodies))
            if act == "move":
                # Somebody else may have deleted it.
                with suppress(s3.exceptions.ClientError):
                    source = {"Bucket": bucket, "Key": key}
                    s3.copy_object(Bucket=bucket, Key=other, CopySource=source)
            if act != "put":
                s3.delete_object(Bucket=bucket, Key=key)

    def work(seed: int) -> Counter[str]:
        chance = random.Random(seed)
        return deployed.work(lambda: chance.random() < 0.3, wait_s=2)

    with ThreadPoolExecutor(WORKERS + PEOPLE) as pool:
        people = [pool.submit(live, seed) for seed in range(PEOPLE)]
        workers = [pool.submit(work, seed) for seed in range(WORKERS)]
        done = sum((worker.result() for worker in workers), Counter[str]())
        for person in people:
            person.result()
    done += deployed.work()
    assert done.keys() >= {"added", "removed", "duplicate", "refused"}
    agrees(deployed.services, contents(s3, bucket))
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    deployed.work()
    agrees(deployed.services, {})
