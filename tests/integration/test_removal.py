"""Objects that go, move or change: the catalogue follows the bucket, in any order of events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Aws, encode, pcm, with_threshold
from earshot.audio import decode
from earshot.errors import BadRecording, SampleContended
from earshot.holdings import Holdings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from earshot.services import Services


@cache
def short(seed: int, container: str = "WAV") -> bytes:
    """A quarter of a second: one of our sounds, to be told from the others."""
    return encode(pcm("siren", seed)[:4000], container=container)


@cache
def identity(body: bytes) -> str | None:
    """What sound an object holds, if any."""
    try:
        return decode(body).sha256
    except BadRecording:
        return None


def agrees(services: Services, bucket: dict[str, bytes]) -> None:
    """The catalogue, its counts and the refusals are those of a bucket's objects."""
    catalogued = {found.sha256: found for found in services.catalog.samples()}
    held = {key: identity(body) for key, body in bucket.items()}
    assert catalogued.keys() == {sound for sound in held.values() if sound}
    for sound, found in catalogued.items():
        assert held[found.key] == sound
        assert found.key.split("/")[1] == found.label
    standing = services.catalog.standing()
    assert standing.labels == dict(Counter(found.label for found in catalogued.values()))
    assert 0 <= standing.requested_total <= standing.total
    # Refused is what holds no sound, and what says otherwise of one.
    refused = {
        key
        for key, sound in held.items()
        if sound is None or catalogued[sound].label != key.split("/")[1]
    }
    assert {refusal.key for refusal in services.arrivals.refusals(limit=1000)} == refused


@pytest.fixture
def bucket(aws: Aws) -> Callable[[], dict[str, bytes]]:
    """What is in the bucket below samples/."""
    return partial(contents, aws.s3, "recordings")


def contents(s3: Any, bucket: str) -> dict[str, bytes]:
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="samples/").get("Contents", ())
    return {
        item["Key"]: s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() for item in listed
    }


def remove(aws: Aws, key: str) -> str:
    aws.s3.delete_object(Bucket="recordings", Key=key)
    return key


def version(aws: Aws) -> None:
    aws.s3.put_bucket_versioning(Bucket="recordings", VersioningConfiguration={"Status": "Enabled"})


A, B, OTHER = "samples/siren/a.wav", "samples/siren/b.wav", "samples/casual/a.wav"


def test_a_deleted_clip_is_counted_no_more(services: Services, aws: Aws) -> None:
    services.receive(aws.drop(A, short(1)))
    services.receive(aws.drop(B, short(2)))
    assert services.forget(remove(aws, A)).state == "removed"
    assert services.catalog.standing().labels == {"siren": 1}
    # The event comes again, and that of its arrival too.
    assert services.forget(A).state == "gone"
    assert services.receive(A).state == "gone"
    assert services.catalog.standing().labels == {"siren": 1}


def test_a_copy_keeps_a_sound_catalogued(services: Services, aws: Aws) -> None:
    services.receive(aws.drop(A, short(1)))
    services.receive(aws.drop("samples/siren/tape/c.flac", short(1, "FLAC")))
    services.forget(remove(aws, A))
    (found,) = services.catalog.samples()
    assert (found.key, found.group) == ("samples/siren/tape/c.flac", "tape")
    assert services.catalog.standing().labels == {"siren": 1}


@pytest.mark.parametrize("body", [short(2), b"no sound"], ids=["another", "none"])
def test_an_object_is_what_was_last_put_there(services: Services, aws: Aws, body: bytes) -> None:
    services.receive(aws.drop(A, short(1)))
    services.receive(aws.drop(A, body))
    agrees(services, {A: body})
    services.receive(aws.drop(A, short(1)))
    agrees(services, {A: short(1)})


@pytest.mark.parametrize("order", [(OTHER, A), (A, OTHER), (A, OTHER, A), (OTHER, OTHER, A)])
def test_a_move_to_another_label_ends_as_one_sample_of_that(
    services: Services, aws: Aws, order: tuple[str, ...]
) -> None:
    services.receive(aws.drop(A, short(1)))
    aws.drop(OTHER, short(1))
    remove(aws, A)
    for key in order:
        (services.receive if key == OTHER else services.forget)(key)
    agrees(services, {OTHER: short(1)})
    assert services.catalog.standing().labels == {"casual": 1}
    assert services.arrivals.refusals() == []


def test_a_conflict_is_over_when_the_other_goes(services: Services, aws: Aws) -> None:
    services.receive(aws.drop(A, short(1)))
    assert services.receive(aws.drop(OTHER, short(1))).state == "refused"
    assert services.receive(OTHER).state == "refused"
    (refusal,) = services.arrivals.refusals()
    assert (refusal.key, refusal.code) == (OTHER, "label_conflict")
    assert services.forget(remove(aws, A)).state == "removed"
    agrees(services, {OTHER: short(1)})
    assert services.receive(OTHER).state == "duplicate"
    agrees(services, {OTHER: short(1)})


@pytest.mark.parametrize(
    "key", [A, "samples/owl/a.wav", "samples/a.wav", "elsewhere/a", "recordings/x/a.wav",
            "recordings/a.wav", "imports/a.zip"],
)  # fmt: skip
def test_a_refusal_goes_with_its_object(services: Services, aws: Aws, key: str) -> None:
    assert services.receive(aws.drop(key, b"no sound")).state == "refused"
    assert len(services.arrivals.refusals()) == 1
    services.forget(remove(aws, key))
    assert services.arrivals.refusals() == []


def test_what_was_heard_in_a_recording_stays(services: Services, aws: Aws) -> None:
    key = "recordings/ridge/a.wav"
    assert services.receive(aws.drop(key, short(1))).state == "analysed"
    assert services.forget(remove(aws, key)).state == "gone"
    (record,), _ = services.analysis.recordings(None, 10)
    assert record.state == "analysed"


def test_an_old_version_is_not_the_object(services: Services, aws: Aws) -> None:
    version(aws)
    first = aws.s3.put_object(Bucket="recordings", Key=A, Body=short(1))["VersionId"]
    services.receive(A)
    services.receive(aws.drop(A, short(2)))
    aws.s3.delete_object(Bucket="recordings", Key=A, VersionId=first)
    assert services.forget(A).state == "duplicate"
    agrees(services, {A: short(2)})
    # The current one is hidden, shown again, and gone.
    marker = aws.s3.delete_object(Bucket="recordings", Key=A)["VersionId"]
    services.forget(A)
    agrees(services, {})
    aws.s3.delete_object(Bucket="recordings", Key=A, VersionId=marker)
    services.forget(A)
    agrees(services, {A: short(2)})


def test_while_s3_is_away_nothing_is_taken_out(services: Services, aws: Aws) -> None:
    services.receive(aws.drop(A, short(1)))
    remove(aws, A)
    aws.s3.delete_bucket(Bucket="recordings")
    with pytest.raises(aws.s3.exceptions.ClientError):
        services.forget(A)
    assert services.catalog.standing().total == 1


# --- another worker, at the worst moment -------------------------------------------------------


def meanwhile(
    monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], object], *, late: bool = False
) -> None:
    """Let something happen once, just before or after holdings are written."""
    write = getattr(Holdings, name)
    left = [act]

    def around(*args: Any, **how: Any) -> Any:
        if left and not late:
            left.pop()()
        answer = write(*args, **how)
        if left:
            left.pop()()
        return answer

    monkeypatch.setattr(Holdings, name, around)


@pytest.mark.parametrize("late", [False, True])
def test_a_clip_that_goes_while_it_is_taken_in(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    meanwhile(monkeypatch, "hold", lambda: services.forget(remove(aws, A)), late=late)
    assert services.receive(aws.drop(A, short(1))).state in ("removed", "gone")
    agrees(services, {})


@pytest.mark.parametrize("late", [False, True])
def test_a_clip_that_is_replaced_while_it_is_taken_in(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    def replace() -> None:
        services.receive(aws.drop(A, short(2)))

    meanwhile(monkeypatch, "hold", replace, late=late)
    services.receive(aws.drop(A, short(1)))
    agrees(services, {A: short(2)})
    services.forget(remove(aws, A))
    agrees(services, {})


@pytest.mark.parametrize("late", [False, True])
def test_a_clip_that_comes_back_while_it_is_taken_out(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    services.receive(aws.drop(A, short(1)))
    remove(aws, A)
    meanwhile(monkeypatch, "release", lambda: services.receive(aws.drop(A, short(2))), late=late)
    services.forget(A)
    agrees(services, {A: short(2)})
    services.forget(remove(aws, A))
    agrees(services, {})


def test_what_is_mended_while_it_is_refused_is_not_refused(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse = services.arrivals.refuse

    def slow(refusal: Any) -> None:
        monkeypatch.undo()
        services.receive(aws.drop(A, short(1)))
        refuse(refusal)

    monkeypatch.setattr(services.arrivals, "refuse", slow)
    assert services.receive(aws.drop(A, b"no sound")).state == "duplicate"
    agrees(services, {A: short(1)})


def test_a_conflict_that_ends_while_it_is_noted(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.receive(aws.drop(A, short(1)))
    refuse = services.arrivals.refuse

    def slow(refusal: Any) -> None:
        services.forget(remove(aws, A))
        refuse(refusal)

    monkeypatch.setattr(services.arrivals, "refuse", slow)
    assert services.receive(aws.drop(OTHER, short(1))).state == "added"
    agrees(services, {OTHER: short(1)})


def test_an_object_that_never_rests_is_left_to_a_later_try(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.store, "has", lambda _: False)
    with pytest.raises(SampleContended):
        services.receive(aws.drop(A, b"no sound"))


# --- any order ----------------------------------------------------------------------------------

KEYS = [f"samples/{label}/{name}.wav" for label in ("casual", "siren") for name in "ab"]
BODIES = [short(1), short(2), short(1, "FLAC"), b"no sound"]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_order_of_events_ends_with_what_is_in_the_bucket(
    services: Services, aws: Aws, bucket: Callable[[], dict[str, bytes]], data: st.DataObject
) -> None:
    for item in aws.dynamodb.scan(TableName="earshot")["Items"]:
        aws.dynamodb.delete_item(TableName="earshot", Key={"pk": item["pk"], "sk": item["sk"]})
    for key in KEYS:
        remove(aws, key)
    services = with_threshold(services, 2)
    pending: list[tuple[Callable[[str], Any], str]] = []
    steps = st.sampled_from(["put", "put", "move", "delete", "deliver", "deliver", "repeat"])
    for step in data.draw(st.lists(steps, max_size=25)):
        key = data.draw(st.sampled_from(KEYS))
        if step == "put":
            aws.drop(key, data.draw(st.sampled_from(BODIES)))
            pending.append((services.receive, key))
        elif step == "delete":
            pending.append((services.forget, remove(aws, key)))
        elif step == "move" and key in (there := bucket()):
            target = data.draw(st.sampled_from([other for other in KEYS if other != key]))
            aws.drop(target, there[key])
            pending += [(services.receive, target), (services.forget, remove(aws, key))]
        elif step in ("deliver", "repeat") and pending:
            place = data.draw(st.integers(0, len(pending) - 1))
            act, key = pending[place] if step == "repeat" else pending.pop(place)
            act(key)
            standing = services.catalog.standing()
            assert standing.requested_total <= standing.total
    for act, key in data.draw(st.permutations(pending)):
        act(key)
    agrees(services, bucket())
    total = services.catalog.standing()
    for key in KEYS:
        services.forget(key)
        services.receive(key)
    agrees(services, bucket())
    assert services.catalog.standing().labels == total.labels
