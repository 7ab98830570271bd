"""What a training says of its reviews: the same training without them, on the same clips."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import DEFAULT_BUNDLE, Aws, clip, tape
from earshot.recording import object_id
from earshot.services.review import is_reviewed
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from predict.app import create_app
from retrain import heads
from retrain.classifiers import Logistic
from retrain.dataset import Clip, Dataset, is_held_out, split
from retrain.job import work
from retrain.reviews import changed_by_reviews

if TYPE_CHECKING:
    from earshot.services import Services

    from retrain.heads import Head

LABELS = ("a", "b", "c")


@pytest.fixture(autouse=True)
def one_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "CANDIDATES", (Logistic(0.1),))


def learnt(reviewed: dict[str, int], others: dict[str, int]) -> tuple[Dataset, Head]:
    """A head that learnt from so many reviews and other clips of each label."""
    random = np.random.default_rng(5)
    centres = random.normal(size=(3, 12))

    def heard(label: str, n: int, is_review: bool) -> Clip:
        centre = centres[LABELS.index(label)]
        embedding = (centre + 1.2 * random.normal(size=(2, 12))).astype(np.float32)
        name = f"{label}-{n}-{is_review}"
        return Clip(name, label, name, embedding, reviewed=is_review)

    clips = [
        heard(label, n, is_review)
        for is_review, many in ((False, others), (True, reviewed))
        for label, asked in many.items()
        for n in range(asked)
    ]
    dataset = split(clips, LABELS)
    return dataset, heads.fit(dataset, (), lambda *_: None)


def test_reviews_are_measured_by_learning_without_them() -> None:
    dataset, head = learnt({"b": 60}, {"a": 60, "b": 8, "c": 60})
    found = changed_by_reviews(dataset, head, 5)
    reviews = sum(one.reviewed for one in dataset.training)
    assert (found["reviews"], found["by_label"]) == (reviews, {"b": reviews})
    assert found["held_out"] == 60 - reviews
    without = heads.refit(head, [one for one in dataset.training if not one.reviewed], LABELS)
    truth = np.array([LABELS.index(one.label) for one in dataset.held_out])
    for name, asked in (("with_reviews", head), ("without_reviews", without)):
        said = asked.answers(dataset.held_out).argmax(axis=1)
        hits = ((said == 1) & (truth == 1)).sum()
        f1 = 2 * hits / ((said == 1).sum() + (truth == 1).sum())
        assert found["per_label"]["b"][name] == pytest.approx(f1, abs=1e-4)
        assert found["accuracy"][name] == pytest.approx((said == truth).mean(), abs=1e-4)
    b = found["per_label"]["b"]
    assert b["difference"] > 0.02
    low, high = b["interval"]
    assert low <= b["difference"] <= high
    assert found["sentence"].startswith(
        f"{reviews} reviews: b F1 {b['without_reviews']:.2f} → {b['with_reviews']:.2f} on the "
        f"{len(dataset.held_out)} held-out clips, macro-F1 "
    )


def test_an_interval_is_of_the_difference_not_of_both() -> None:
    dataset, head = learnt({"b": 3}, {"a": 60, "b": 60, "c": 60})
    found = changed_by_reviews(dataset, head, 5)
    # Three reviews hardly change an answer: what is hard for both is hard for both.
    low, high = found["accuracy"]["interval"]
    assert high - low < 0.1


def test_without_reviews_there_is_nothing_to_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, head = learnt({}, {"a": 30, "b": 30})
    monkeypatch.setattr(heads, "refit", None)
    found = changed_by_reviews(dataset, head, 5)
    assert (found["reviews"], found["accuracy"], found["per_label"]) == (0, None, {})
    assert found["sentence"] == "No review has been learnt from."


def test_reviews_that_are_held_out_are_not_learnt_from() -> None:
    dataset, head = learnt({"b": 30}, {"a": 30, "b": 30})
    unlearnt = replace(
        dataset, training=tuple(replace(one, reviewed=False) for one in dataset.training)
    )
    found = changed_by_reviews(unlearnt, head, 5)
    assert found["reviews"] == 0
    assert found["held_out"] == sum(one.reviewed for one in dataset.held_out) > 0


def test_a_label_that_only_reviews_know_is_told() -> None:
    dataset, head = learnt({"c": 40}, {"a": 40, "b": 40, "c": 2})
    found = changed_by_reviews(dataset, head, 5)
    assert found["only_by_reviews"] == ["c"]
    assert found["per_label"]["c"]["without_reviews"] == 0.0
    assert found["per_label"]["c"]["with_reviews"] > 0.5
    assert "c is known only by them" in found["sentence"]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (("b", "c"), "b and c are known only by them"),
        (("b", "c", "d", "e"), "b, c, d and e are known only by them"),
        (("b", "c", "d", "e", "f"), "b, c, d and 2 more are known only by them"),
    ],
)
def test_of_many_labels_that_only_reviews_know_some_are_named(
    labels: tuple[str, ...], said: str
) -> None:
    random = np.random.default_rng(6)
    every = ("a", *labels, "y", "z")
    clips = [
        Clip(name, label, name, (3 * n + random.normal(size=(1, 8))).astype(np.float32),
             reviewed=label in labels)
        for n, label in enumerate(every)
        for name in (f"{label}-{i}" for i in range(12))
    ]  # fmt: skip
    dataset = split(clips, every)
    head = heads.fit(dataset, (), lambda *_: None)
    assert said in changed_by_reviews(dataset, head, 5)["sentence"]


def test_when_too_little_is_left_without_reviews_it_says_so() -> None:
    dataset, head = learnt({"b": 40}, {"a": 40})
    found = changed_by_reviews(dataset, head, 5)
    assert found["only_by_reviews"] == ["b"]
    assert found["accuracy"] is None
    assert found["sentence"].endswith("without them fewer than two labels could be learnt.")


def test_reviews_that_change_no_answer_are_told_so() -> None:
    dataset, head = learnt({"b": 40}, {"a": 40, "b": 40, "c": 40})
    same = [replace(one, reviewed=False, copies=one.embedding[:0]) for one in dataset.training[:1]]
    # Reviews of a clip that is there already, and far inside its label.
    double = tuple(replace(one, sha256="again", reviewed=True) for one in same)
    again = replace(
        dataset,
        training=(*(replace(one, reviewed=False) for one in dataset.training), *double),
    )
    found = changed_by_reviews(again, heads.refit(head, again.training, LABELS), 5)
    assert found["accuracy"]["difference"] == 0
    assert "1 review: no F1 changed" in found["sentence"]


@given(st.text("samples/0123456789abcdef.-wv_é ", max_size=90))
def test_other_keys_are_no_reviews(key: str) -> None:
    assert not is_reviewed(key)
    assert not is_reviewed(f"samples/siren/{key}.wav")


@pytest.fixture
def client(services: Services) -> TestClient:
    return TestClient(create_app(services))


def test_a_run_says_what_its_reviews_changed(
    client: TestClient, services: Services, aws: Aws
) -> None:
    sites = ("ridge", "quarry", "harbour", "gate", "mill")
    keys = [f"recordings/{site}/tape.wav" for site in sites]
    (kept, *_) = [key for key in keys if not is_held_out(object_id(key))]
    services.receive(aws.drop(kept, tape()))
    first, second = client.get("/review").json()["reviews"]
    verdict = {"verdict": "correct", "label": "siren"}
    for wish in (verdict, {"verdict": "undo"}, {"verdict": "confirm"}):
        client.post(f"/review/{first['review']}", json=wish)
    client.post(f"/review/{second['review']}", json=verdict)
    aws.drop("samples/casual/00028.000-00032.000.wav", clip("casual", 5))
    listed = aws.s3.list_objects_v2(Bucket="recordings", Prefix="samples/")["Contents"]
    for one in listed:
        services.receive(one["Key"])
    assert [is_reviewed(one["Key"]) for one in listed].count(True) == 2
    run = services.training.request("a test")
    work(services, DEFAULT_BUNDLE, run.run, "worker")
    metrics = client.get(f"/retrain/{run.run}").json()["metrics"]
    found = metrics["reviews"]
    assert found["reviews"] == 2
    assert found["sentence"].startswith("2 reviews: ")
    assert metrics["projection"]["labels"].keys() == metrics["per_label"].keys()
    version = services.ledger.run(run.run).version
    assert version
    assert services.registry.card(version).metrics["reviews"] == found


def test_a_run_that_goes_on_has_no_lessons_yet(client: TestClient, services: Services) -> None:
    run = services.training.request("a test")
    metrics = client.get(f"/retrain/{run.run}").json()["metrics"]
    assert metrics == {"reviews": None, "projection": None}
