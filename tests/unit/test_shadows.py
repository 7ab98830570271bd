"""A challenger hears along with the champion: nobody gets its answers, and what both say counts."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from conftest import DEFAULT_BUNDLE, Aws, clip
from earshot.detector import Detector
from earshot.errors import PromotionConflict, PromotionRefused
from earshot.runs import PROMOTED, REJECTED, SHADOWING, Run
from earshot.serving import Serving
from earshot.statistics import Statistics
from fastapi.testclient import TestClient
from versions import begin, look, promote, publish_other, served_by, shadow, versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.bundle import Bundle
    from earshot.services import Services

DAY_S = 86_400
SOUNDS = [clip(label, seed) for label in ("siren", "gunshot") for seed in range(3)]


@pytest.fixture
def client(services: Services, default_bundle: Bundle) -> Iterator[TestClient]:
    with versions(services, default_bundle) as client:
        # A process's first answer is heard by no challenger.
        services.classify(SOUNDS[0])
        yield client


def hear(services: Services, times: int = 1) -> None:
    look(services)
    for n in range(times * len(SOUNDS)):
        services.classify(SOUNDS[n % len(SOUNDS)], request_id=f"request {n}")


def sweep(services: Services, ahead_s: float = 0.0) -> Any:
    report = replace(services.sweep, clock=lambda: time.time() + ahead_s).run()
    assert report.failed == ()
    return report


# --- beside the champion ------------------------------------------------------------------------


def test_nobody_gets_its_answers_and_what_both_say_is_told(
    services: Services, client: TestClient, default_bundle: Bundle
) -> None:
    swapped = ("casual", "explosion", "siren", "gunshot")
    card = default_bundle.card
    publish_other(services, default_bundle, "swapped", labels=swapped)
    before = [services.classify(sound) for sound in SOUNDS]
    begun = begin(client, "swapped")
    assert begun.status_code == 200, begun.text
    assert (begun.json()["began_by"], begun.json()["still_needed"]) == ("Ada", 0)
    look(services)
    after = [services.classify(sound, request_id=str(n)) for n, sound in enumerate(SOUNDS)]
    assert after == before
    assert {one.model_version for one in after} == {card.version}

    told = shadow(client)
    assert (told["version"], told["compared"], told["failed"]) == ("swapped", len(SOUNDS), 0)
    pairs = {(one["champion"], one["challenger"]): one["count"] for one in told["pairs"]}
    assert pairs == {("gunshot", "siren"): 3, ("siren", "gunshot"): 3}
    assert told["agreed"] == 0
    assert told["mean_ms"] > 0
    assert client.get("/models/swapped/shadow").json() == told
    totals = services.statistics.totals()
    assert totals.predictions == 1 + 2 * len(SOUNDS)
    assert totals.by_version == {card.version: totals.predictions}


def test_one_write_counts_a_prediction_and_its_comparison(
    services: Services, client: TestClient, aws: Aws
) -> None:
    begin(client, "v2")
    hear(services)
    calls: list[str] = []
    for one in (services.statistics._table._client, services.registry._client):
        one.meta.events.register("before-call", lambda model, **_: calls.append(model.name))
    services.classify(SOUNDS[0], request_id="one more")
    assert calls == ["UpdateItem"]
    assert shadow(client)["compared"] == len(SOUNDS) + 1


def test_a_share_is_heard(services: Services, client: TestClient) -> None:
    begin(client, "v2", share=0.5)
    hear(services, times=10)
    heard = shadow(client)["compared"]
    assert 15 < heard < 45
    # The same requests again are the same share again.
    hear(services, times=10)
    assert shadow(client)["compared"] == 2 * heard


def test_a_process_that_starts_reads_no_more_for_it_before_its_first_answer(
    services: Services, client: TestClient
) -> None:
    begin(client, "v2")
    calls: list[str] = []
    fresh = Serving(services.registry, DEFAULT_BUNDLE, reload_s=30)
    started = replace(services, serving=fresh)
    services.registry._client.meta.events.register(
        "before-call", lambda params, **_: calls.append(params["url_path"])
    )
    started.classify(SOUNDS[0], request_id="the first")
    assert [one for one in calls if "models/" in one] == []
    started.classify(SOUNDS[0], request_id="the second")
    assert [one.rpartition("/")[2] for one in calls if "models/" in one] == [
        "card.json",
        "model.onnx",
    ]
    assert shadow(client)["compared"] == 1


def test_what_it_fails_at_is_counted_and_answered_all_the_same(
    services: Services, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(client, "v2", needed=1000)
    hear(services)
    right = Detector.classify

    def fails(self: Detector, waveform: Any) -> Any:
        if self.card.version == "v2":
            raise MemoryError
        return right(self, waveform)

    monkeypatch.setattr(Detector, "classify", fails)
    hear(services)
    told = shadow(client)
    assert (told["compared"], told["failed"]) == (len(SOUNDS), len(SOUNDS))
    assert "failed at 6 of 12 sounds" in told["against"]
    assert services.statistics.totals().failed == 0
    assert sweep(services).repairs == {"shadow_ended": 1}
    models = client.get("/models").json()
    assert models["shadow"] is None
    (past,) = models["shadows"]
    assert (past["ended_by"], past["why"]) == ("sweep", told["against"])


def test_one_that_is_damaged_while_it_hears_along_is_a_failure_not_an_error(
    services: Services, client: TestClient, aws: Aws
) -> None:
    begin(client, "v2", needed=10)
    aws.s3.put_object(Bucket="artifacts", Key="models/v2/model.onnx", Body=b"cut")
    fresh = replace(services, serving=Serving(services.registry, DEFAULT_BUNDLE, reload_s=30))
    for n in range(5):
        fresh.classify(SOUNDS[0], request_id=str(n))
    assert shadow(client)["failed"] == 4
    assert fresh.serving.refused == {}


def test_while_s3_is_away_nothing_is_held_against_it(
    services: Services, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(client, "v2")
    look(services)

    waits: list[str] = []

    def away(version: str) -> None:
        waits.append(version)
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(services.registry, "bundle", away)
        for n in range(3):
            assert services.classify(SOUNDS[0], request_id=str(n)).label == "siren"
    # One answer is late by that, not all of them.
    assert waits == ["v2"]
    assert shadow(client)["failed"] == 0
    look(services)
    services.classify(SOUNDS[0], request_id="1")
    assert shadow(client)["compared"] == 1


# --- by hand ------------------------------------------------------------------------------------


def test_it_is_stopped_by_hand_and_who_and_why_are_kept(
    services: Services, client: TestClient
) -> None:
    begin(client, "v2", needed=500)
    hear(services)
    other = client.delete("/models/shadow", params={"reason": "x", "expected": "v3"})
    assert (other.status_code, other.json()["code"]) == (409, "no_shadow")
    ended = client.delete("/models/shadow", params={"reason": "too slow", "by": "Ben"})
    assert ended.status_code == 200, ended.text
    assert (ended.json()["ended_by"], ended.json()["why"]) == ("Ben", "too slow")
    again = client.delete("/models/shadow", params={"reason": "too slow"})
    assert (again.status_code, again.json()["code"]) == (409, "no_shadow")
    models = client.get("/models").json()
    assert (models["shadow"], models["shadows"]) == (None, [ended.json()])
    assert models["champion"] is None
    assert models["history"] == []
    # What it said stays.
    look(services)
    hear(services)
    past = client.get("/models/v2/shadow").json()
    assert (past["compared"], past["why"]) == (len(SOUNDS), "too slow")
    assert client.get("/models/v1/shadow").json()["code"] == "no_shadow"


def test_the_same_again_goes_on_and_another_wish_begins_anew(
    services: Services, client: TestClient
) -> None:
    first = begin(client, "v2", needed=500).json()
    hear(services)
    again = begin(client, "v2", needed=500).json()
    assert (again["began_at"], again["compared"]) == (first["began_at"], len(SOUNDS))
    more = begin(client, "v2", needed=900).json()
    assert (more["needed"], more["compared"]) == (900, 0)
    begin(client, "v3")
    assert [one["version"] for one in client.get("/models").json()["shadows"]] == ["v2", "v2"]


def test_what_cannot_serve_or_serves_already_does_not_hear_along(
    services: Services, client: TestClient, aws: Aws
) -> None:
    assert begin(client, "nothing").json()["code"] == "model_not_found"
    aws.s3.put_object(Bucket="artifacts", Key="models/v3/model.onnx", Body=b"cut")
    assert begin(client, "v3").json()["code"] == "promotion_refused"
    promote(client, "v1")
    assert begin(client, "v1").json()["code"] == "promotion_conflict"
    assert begin(client, "v2", expected="v3").json()["code"] == "promotion_conflict"
    with pytest.raises(PromotionRefused):
        services.shadows.begin("v3", "a test", "x", 0)
    assert shadow(client) is None


def test_a_promotion_by_hand_ends_it_also_one_that_was_decided_before(
    services: Services, client: TestClient
) -> None:
    seen = services.registry.champion()
    begin(client, "v2", needed=5)
    # A training that began before the challenger did is not kept from promoting.
    services.models.promote("v3", seen, "run 7", "enough samples")
    assert services.shadows.current() is None
    assert client.get("/models").json()["shadows"][0]["why"] == "v3 serves now."
    with pytest.raises(PromotionConflict):
        services.models.promote("v1", seen, "run 8", "enough samples")


# --- what a run's challenger has to prove -------------------------------------------------------


def of_a_run(services: Services, version: str, needed: int) -> Run:
    """A run whose version passed its gates, and has to prove itself."""
    run = services.training.request("a test")
    services.ledger.claim(run.run, "worker")
    pointer = services.registry.champion()
    services.ledger.report(run.run, "worker", version=version)
    services.shadows.begin_beside(pointer, version, f"run {run.run}", "a test", needed, 1.0)
    services.ledger.finish(run.run, "worker", SHADOWING, stage="done", progress=1.0)
    return run


def fates(client: TestClient, run: Run) -> list[tuple[str, str]]:
    told = client.get(f"/retrain/{run.run}").json()
    return [(one["became"], one["by"]) for one in told["fates"]]


def test_one_that_agrees_is_promoted_when_it_was_compared_often_enough(
    services: Services, client: TestClient, aws: Aws
) -> None:
    run = of_a_run(services, "v2", needed=12)
    assert services.ledger.seat() is None
    by = f"run {run.run}"
    hear(services)
    assert sweep(services).repairs == {}
    assert shadow(client)["still_needed"] == 6
    assert client.get(f"/retrain/{run.run}").json()["state"] == "shadowing"
    assert fates(client, run) == [("shadowing", by)]
    aws.published()
    hear(services)
    assert sweep(services).repairs == {"shadow_promoted": 1, "run_settled": 1}
    assert served_by(services) == "v2"
    (event,) = aws.published()
    assert event["detail"]["version"] == "v2"
    assert "the same as the champion to 12 of 12 sounds" in event["detail"]["reason"]
    assert services.ledger.run(run.run).state == PROMOTED
    assert fates(client, run) == [("shadowing", by), ("promoted", by)]
    assert sweep(services).repairs == {}
    client.post("/models/rollback", json={"reason": "deaf in the rain", "by": "Ada"})
    assert fates(client, run)[-1] == ("taken back", "Ada")


def test_one_that_is_unsure_is_dismissed_and_its_run_says_why(
    services: Services, client: TestClient, default_bundle: Bundle
) -> None:
    sure = dict.fromkeys(default_bundle.card.labels, 1.0)
    publish_other(services, default_bundle, "unsure", thresholds=sure)
    run = of_a_run(services, "unsure", needed=18)
    hear(services, times=3)
    assert sweep(services).repairs == {"shadow_ended": 1, "run_settled": 1}
    assert served_by(services) == default_bundle.card.version
    found = services.ledger.run(run.run)
    assert found.state == REJECTED
    assert "unsure of 18 of 18 sounds, the champion of 0" in str(found.error)
    assert [became for became, _ in fates(client, run)] == ["shadowing", "dismissed"]


def test_one_that_nobody_let_hear_enough_is_dismissed_after_weeks(
    services: Services, client: TestClient
) -> None:
    of_a_run(services, "v2", needed=500)
    hear(services)
    assert sweep(services, 27 * DAY_S).repairs == {}
    assert sweep(services, 29 * DAY_S).repairs == {"shadow_ended": 1, "run_settled": 1}
    (past,) = client.get("/models").json()["shadows"]
    assert past["why"] == "It was compared 6 times in 28 days; 500 were asked for."


def test_one_that_was_stopped_by_hand_is_not_promoted_at_the_same_moment(
    services: Services, client: TestClient
) -> None:
    run = of_a_run(services, "v2", needed=6)
    hear(services)
    pointer = services.registry.champion()
    assert pointer
    services.shadows.end("Ada", "no")
    with pytest.raises(PromotionConflict):
        services.models.promote("v2", pointer, "x", "y", proven_as=pointer.shadow)
    assert sweep(services).repairs == {"run_settled": 1}
    assert services.ledger.run(run.run).error == "no"


def test_its_run_is_told_however_many_others_came_since(
    services: Services, client: TestClient
) -> None:
    run = of_a_run(services, "v2", needed=500)
    for n in range(12):
        other = replace(run, run=f"9{n:02}", state="requested")
        assert services.ledger.request(other, services.catalog.standing(to_request=True))
        assert services.ledger.fail(other, "a test")
    services.shadows.end("Ada", "too slow")
    # Who is called as a run is has none.
    services.shadows.begin("v3", "run to the hills", "a test", 0)
    services.shadows.end("Ada", "enough")
    assert sweep(services).repairs == {"run_settled": 1}
    told = services.ledger.run(run.run)
    assert (told.state, told.error) == (REJECTED, "too slow")


def test_one_that_was_damaged_meanwhile_is_dismissed(
    services: Services, client: TestClient, aws: Aws
) -> None:
    of_a_run(services, "v2", needed=6)
    hear(services)
    aws.s3.put_object(Bucket="artifacts", Key="models/v2/model.onnx", Body=b"cut")
    assert sweep(services).repairs == {"shadow_ended": 1, "run_settled": 1}
    assert "could not serve" in client.get("/models").json()["shadows"][0]["why"]


def test_it_is_looked_after_though_the_champion_cannot_be(
    services: Services, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = of_a_run(services, "v2", needed=6)
    hear(services)

    def away(*_: Any) -> Any:
        raise ConnectionError

    monkeypatch.setattr(type(services.watch), "look", away)
    report = services.sweep.run()
    assert report.repairs == {"shadow_promoted": 1, "run_settled": 1}
    assert services.ledger.run(run.run).state == PROMOTED
    (failed,) = report.failed
    assert "could not watch the champion" in failed


def test_counts_outlive_midnight_and_leave_the_totals_alone(
    services: Services, client: TestClient
) -> None:
    begin(client, "v2", needed=500)
    hear(services)
    later = replace(services.shadows, statistics=_ahead(services, 2 * DAY_S))
    later.statistics.totals()
    found = services.shadows.current()
    assert found
    assert later.comparison(found).compared == len(SOUNDS)
    totals = later.statistics.totals()
    assert totals.predictions == 1 + len(SOUNDS)
    assert [name for name in totals.counts if name.startswith(("s#", "d#", "w#"))] == []


def _ahead(services: Services, seconds: float) -> Statistics:
    client = services.statistics._table._client
    return Statistics(client, "earshot", clock=lambda: time.time() + seconds)
