"""A challenger's opinion of field recordings: counted once; where it differs, people are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from conftest import Aws, tape
from earshot.field.logbook import Logbook
from earshot.services import analysis
from earshot.services.opinion import MOST_DISAGREEMENTS
from fastapi.testclient import TestClient
from versions import begin, look, publish_other, shadow, versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.bundle import Bundle
    from earshot.recording import FieldRecording
    from earshot.services import Services

SWAPPED = ("casual", "explosion", "siren", "gunshot")


@pytest.fixture
def client(services: Services, default_bundle: Bundle) -> Iterator[TestClient]:
    with versions(services, default_bundle) as client:
        services.serving.detector()
        yield client


def test_where_both_disagree_in_a_recording_a_person_is_asked_first(
    services: Services, client: TestClient, aws: Aws, default_bundle: Bundle
) -> None:
    publish_other(services, default_bundle, "swapped", labels=SWAPPED)
    begin(client, "swapped")
    look(services)
    outcome = services.receive(aws.drop("recordings/ridge/night.wav", tape()))
    assert outcome.state == "analysed"
    told = shadow(client)
    pairs = {(one["champion"], one["challenger"]) for one in told["pairs"]}
    assert {("siren", "gunshot"), ("gunshot", "siren")} <= pairs
    waiting = services.reviews.waiting(10)
    first = [one for one in waiting if one.doubt.reason == "disagreement"]
    assert waiting[: len(first)] == first
    assert 0 < len(first) <= MOST_DISAGREEMENTS
    assert {one.doubt.label for one in first} == {"siren", "gunshot"}
    for one in first:
        assert services.reviews.clip(one.review)
    # What is heard again, of the same content, is not counted again.
    services.receive("recordings/ridge/night.wav")
    assert shadow(client)["compared"] == told["compared"]


def test_a_challenger_that_agrees_asks_nobody(
    services: Services, client: TestClient, aws: Aws
) -> None:
    begin(client, "v2")
    look(services)
    services.receive(aws.drop("recordings/ridge/night.wav", tape()))
    assert shadow(client)["compared"] == shadow(client)["agreed"] > 0
    assert {one.doubt.reason for one in services.reviews.waiting(10)} <= {"uncertain", "novel"}


def test_one_that_began_with_another_champion_is_not_compared(
    services: Services, client: TestClient, aws: Aws
) -> None:
    key = aws.drop("recordings/ridge/night.wav", tape())
    # It is heard in part by what served then.
    assert services.receive(key, lambda: False).state == "analysing"
    client.post("/models/v1/promote", json={"reason": "a test"})
    begin(client, "v2")
    look(services)
    assert services.receive(key).state == "analysed"
    assert shadow(client)["compared"] == 0


def test_a_promotion_while_a_recording_is_heard_compares_nothing(
    services: Services,
    client: TestClient,
    aws: Aws,
    default_bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What one model heard is not judged as if another had."""
    publish_other(services, default_bundle, "swapped", labels=SWAPPED)
    begin(client, "v2")
    look(services)
    key = aws.drop("recordings/ridge/night.wav", tape())
    told = analysis.listen

    def promoted_meanwhile(*given: Any) -> Any:
        heard = told(*given)
        services.models.promote_by_hand("swapped", "a test", "at that moment")
        return heard

    monkeypatch.setattr(analysis, "listen", promoted_meanwhile)
    assert services.receive(key).state == "analysed"
    assert services.serving.current == "swapped"
    (past,) = client.get("/models").json()["shadows"]
    assert past["version"] == "v2"
    assert client.get("/models/v2/shadow").json()["compared"] == 0


def test_what_is_heard_twice_at_once_is_counted_once(
    services: Services, client: TestClient, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(client, "v2")
    look(services)
    key = aws.drop("recordings/ridge/night.wav", tape())
    finish = Logbook.finish

    def twice(logbook: Logbook, *told: Any) -> FieldRecording:
        finish(logbook, *told)
        return finish(logbook, *told)

    monkeypatch.setattr(Logbook, "finish", twice)
    services.receive(key)
    compared = shadow(client)["compared"]
    monkeypatch.undo()
    services.receive(aws.drop("recordings/ridge/again.wav", tape()))
    assert shadow(client)["compared"] == 2 * compared
