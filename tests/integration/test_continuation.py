"""A long recording on the deployed stack: one invocation after the other, until it is heard."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from aws_lambda_powertools.utilities import batch
from conftest import REPOSITORY, emulated, encode, pcm
from earshot.field import listening
from earshot.field.formats import from_json
from earshot.services.occurrences import Wanted
from earshot.settings import Settings
from earshot.wiring import wire

from infra.local import endpoint, stack
from infra.local.poller import Poller
from ingest.deadline import MARGIN_MS
from ingest.records import recorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.services import Services

KEY = "recordings/ridge/SMM1_20260301_060000.wav"
# What each invocation has time for.
STEPS = 3


class Invocation:
    """One that has time for a few steps, whatever they take."""

    def __init__(self) -> None:
        self.left = STEPS

    def get_remaining_time_in_millis(self) -> int:
        """Told before each step."""
        self.left -= 1
        return MARGIN_MS + 1 if self.left >= 0 else 0


@pytest.fixture
def made() -> Iterator[tuple[Any, stack.Stack]]:
    """template.yaml's stack on an emulator of its own, and what makes clients of it."""
    with endpoint.emulator() as url:
        yield (
            lambda service, config=None: emulated(url, service, config),
            stack.deploy(
                REPOSITORY / "template.yaml",
                {"NamePrefix": "earshot", "ApiAccess": "signed"},
                emulated(url, "cloudformation"),
                emulated(url, "s3"),
            ),
        )


def test_it_goes_on_until_it_is_heard_and_no_message_fails(
    made: tuple[Any, stack.Stack], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, deployed = made
    monkeypatch.setattr(listening, "PART", 8)
    function = deployed.functions["IngestFunction"]
    assert function.source
    invocations: list[int] = []

    def handler(event: dict[str, Any], _: Any) -> Any:
        # A process of its own each time, as it may be.
        services = wire(Settings.from_environment(function.environment), client)
        processor = batch.BatchProcessor(batch.EventType.SQS, raise_on_entire_batch_failure=False)
        invocation: Any = Invocation()
        answer = batch.process_partial_response(
            event, recorder(services, Counter()), processor, invocation
        )
        assert not answer["batchItemFailures"]
        invocations.append(STEPS - invocation.left)
        return answer

    hush = np.zeros_like(pcm("siren"))
    windows = [hush] * 60
    windows[10:12] = [pcm("siren"), pcm("siren", 2)]
    windows[40] = pcm("gunshot")
    settings = Settings.from_environment(function.environment)
    s3 = client("s3")
    body = encode(np.concatenate(windows))
    s3.put_object(Bucket=settings.recordings_bucket, Key=KEY, Body=body)
    Poller(client("sqs"), function.source.queue_url, handler).run(until_idle=True)
    # Eight parts and the clips, a few at a time.
    assert len(invocations) >= 4

    services = wire(settings, client)
    ((record,), _) = services.analysis.recordings(None, 10)
    assert (record.state, record.duration_s) == ("analysed", 240.0)
    check_formats(services, s3, settings.artifacts_bucket, str(record.results))
    heard, _ = services.occurrences.latest(Wanted("2026-03-01", "2026-03-02"), 10)
    assert [(one.detection.label, one.at) for one in heard] == [
        ("gunshot", "2026-03-01T06:02:40.000Z"),
        ("siren", "2026-03-01T06:00:40.000Z"),
    ]
    for one in heard:
        assert one.detection.clip
        assert services.analysis.clip(record.recording, one.detection.clip)[:4] == b"fLaC"
    dead = deployed.outputs["IngestDeadLettersUrl"]
    assert "Messages" not in client("sqs").receive_message(QueueUrl=dead)


def check_formats(services: Services, s3: Any, bucket: str, results: str) -> None:
    """The four files tell the same."""

    def text(suffix: str) -> str:
        key = results.removesuffix(".json") + suffix
        return str(s3.get_object(Bucket=bucket, Key=key)["Body"].read(), "utf-8")

    expected = [("siren", 40.0, 48.0), ("gunshot", 160.0, 164.0)]
    found = from_json(text(".json"))
    assert [(one.label, one.start_s, one.end_s) for one in found.detections] == expected
    rows = csv.DictReader(io.StringIO(text(".csv"), newline=""))
    assert [(row["label"], float(row["start_s"]), float(row["end_s"])) for row in rows] == expected
    raven = csv.DictReader(io.StringIO(text(".Table.1.selections.txt")), delimiter="\t")
    assert [
        (row["Label"], float(row["Begin Time (s)"]), float(row["End Time (s)"])) for row in raven
    ] == expected
    labels = [line.split("\t") for line in text(".labels.txt").splitlines()]
    assert [(label, float(start), float(end)) for start, end, label in labels] == expected
