"""Counts that drifted and objects that were left: what a sweep finds of them, once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Aws, clip, encode, sound, with_threshold
from earshot.errors import NoModel
from earshot.moments import moment
from earshot.recording import Import
from earshot.services.sweep import LEFTOVER_S, RECOUNT_S, STUCK_S
from sweeping import DAY_S, World, changes_nothing_more, crash_in
from test_catalog import sample

if TYPE_CHECKING:
    from earshot.services import Services


@pytest.fixture
def world(services: Services, aws: Aws) -> World:
    return World(services, aws)


# --- counts ------------------------------------------------------------------------------


def test_counts_that_drifted_are_put_right(world: World) -> None:
    catalog = world.services.catalog
    for identity in ("a1", "a2", "b1"):
        world.hold(sample(identity.ljust(64, "0")))
    for label in ("siren", "owl"):
        world.aws.dynamodb.update_item(
            TableName="earshot",
            Key={"pk": {"S": "COUNTS#a"}, "sk": {"S": "COUNTS"}},
            UpdateExpression="ADD #label :n",
            ExpressionAttributeNames={"#label": f"n#{label}"},
            ExpressionAttributeValues={":n": {"N": "5"}},
        )
    world.aws.dynamodb.delete_item(
        TableName="earshot", Key={"pk": {"S": "COUNTS#b"}, "sk": {"S": "COUNTS"}}
    )
    world.services = with_threshold(world.services, 1000)
    report = world.sweep()
    assert report.repairs == {"count_corrected": 3}
    assert {label: n for label, n in catalog.standing().labels.items() if n} == {"siren": 3}
    changes_nothing_more(world)


def test_each_shard_is_counted_anew_once_a_day(world: World) -> None:
    catalog = world.services.catalog
    world.sweep()
    world.hold(sample())
    world.aws.dynamodb.delete_item(
        TableName="earshot", Key={"pk": {"S": "SAMPLES#a"}, "sk": {"S": "a" * 64}}
    )
    changes_nothing_more(world)
    world.later(RECOUNT_S + 1)
    assert world.sweep().repairs == {"count_corrected": 1}
    assert catalog.standing().total == 0


def test_a_sweep_reads_a_bounded_number_of_samples_and_the_next_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earshot.services.sweep.SAMPLES_AT_ONCE", 2)
    world.services = with_threshold(world.services, 1000)
    catalog = world.services.catalog
    for shard in "0123456789abcdef":
        world.hold(sample(shard * 64))
        world.aws.dynamodb.delete_item(
            TableName="earshot", Key={"pk": {"S": f"COUNTS#{shard}"}, "sk": {"S": "COUNTS"}}
        )
    for swept in range(1, 9):
        assert world.sweep().repairs == {"count_corrected": 2}
        assert catalog.standing().total == 2 * swept
    changes_nothing_more(world)


def test_a_sample_that_comes_while_its_shard_is_counted_is_not_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = world.services.catalog
    world.hold(sample("a" + "9" * 63))
    query = catalog._table.query

    def read_while_one_comes(*args: Any, **kwargs: Any) -> Iterator[dict[str, Any]]:
        yield from query(*args, **kwargs)
        # Sorted before what was read, so that the reader misses it.
        world.hold(sample("a" + "0" * 63))

    with monkeypatch.context() as patched:
        patched.setattr(catalog._table, "query", read_while_one_comes)
        found = catalog.recount("a", "2026-11-21T10:00:00.000Z")
    assert found.changes == {}
    assert catalog.standing().labels == {"siren": 2}
    # And it is counted another time.
    assert catalog.recounted()["a"] == ""


# --- objects -----------------------------------------------------------------------------


def test_uploads_that_were_begun_and_left_are_aborted(world: World) -> None:
    s3 = world.aws.s3
    begun = {
        (bucket, key): s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        for bucket, key in (
            ("recordings", "samples/siren/a.wav"),
            ("recordings", "recordings/north/b.wav"),
            ("recordings", "imports/c.zip"),
            ("recordings", "elsewhere/d.wav"),
            ("artifacts", "models/v1/model.onnx"),
        )
    }
    # The emulator says of every upload that it was begun then.
    began = datetime(2010, 11, 10, 20, 48, 33, tzinfo=UTC).timestamp()
    world.later(began + LEFTOVER_S - 10 - world.clock())
    changes_nothing_more(world)
    world.later(DAY_S)
    report = world.sweep()
    assert report.repairs == {"upload_aborted": 4}
    left = [
        (bucket, upload["UploadId"])
        for bucket in ("recordings", "artifacts")
        for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    ]
    # What is not ours is not touched.
    assert left == [("recordings", begun["recordings", "elsewhere/d.wav"])]
    world.later(DAY_S)
    changes_nothing_more(world)


class Deaf:
    """A deployment without a model."""

    def detector(self) -> Any:
        raise NoModel("There is no model yet.")


def test_recordings_that_waited_for_a_model_are_analysed_once_there_is_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, n = world.services, 25
    tone = encode(sound("siren")[:8000])
    hears = services.serving.detector
    deaf = monkeypatch.context()
    with deaf as patched:
        patched.setattr(services.serving, "detector", Deaf().detector)
        for number in range(n):
            key = world.aws.drop(f"recordings/north/{number}.wav", tone)
            assert services.receive(key).state == "recorded"
        changes_nothing_more(world)
    assert services.serving.detector() is hears()
    found = []
    while report := world.sweep():
        if not report.repaired:
            break
        found.append(report.repairs["object_received"])
    # A bounded number each time, and all of them in the end.
    assert sum(found) == n
    assert max(found) <= 20
    records, _ = services.analysis.recordings(None, 100)
    assert {record.state for record in records} == {"analysed"}
    changes_nothing_more(world)


def test_a_recording_whose_analysis_died_for_good_is_analysed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = world.services
    key = world.aws.drop("recordings/north/a.wav", clip("siren"))
    with crash_in(monkeypatch, services.analysis, "_analyse"):
        services.receive(key)
    # The queue goes on by itself for some time.
    changes_nothing_more(world)
    world.later(STUCK_S + 1)
    assert world.sweep().repairs == {"object_received": 1}
    assert services.analysis.recordings(None, 1)[0][0].state == "analysed"
    changes_nothing_more(world)


def test_one_that_cannot_be_taken_in_holds_up_no_other_and_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = world.services
    keys = [world.aws.drop(f"recordings/north/{n}.wav", clip("siren", n)) for n in range(3)]
    with monkeypatch.context() as patched:
        patched.setattr(services.serving, "detector", Deaf().detector)
        for key in keys:
            services.receive(key)
    receive = services.receive

    def poisoned(key: str, goes_on: Any) -> Any:
        if key == keys[1]:
            raise MemoryError("too much")
        return receive(key, goes_on)

    report = replace(services.sweep, receive=poisoned).run()
    assert report.repairs == {"object_received": 2}
    assert len(report.failed) == 1
    assert keys[1] in report.failed[0]


def test_an_archive_that_was_left_half_unpacked_is_unpacked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io
    import zipfile

    services = world.services
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("siren/a.wav", clip("siren"))
    key = world.aws.drop("imports/a.zip", packed.getvalue())
    with crash_in(monkeypatch, services.store, "write"):
        services.receive(key)
    changes_nothing_more(world)
    world.later(STUCK_S + 1)
    assert world.sweep().repairs == {"object_received": 1}
    assert [record.state for record in services.arrivals.imports()] == ["unpacked"]
    changes_nothing_more(world)


def test_an_archive_that_is_gone_is_given_up_after_a_week(world: World) -> None:
    asked: list[str] = []
    record = Import("imports/a.zip", "1", "unpacking", 1, 1, (), 0, moment(world.clock()))
    world.services.arrivals.note_import(record)

    def receive(key: str, _: object) -> Any:
        asked.append(key)

    sweep = replace(world.services.sweep, clock=world.clock, receive=receive)
    world.later(8 * DAY_S)
    assert sweep.run().failed == ()
    assert asked == []
