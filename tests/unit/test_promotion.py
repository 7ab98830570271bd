"""Versions by hand: compared, promoted, rolled back, and who did it."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pytest
from conftest import DEFAULT_BUNDLE, Aws
from earshot import pointer as pointers
from earshot.errors import PromotionConflict, RetrainInProgress
from earshot.pointer import Champion, Promotion
from earshot.serving import Serving
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from versions import VERSIONS, begin, promote, roll_back, served, versions

from retrain import job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.bundle import Bundle
    from earshot.services import Services


@pytest.fixture
def client(services: Services, default_bundle: Bundle) -> Iterator[TestClient]:
    with versions(services, default_bundle) as client:
        yield client


def test_a_version_is_promoted_by_hand_and_serves_at_once(client: TestClient, aws: Aws) -> None:
    assert served(client) != "v1"
    answer = promote(client, "v1", reason=" misses fewer gunshots ", by="Ada")
    assert answer.status_code == 200, answer.text
    pointer = answer.json()
    assert pointer.pop("promoted_at").endswith("Z")
    assert pointer == {
        "version": "v1",
        "previous": None,
        "promoted_by": "Ada",
        "reason": "misses fewer gunshots",
        "rollback": False,
    }
    assert served(client) == "v1"
    (event,) = aws.published()
    assert event["detail-type"] == "ModelPromoted"
    assert event["detail"]["version"] == "v1"
    assert event["detail"]["reason"] == "misses fewer gunshots"


def test_what_came_with_the_deployment_does_not_hear_along(
    client: TestClient, default_bundle: Bundle
) -> None:
    promote(client, "v2")
    # It is listed and can be promoted, so it is not told to be missing.
    refused = begin(client, default_bundle.card.version)
    assert (refused.status_code, refused.json()["code"]) == (409, "promotion_conflict")
    assert "came with the deployment" in refused.json()["detail"]


def test_rolling_back_goes_further_each_time_and_ends_at_the_default_bundle(
    client: TestClient, aws: Aws, default_bundle: Bundle
) -> None:
    default = default_bundle.card.version
    assert roll_back(client).json()["code"] == "nothing_to_roll_back_to"
    for version in VERSIONS:
        assert promote(client, version).status_code == 200
    assert roll_back(client, reason="deaf in the rain").json()["version"] == "v2"
    assert served(client) == "v2"
    # What is promoted after a rollback comes back to where that had led.
    promote(client, "v3")
    assert roll_back(client).json()["version"] == "v2"
    assert roll_back(client).json()["version"] == "v1"
    last = roll_back(client).json()
    assert (last["version"], last["previous"], last["rollback"]) == (None, "v1", True)
    assert served(client) == default
    again = roll_back(client)
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_roll_back_to")

    models = client.get("/models").json()
    assert models["champion"] == models["history"][0] == last
    assert [(one["previous"], one["version"], one["rollback"]) for one in models["history"]] == [
        ("v1", None, True),
        ("v2", "v1", True),
        ("v3", "v2", True),
        ("v2", "v3", False),
        ("v3", "v2", True),
        ("v2", "v3", False),
        ("v1", "v2", False),
        (None, "v1", False),
    ]
    assert models["history"][4]["reason"] == "deaf in the rain"
    assert {one["promoted_by"] for one in models["history"]} == {"api"}
    events = [event["detail"]["version"] for event in aws.published()]
    assert sorted(events, key=str) == sorted([one["version"] for one in models["history"]], key=str)


def test_the_default_bundle_is_promoted_by_its_own_name(
    client: TestClient, default_bundle: Bundle
) -> None:
    default = default_bundle.card.version
    # It is the champion already, though nothing was ever promoted.
    answer = promote(client, default, expected=default)
    assert (answer.status_code, answer.json()) == (200, None)
    assert promote(client, "v1", expected=default).status_code == 200
    assert promote(client, default).json()["version"] is None
    assert served(client) == default
    assert roll_back(client).json()["version"] == "v1"


def test_without_a_default_bundle_the_first_promotion_stays(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.serving, "default", None)
    # Rejected by their gates, and nothing serves: no row claims otherwise.
    assert [one["champion"] for one in client.get("/models").json()["models"]] == [False] * 3
    assert promote(client, "v1").status_code == 200
    assert roll_back(client).json()["code"] == "nothing_to_roll_back_to"
    assert served(client) == "v1"


def test_promoting_the_champion_changes_nothing(client: TestClient, aws: Aws) -> None:
    first = promote(client, "v1").json()
    aws.published()
    answer = promote(client, "v1", reason="once more")
    assert (answer.status_code, answer.json()) == (200, first)
    assert len(client.get("/models").json()["history"]) == 1
    assert aws.published() == []


def test_who_saw_another_champion_is_told(client: TestClient) -> None:
    promote(client, "v1")
    promote(client, "v2", expected="v1")
    for answer in (
        promote(client, "v3", expected="v1"),
        promote(client, "v2", expected="v1"),
        roll_back(client, expected="v1"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "promotion_conflict")
    # So a rollback whose answer was lost can be asked for again.
    assert roll_back(client, expected="v2").status_code == 200
    assert roll_back(client, expected="v2").status_code == 409
    assert served(client) == "v1"


def test_a_promotion_that_comes_in_between_wins(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = services.serving.load

    def somebody_else_promotes_while_it_is_tried(version: str | None) -> Any:
        services.registry.promote("v2", services.registry.champion(), "another", "quicker")
        return load(version)

    monkeypatch.setattr(services.serving, "load", somebody_else_promotes_while_it_is_tried)
    answer = promote(client, "v1")
    assert (answer.status_code, answer.json()["code"]) == (409, "promotion_conflict")
    assert client.get("/models").json()["champion"]["version"] == "v2"


@pytest.mark.parametrize("wish", [{}, {"reason": ""}, {"reason": "  "}, {"reason": "x" * 501}])
def test_nothing_moves_without_a_reason(client: TestClient, wish: dict[str, str]) -> None:
    promote(client, "v1")
    for path in ("/models/v2/promote", "/models/rollback"):
        answer = client.post(path, json=wish)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert served(client) == "v1"


@pytest.mark.parametrize("version", ["v9", "rollback", "..%2F..%2Fchampion"])
def test_a_version_that_is_none_is_not_promoted(client: TestClient, version: str) -> None:
    assert promote(client, version).status_code == 404


def test_what_was_tried_serves_without_being_loaded_again(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    bundle = services.registry.bundle

    def counted(version: str) -> Bundle:
        loaded.append(version)
        return bundle(version)

    monkeypatch.setattr(services.registry, "bundle", counted)
    promote(client, "v1")
    assert served(client) == "v1"
    promote(client, "v2")
    roll_back(client)
    assert served(client) == "v1"
    assert loaded == ["v1", "v2", "v1"]


def test_what_was_tried_in_vain_never_serves(client: TestClient, services: Services) -> None:
    promote(client, "v1")
    seen = services.registry.champion()
    services.registry.promote("v2", seen, "another", "quicker")
    with pytest.raises(PromotionConflict):
        services.models.promote("v3", seen, "me", "too late")
    # Promoted here, and at once another by somebody else: the pointer decides.
    champion = services.registry.champion()
    services.models.promote("v3", champion, "me", "a test")
    services.registry.promote("v1", services.registry.champion(), "another", "a test")
    assert served(client) == "v1"


def test_every_process_follows_a_rollback_within_the_reload_interval(
    client: TestClient, services: Services, default_bundle: Bundle
) -> None:
    seconds = 0.0
    other = Serving(services.registry, DEFAULT_BUNDLE, reload_s=30, clock=lambda: seconds)
    promote(client, "v1")
    assert other.detector().card.version == "v1"
    roll_back(client)
    seconds = 31
    assert other.detector().card.version == default_bundle.card.version


def test_a_promotion_that_nobody_heard_of_holds_and_a_sweep_tells_of_it_once(
    client: TestClient, services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(_: Any) -> None:
        raise RuntimeError("EventBridge did not take it")

    def sweep(ahead_s: float) -> dict[str, int]:
        report = replace(services.sweep, clock=lambda: time.time() + ahead_s).run()
        assert report.failed == ()
        return dict(report.repairs)

    with monkeypatch.context() as patched:
        patched.setattr(services.training.publisher, "publish", lost)
        first = promote(client, "v1")
    assert first.status_code == 200
    assert served(client) == "v1"
    # Whoever promoted it may be about to tell.
    assert sweep(0) == {}
    assert aws.published() == []
    assert sweep(300) == {"promotion_published": 1}
    (event,) = aws.published()
    assert event["detail-type"] == "ModelPromoted"
    assert event["detail"]["version"] == "v1"
    assert event["detail"]["promoted_at"] == first.json()["promoted_at"]
    assert sweep(600) == {}
    # What is told at once is told once.
    promote(client, "v2")
    assert sweep(300) == {}
    assert [one["detail"]["version"] for one in aws.published()] == ["v2"]


def test_a_promotion_whose_answer_was_lost_and_that_was_overtaken_is_still_one(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = services.registry._client.put_object

    def overtaken(**request: Any) -> Any:
        # The write took effect, its answer was lost, and before it was repeated another came in.
        put(**request)
        monkeypatch.setattr(services.registry._client, "put_object", put)
        services.registry.promote("v2", services.registry.champion(), "another", "quicker")
        return put(**request)

    monkeypatch.setattr(services.registry._client, "put_object", overtaken)
    answer = promote(client, "v1")
    assert answer.status_code == 200
    models = client.get("/models").json()
    assert [one["version"] for one in models["history"]] == ["v2", "v1"]
    assert answer.json() == models["champion"]


def test_the_trail_is_bounded(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pointers, "REMEMBERED", 4)
    for n in range(6):
        promote(client, VERSIONS[n % 3])
    history = client.get("/models").json()["history"]
    assert [one["version"] for one in history] == ["v3", "v2", "v1", "v3"]
    assert roll_back(client).json()["version"] == "v2"
    assert len(client.get("/models").json()["history"]) == 4


def test_a_pointer_without_a_trail_is_understood(client: TestClient, aws: Aws) -> None:
    aws.s3.put_object(
        Bucket="artifacts",
        Key="champion.json",
        Body=b'{"version": "v2", "previous": "v1", "promoted_at": "", "promoted_by": "",'
        b' "reason": ""}',
    )
    assert served(client) == "v2"
    assert roll_back(client).json()["version"] == "v1"


@given(st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=60))
def test_rollbacks_undo_promotions_as_a_stack_does(moves: list[int | None]) -> None:
    """A move is a promotion of a version, or None for a rollback."""
    stack: list[str | None] = [None]
    pointer: Champion | None = None
    for number, move in enumerate(moves):
        undone = pointer.undone() if pointer else None
        assert (undone is None) == (len(stack) == 1)
        if move is None:
            if undone is None:
                continue
            stack.pop()
            assert undone.previous == stack[-1]
        else:
            stack.append(f"{move}/{number}")
        last = pointer.version if pointer else None
        made = Promotion(stack[-1], last, str(number), "", "", rollback=move is None)
        pointer = Champion(**asdict(made), earlier=pointer.history if pointer else ())


def test_versions_are_listed_by_what_one_compares_them_by(
    client: TestClient, default_bundle: Bundle
) -> None:
    metrics = default_bundle.card.metrics
    rows = client.get("/models").json()["models"]
    assert [row["version"] for row in rows] == ["v3", "v2", "v1", default_bundle.card.version]
    row = rows[-1]
    assert row["champion"]
    assert row["accuracy"] == metrics["accuracy"]
    low, high = row["accuracy_interval"]
    assert low <= row["accuracy"] <= high
    assert row["held_out"] == metrics["clips"]
    assert (row["macro_f1"], row["ece"]) == (metrics["macro_f1"], metrics["ece"])
    assert row["accepted_share"] == metrics["accepted_share"]
    assert set(row["f1"]) == set(row["learnt_from"]) == set(row["labels"])
    assert sum(row["learnt_from"].values()) == metrics["cross_validation"]["clips"]
    assert row["backbone"] == default_bundle.card.backbone
    assert row["classifier"] == metrics["cross_validation"]["classifier"]


def test_a_version_without_figures_is_listed_too(
    client: TestClient, services: Services, default_bundle: Bundle
) -> None:
    card = replace(default_bundle.card, version="v4", metrics={}, data={})
    services.registry.publish(card, {"model.onnx": default_bundle.model})
    row = client.get("/models").json()["models"][0]
    assert (row["version"], row["accuracy"], row["f1"], row["learnt_from"]) == ("v4", None, {}, {})


# --- a job that comes back -------------------------------------------------------------------


def test_a_job_that_died_after_promoting_does_not_undo_a_rollback(
    client: TestClient, services: Services, default_bundle: Bundle
) -> None:
    run = services.training.request("a test")
    services.ledger.claim(run.run, "worker")
    services.models.promote("v1", None, by=f"run {run.run}", reason=run.reason)
    assert roll_back(client, reason="worse at night").status_code == 200
    before = client.get("/models").json()

    job.work(services, DEFAULT_BUNDLE, run.run, "worker")
    done = services.ledger.run(run.run)
    assert (done.state, done.version) == ("promoted", "v1")
    assert client.get("/models").json() == before
    assert served(client) == default_bundle.card.version


def test_a_job_that_began_before_cannot_promote_after_a_rollback(
    client: TestClient, services: Services
) -> None:
    promote(client, "v1")
    seen = services.registry.champion()
    promote(client, "v2")
    roll_back(client)
    # The champion is the same version again, but not the same pointer.
    with pytest.raises(PromotionConflict):
        services.models.promote("v2", seen, by="run x", reason="a duplicate")
    assert served(client) == "v1"


def test_a_duplicate_of_a_finished_run_promotes_nothing_however_long_ago_it_was(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pointers, "REMEMBERED", 2)
    run = services.training.request("a test")
    services.ledger.claim(run.run, "worker")
    services.models.promote("v1", None, by=f"run {run.run}", reason=run.reason)
    services.ledger.finish(run.run, "worker", "promoted", version="v1")
    roll_back(client, reason="worse at night")
    # The trail forgets the run; the ledger does not.
    for version in ("v2", "v3"):
        promote(client, version)
    before = client.get("/models").json()
    assert run.run not in str(before["history"])
    for worker in ("worker", "another copy"):
        with pytest.raises(RetrainInProgress):
            job.work(services, DEFAULT_BUNDLE, run.run, worker)
    assert client.get("/models").json() == before
