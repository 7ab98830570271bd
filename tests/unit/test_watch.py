"""A new champion that does far worse than the one before is taken back by itself, and only then."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Aws, clip
from earshot import watch
from earshot.errors import NoModel
from earshot.moments import moment
from earshot.recording import Answer, Decision, Observation, Prediction
from earshot.statistics import Statistics
from earshot.tally import Tally
from earshot.watch import Answers
from fastapi.testclient import TestClient
from versions import promote, roll_back, served_by, versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.bundle import Bundle
    from earshot.services import Services

DAY_S = 86_400


# --- the rule -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "before", "against"),
    [
        (Answers(1000, 100, 0), Answers(1000, 100, 0), None),
        (Answers(100, 40, 0), Answers(1000, 100, 0), "unsure of 40 of 100 recordings (40%)"),
        (Answers(100, 0, 10), Answers(1000, 0, 0), "failed at 10 of 100 recordings (10%)"),
        # Fewer than are judged, now or before.
        (Answers(49, 49, 0), Answers(1000, 0, 0), None),
        (Answers(1000, 1000, 0), Answers(49, 0, 0), None),
        # Sure, but no jump; a jump, but chance.
        (Answers(10_000, 2000, 0), Answers(10_000, 1000, 0), None),
        (Answers(50, 20, 0), Answers(50, 12, 0), None),
        # What fails is not unsure.
        (Answers(200, 90, 10), Answers(1000, 450, 50), None),
        # Better.
        (Answers(1000, 0, 0), Answers(1000, 500, 100), None),
    ],
)
def test_it_takes_a_jump_that_chance_does_not_explain(
    now: Answers, before: Answers, against: str | None
) -> None:
    said = watch.against(now, before)
    assert (said is None) == (against is None), said
    assert against is None or against in (said or "")


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5])
def test_one_that_is_no_worse_is_hardly_ever_taken_back_however_often_one_looks(
    share: float,
) -> None:
    draw = random.Random(7)
    taken_back = 0
    for _ in range(150):
        before = Answers(400, sum(draw.random() < share for _ in range(400)), 0)
        uncertain = 0
        for asked in range(20, 801, 20):
            uncertain += sum(draw.random() < share for _ in range(20))
            if watch.against(Answers(asked, uncertain, 0), before):
                taken_back += 1
                break
    assert taken_back <= 1


def test_a_version_is_told_from_those_before_it() -> None:
    tally = Tally(
        {
            "n#siren": 150,
            "uncertain": 30,
            "f#bad_bundle": 9,
            "v#old": 100,
            "v#new": 50,
            "u#new": 20,
            "e#new": 4,
            "m#new": 6,
        }
    )
    assert watch.of_version(tally, "new") == Answers(asked=60, uncertain=20, failed=10)
    assert watch.of_others(tally, "new") == Answers(asked=105, uncertain=10, failed=5)


# --- the sweep ----------------------------------------------------------------------------------


@pytest.fixture
def client(services: Services, default_bundle: Bundle) -> Iterator[TestClient]:
    with versions(services, default_bundle) as client:
        promote(client, "v1")
        answers(services, "v1", 100)
        yield client


def answers(services: Services, version: str, n: int, decision: Decision = "accepted") -> None:
    for _ in range(n):
        services.statistics.count(
            Prediction(
                label="siren",
                class_id=3,
                confidence=0.9,
                decision=decision,
                probabilities={"siren": 0.9},
                segments=(),
                model_version=version,
                duration_s=4.0,
            )
        )


def recorded(
    services: Services, site: str, version: str, n: int, uncertain: float, day: int = 1
) -> None:
    """Answers of so many hours from a day on, of which a share is uncertain."""
    services.analysis.observations.keep(
        site,
        [
            Observation(
                at=moment(DAY_S * day + 3600 * hour),
                name="siren",
                model_version=version,
                answer=Answer("siren", 0.9, 0.5, accepted=hour >= uncertain * n),
            )
            for hour in range(n)
        ],
    )


def sweep(services: Services, ahead_s: float = 0.0) -> Any:
    report = replace(services.sweep, clock=lambda: time.time() + ahead_s).run()
    assert report.failed == ()
    return report.repairs


def test_one_that_is_unsure_is_taken_back_once_and_everybody_is_told(
    services: Services, client: TestClient, aws: Aws
) -> None:
    promote(client, "v2")
    answers(services, "v2", 50, "uncertain")
    aws.published()
    assert sweep(services) == {"rolled_back": 1}
    assert served_by(services) == "v1"
    latest = client.get("/models").json()["champion"]
    assert (latest["promoted_by"], latest["rollback"]) == ("sweep", True)
    assert "unsure of 50 of 50 recordings (100%); those before it were 0 of 100" in latest["reason"]
    (event,) = aws.published()
    assert (event["detail"]["version"], event["detail"]["previous"]) == ("v1", "v2")
    assert event["detail"]["reason"] == latest["reason"]
    # What was taken back does not come again by itself, nor does what is there go.
    for ahead_s in (0, 3600, DAY_S):
        assert sweep(services, ahead_s) == {}
    assert served_by(services) == "v1"


def test_after_a_short_reign_it_is_compared_with_what_served_before_that_too(
    services: Services, default_bundle: Bundle, aws: Aws
) -> None:
    days_ago = Statistics(aws.dynamodb, "earshot", lambda: time.time() - 3 * DAY_S)
    answers(replace(services, statistics=days_ago), default_bundle.card.version, 100)
    with versions(services, default_bundle) as client:
        promote(client, "v1")
        answers(services, "v1", 5)
        promote(client, "v2")
        answers(services, "v2", 50, "uncertain")
        assert sweep(services) == {"rolled_back": 1}
        assert served_by(services) == "v1"
        reason = client.get("/models").json()["champion"]["reason"]
        assert "those before it were 0 of 105" in reason


def test_who_puts_it_back_all_the_same_is_obeyed(services: Services, client: TestClient) -> None:
    promote(client, "v2")
    answers(services, "v2", 50, "uncertain")
    sweep(services)
    promote(client, "v2")
    assert sweep(services) == {}
    assert served_by(services) == "v2"
    # Another one is watched as the first was.
    answers(services, "v2", 100)
    promote(client, "v3")
    answers(services, "v3", 80, "uncertain")
    assert sweep(services) == {"rolled_back": 1}
    assert served_by(services) == "v2"


def test_one_that_fails_is_taken_back(services: Services, client: TestClient) -> None:
    promote(client, "v2")
    answers(services, "v2", 45)
    for _ in range(10):
        services.statistics.count_error(NoModel(), "v2")
    assert sweep(services) == {"rolled_back": 1}
    assert "failed at 10 of 55" in client.get("/models").json()["champion"]["reason"]


def test_one_that_processes_refuse_while_others_answer_is_taken_back(
    services: Services, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As predict meets it that has less memory than the sweep has, say."""
    promote(client, "v2")
    services.classify(clip("siren"))
    with monkeypatch.context() as patched:
        patched.setitem(services.serving.refused, "v2", "it takes too long")
        for _ in range(60):
            services.classify(clip("siren"))
    tally = services.statistics.totals()
    assert tally.missed_by_version == {"v2": 60}
    assert sweep(services) == {"rolled_back": 1}
    assert "failed at 60 of" in client.get("/models").json()["champion"]["reason"]


def test_one_that_the_sweep_cannot_load_is_taken_back_at_once(
    services: Services, client: TestClient, aws: Aws
) -> None:
    promote(client, "v2")
    aws.s3.put_object(Bucket="artifacts", Key="models/v2/model.onnx", Body=b"cut")
    fresh = type(services.serving)(services.registry, services.serving._default_bundle, 30)
    models = replace(services.models, serving=fresh)
    process = replace(services, watch=replace(services.watch, models=models, serving=fresh))
    assert sweep(process) == {"rolled_back": 1}
    assert "It is refused" in client.get("/models").json()["champion"]["reason"]


def test_where_only_recordings_come_in_one_that_is_unsure_of_them_is_taken_back(
    services: Services, default_bundle: Bundle
) -> None:
    with versions(services, default_bundle) as client:
        promote(client, "v1")
        recorded(services, "ridge", "v1", 60, 0.1, day=1)
        promote(client, "v2")
        recorded(services, "ridge", "v2", 40, 1.0, day=11)
        assert sweep(services) == {}
        recorded(services, "ridge", "v2", 60, 0.5, day=11)
        assert sweep(services) == {"rolled_back": 1}
        assert served_by(services) == "v1"
        reason = client.get("/models").json()["champion"]["reason"]
        assert reason == (
            "It is unsure of 30 of 60 recorded sounds (50%); those before it were 6 of 60 (10%)."
        )


def test_a_noisy_site_that_comes_later_takes_nothing_back(
    services: Services, default_bundle: Bundle
) -> None:
    with versions(services, default_bundle) as client:
        promote(client, "v1")
        recorded(services, "ridge", "v1", 100, 0.1, day=1)
        recorded(services, "harbour", "v1", 10, 0.9, day=1)
        promote(client, "v2")
        recorded(services, "ridge", "v2", 60, 0.1, day=11)
        recorded(services, "harbour", "v2", 100, 0.9, day=11)
        recorded(services, "quarry", "v2", 100, 1.0, day=11)
        assert sweep(services) == {}
        assert served_by(services) == "v2"


def test_nothing_is_taken_back_late_or_where_that_is_off(
    services: Services, client: TestClient
) -> None:
    promote(client, "v2")
    answers(services, "v2", 50, "uncertain")
    assert sweep(services, 4 * DAY_S) == {}
    quiet = replace(services, watch=replace(services.watch, is_on=False))
    assert sweep(quiet) == {}
    assert served_by(services) == "v2"
    assert sweep(services) == {"rolled_back": 1}


def test_a_rollback_is_not_watched(services: Services, client: TestClient) -> None:
    promote(client, "v2")
    answers(services, "v2", 60)
    roll_back(client)
    answers(services, "v1", 60, "uncertain")
    assert sweep(services) == {}
    assert served_by(services) == "v1"


def test_the_first_promotion_goes_back_to_the_default_bundle(
    services: Services, default_bundle: Bundle
) -> None:
    with versions(services, default_bundle) as client:
        answers(services, default_bundle.card.version, 100)
        promote(client, "v1")
        answers(services, "v1", 60, "uncertain")
        assert sweep(services) == {"rolled_back": 1}
        assert served_by(services) == default_bundle.card.version
