"""The commands that ask the API and show what it answers: predict, status, models, retrain."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from conftest import clip, encode
from earshot.bundle import Bundle
from earshot.cli import training
from earshot.runs import Run
from earshot.services import Services
from fastapi.testclient import TestClient
from shell import Shell, answers_of, problem

from infra.local.sounds.surveillance import SOUNDS
from predict.schemas.lessons import PROJECTION, REVIEWS
from predict.schemas.metrics import EXAMPLE

# --- predict -----------------------------------------------------------------------------------


def test_one_file_is_one_answer(earshot: Shell, api: TestClient, tmp_path: Path) -> None:
    file = tmp_path / "a [b].wav"
    file.write_bytes(clip("siren"))
    answer = earshot("predict", file, "--top-k", 2, "--json").json
    heard = api.post("/predict?top_k=2", content=clip("siren")).json()
    assert answer["file"] == str(file)
    assert {name: answer[name] for name in ("label", "confidence", "top")} == {
        name: heard[name] for name in ("label", "confidence", "top")
    }
    shown = earshot("predict", file, "--top-k", 2, "--explain")
    assert shown.code == 0
    assert all(word in shown.out for word in (str(file), heard["label"], "hangs most on", "nats"))


def test_several_files_are_a_list_and_one_that_is_refused_costs_the_others_nothing(
    earshot: Shell, api: TestClient, tmp_path: Path
) -> None:
    for name, content in {
        "a.wav": clip("siren"), "below/b.wav": b"text", "below/c.wav": clip("siren", 2),
        ".hidden.wav": b"", "notes.txt": b"",
    }.items():  # fmt: skip
        (tmp_path / "clips" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "clips" / name).write_bytes(content)
    done = earshot("predict", tmp_path / "clips", "--json")
    assert done.code == 1
    assert [Path(answer["file"]).name for answer in done.json] == ["a.wav", "b.wav", "c.wav"]
    first, refused, last = done.json
    assert (first["label"], refused["code"], last["label"]) == (
        "siren", "unsupported_format", "siren",
    )  # fmt: skip
    (line,) = done.err.splitlines()
    assert line.startswith("unsupported_format: ")
    assert "b.wav" in line


def test_a_folder_of_one_is_a_list_and_one_of_none_is_refused(
    earshot: Shell, api: TestClient, tmp_path: Path
) -> None:
    assert earshot("predict", tmp_path, "--json").code == 1
    (tmp_path / "a.wav").write_bytes(clip("siren"))
    (answer,) = earshot("predict", tmp_path, "--json").json
    assert answer["label"] == "siren"


def test_a_service_that_is_busy_is_asked_again(
    earshot: Shell, api: TestClient, tmp_path: Path
) -> None:
    (tmp_path / "a.wav").write_bytes(clip("siren"))
    left = [httpx2.ConnectError("reset"), problem(503, "aws_unavailable"), httpx2.Response(429)]

    def stumbling(request: httpx2.Request) -> httpx2.Response:
        if left:
            stumble = left.pop()
            if isinstance(stumble, httpx2.Response):
                return stumble
            raise stumble
        answer = api.request("POST", "/predict", content=request.content, headers=request.headers)
        return httpx2.Response(answer.status_code, content=answer.content)

    earshot.answers(stumbling)
    assert earshot("predict", tmp_path / "a.wav", "--json").json["label"] == "siren"
    assert len(earshot.asked) == 4


def test_people_are_asked_what_the_uncertain_ones_are(
    earshot: Shell, api: TestClient, tmp_path: Path
) -> None:
    (tmp_path / "odd.wav").write_bytes(odd())
    (tmp_path / "siren.wav").write_bytes(clip("siren"))
    uncertain, accepted = earshot("predict", tmp_path, "--review", "--json").json
    assert (uncertain["decision"], accepted["decision"]) == ("uncertain", "accepted")
    assert "review" not in accepted
    waiting = api.get("/review?site=/predict").json()["reviews"]
    assert sorted(uncertain["review"]) == sorted(one["review"] for one in waiting) != []
    # Whoever asks again asks about the same.
    shown = earshot("predict", tmp_path, "--review")
    assert shown.code == 0
    assert all(review in shown.out for review in uncertain["review"])
    assert len(api.get("/review?site=/predict").json()["reviews"]) == len(waiting)


def test_nobody_is_asked_unless_it_is_said(earshot: Shell, api: TestClient, tmp_path: Path) -> None:
    (tmp_path / "odd.wav").write_bytes(odd())
    assert "review" not in earshot("predict", tmp_path / "odd.wav", "--json").json
    assert api.get("/review").json()["reviews"] == []


def test_what_was_heard_is_told_even_if_nobody_could_be_asked(
    earshot: Shell, api: TestClient, tmp_path: Path
) -> None:
    file = tmp_path / "odd.wav"
    file.write_bytes(odd())
    refusals = {"/review": problem(503, "aws_unavailable")}
    everything = answers_of(api)
    earshot.answers(lambda request: refusals.get(request.url.path) or everything(request))
    done = earshot("predict", file, "--review", "--json")
    assert done.code == 1
    assert (done.json["decision"], done.json["code"]) == ("uncertain", "aws_unavailable")
    assert "review" not in done.json
    shown = earshot("predict", file, "--review")
    assert shown.err.startswith("aws_unavailable: ")
    assert done.json["label"] in shown.out
    # A token for answers only ends it all, as anywhere.
    refusals["/review"] = problem(403, "scope_missing")
    assert earshot("predict", file, "--review").code == 4


def odd() -> bytes:
    """A tone, which is like nothing that was learnt."""
    return encode(0.5 * np.sin(2 * np.pi * 1_000 * np.arange(64_000) / 16_000), 16_000)


# --- looking -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "path"),
    [
        (("status",), "/status"), (("samples",), "/samples"), (("metrics",), "/metrics"),
        (("models", "list"), "/models"), (("runs",), "/retrain"),
    ],
)  # fmt: skip
def test_what_it_shows_is_what_the_api_answers(
    earshot: Shell, api: TestClient, services: Services, command: tuple[str, ...], path: str
) -> None:
    api.post("/predict", content=clip("siren"))
    services.training.request("by the test", 0)
    shown, answer = earshot(*command, "--json").json, api.get(path).json()
    for changing in ("uptime_s", "process"):
        assert (shown.pop(changing, None) is None) == (answer.pop(changing, None) is None)
    assert shown == answer
    words = earshot(*command)
    assert (words.code, words.err) == (0, "")
    assert words.out.strip()


def test_metrics_say_which_sites_drift(earshot: Shell) -> None:
    few = {**EXAMPLE["drift"]["sites"][0], "site": "creek", "state": "too_few", "all": None}
    drift = {**EXAMPLE["drift"], "sites": [*EXAMPLE["drift"]["sites"], few]}
    earshot.answers(lambda _: httpx2.Response(200, json={**EXAMPLE, "drift": drift}))
    lines = earshot("metrics").out.splitlines()
    (drifting,) = (line for line in lines if "ridge" in line)
    assert all(word in drifting for word in ("drifting", "2026-11-19T00:03:58", "87%", "0.0002"))
    (other,) = (line for line in lines if "creek" in line)
    assert "too few" in other


def test_refused_samples_are_shown_with_their_reasons(
    earshot: Shell, api: TestClient, services: Services, aws: Any
) -> None:
    services.receive(aws.drop("samples/siren/a.wav", b"text"))
    services.receive(aws.drop("samples/siren/b.wav", clip("siren")))
    shown = earshot("samples").out
    assert "1 samples" in shown
    assert "samples/siren/a.wav" in shown
    assert "unsupported_format" in shown
    assert "1 are new since the last training was asked for; 5 start one." in shown


# --- versions ----------------------------------------------------------------------------------


def test_a_version_is_shown_promoted_and_rolled_back(
    earshot: Shell, api: TestClient, default_bundle: Bundle, services: Services
) -> None:
    version = default_bundle.card.version
    assert earshot("models", "show", version, "--json").json == json.loads(
        default_bundle.card.to_json()
    )
    assert all(label in earshot("models", "show", version).out for label in SOUNDS)
    done = earshot("models", "show", "../none", "--json")
    assert (done.code, done.out) == (1, "")

    done = earshot("models", "rollback", "--reason", "to see", "--json")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("nothing_to_roll_back_to: ")
    assert earshot("models", "rollback").code == 2


def test_a_version_hears_along_and_stops(
    earshot: Shell, api: TestClient, default_bundle: Bundle, services: Services
) -> None:
    card = replace(default_bundle.card, version="v2")
    services.registry.publish(card, {"model.onnx": default_bundle.model})
    begun = earshot("models", "shadow", "v2", "--reason", "to see", "--needed", 5, "--share", 1)
    assert begun.out.strip() == "v2 hears along: 0 of 0 alike, 5 to go."
    for _ in range(2):
        api.post("/predict", content=clip("siren"))
    listed = earshot("models", "list").out
    assert "v2 hears along: 1 of 1 alike, 4 to go." in listed
    assert "~" in next(line for line in listed.splitlines() if "v2" in line)
    assert earshot("models", "unshadow", "--reason", "enough").out.strip() == (
        "v2 hears along no more"
    )
    ended = earshot("models", "unshadow", "--reason", "enough")
    assert (ended.code, ended.err.partition(":")[0]) == (1, "no_shadow")
    (past,) = services.registry.champion().shadows  # type: ignore[union-attr]
    assert past.began_by.endswith("(earshot)")
    assert past.began_by == past.ended_by


def test_a_rollback_says_which_champion_it_saw(earshot: Shell) -> None:
    asked: list[Any] = []

    def api(request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(200, json={"champion": {"version": "v2"}})
        asked.append((request.url.raw_path.decode(), json.loads(request.content)))
        promotion = {"version": None, "previous": "v2"}
        return httpx2.Response(200, json=promotion)

    earshot.answers(api)
    done = earshot("models", "rollback", "--reason", "too many false alarms")
    assert "the default bundle serves, in place of v2" in done.out
    earshot("models", "promote", "v/3", "--reason", "try it")
    (path, wish), (promoted, _) = asked
    assert path == "/models/rollback"
    assert promoted == "/models/v%2F3/promote"
    assert (wish["reason"], wish["expected"]) == ("too many false alarms", "v2")
    assert wish["by"].endswith("(earshot)")


# --- training ----------------------------------------------------------------------------------


def states(end: str, **changes: Any) -> list[dict[str, Any]]:
    """What the API tells of a run from asking to its end."""
    row = {"candidate": "logistic", "fold": 1, "accuracy": 0.9, "log_loss": 0.3}
    asked = Run("run-1", "requested", "by hand", "2026-11-21T10:00:00Z", 30)
    gates = [{"gate": "not_worse", "passed": end == "promoted", "detail": "won 3, lost 1"}]
    return [
        {**asdict(asked), **more}
        for more in (
            {},
            {"state": "running", "stage": "fitting", "progress": 0.4, "curve": [row]},
            {"state": end, "stage": "done", "progress": 1.0, "curve": [row], "gates": gates}
            | changes,
        )
    ]


@pytest.mark.parametrize(("end", "code"), [("promoted", 0), ("rejected", 5), ("failed", 5)])
def test_a_training_is_waited_for_and_its_end_told(earshot: Shell, end: str, code: int) -> None:
    told: list[Any] = []
    error = "too little" if end == "failed" else None

    def api(request: httpx2.Request) -> httpx2.Response:
        if request.method == "POST":
            told[:] = [states(end, error=error)[0], *states(end, error=error)]
            assert json.loads(request.content) == {"reason": "new owls", "min_new_samples": 2}
            return httpx2.Response(202, json=told.pop(0))
        return httpx2.Response(200, json=told.pop(0))

    earshot.answers(api)
    command = ("retrain", "--reason", "new owls", "--min-new-samples", "2", "--wait")
    done = earshot(*command, "--json")
    assert done.code == code
    assert done.json == states(end, error=error)[-1]
    for stage in ("requested, 0%", "fitting, 40%", "done, 100%"):
        assert stage in done.err
    done = earshot(*command)
    assert done.code == code
    assert f"run-1 is {end}" in done.out
    assert "won 3, lost 1" in done.out
    assert ("error: too little" in done.out) == (end == "failed")


def test_a_run_tells_what_reviews_changed_and_what_to_collect(earshot: Shell) -> None:
    owl = {"recordings": 7, "f1": 0.6, "curve": [], "more": [], "sentence": "It cannot."}
    labels = {**PROJECTION["labels"], "owl": owl}
    metrics = {"reviews": REVIEWS, "projection": {**PROJECTION, "labels": labels}}
    run = states("promoted")[-1] | {"metrics": metrics}
    earshot.answers(lambda _: httpx2.Response(200, json=run))
    shown = " ".join(earshot("runs", "run-1").out.split())
    assert f"reviews {REVIEWS['sentence']}" in shown
    assert f"to collect {PROJECTION['sentence']}" in shown
    assert "siren │ 62 │ 0.897 │ 10 │ F1 +0.01 (0.00 to 0.03)" in shown
    assert "│ │ │ │ 20 │ F1 +0.02 (0.00 to 0.05)" in shown
    assert "owl │ 7 │ 0.600 │ - │ cannot be told" in shown


def test_waiting_outlives_a_network_that_does_not(earshot: Shell) -> None:
    told: list[Any] = [*states("promoted")[:2], None, None, states("promoted")[-1]]

    def api(request: httpx2.Request) -> httpx2.Response:
        state = told.pop(0)
        if state is None:
            raise httpx2.ReadTimeout("late")
        return httpx2.Response(200, json=state)

    earshot.answers(api)
    assert earshot("runs", "run-1", "--wait", "--json").json["state"] == "promoted"


def test_without_waiting_it_says_how_to_watch(earshot: Shell, api: TestClient) -> None:
    done = earshot("retrain")
    (run,) = api.get("/retrain").json()["runs"]
    assert done.code == 0
    assert f"earshot runs {run['run']} --wait" in done.out
    assert earshot("runs", run["run"], "--json").json["state"] == "requested"
    again = earshot("retrain")
    assert (again.code, again.out) == (1, "")
    assert again.err.startswith("retrain_in_progress: ")


def test_an_interrupted_wait_leaves_the_training(
    earshot: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training.time, "sleep", interrupt)
    earshot.answers(lambda _: httpx2.Response(202, json=states("promoted")[0]))
    done = earshot("retrain", "--wait", "--json")
    assert (done.code, done.out) == (130, "")
    assert "The training goes on; earshot runs run-1 --wait" in done.err
