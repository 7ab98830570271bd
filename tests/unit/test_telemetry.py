"""What the functions tell of themselves: log lines, metrics, traces."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import pytest
from conftest import REPOSITORY, clip, encode, http_event, sound
from fastapi.testclient import TestClient

from predict import telemetry
from predict.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from earshot.services import Services

SECRET = "Bearer not-for-the-log"
TRACE = "1-5759e988-bd862e3fe1be46a994272793"
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
ARRIVAL = json.dumps(
    {
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": "recordings"}, "object": {"key": "samples/siren/a.wav"}},
    }
)

Told = list[dict[str, Any]]


class StandardOutput:
    """What it is at the time: pytest puts another one in place for each phase of a test."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()


@pytest.fixture
def told(own_logging: None, capsys: pytest.CaptureFixture[str]) -> Callable[[], tuple[Told, Told]]:
    """The log lines since the last look, and the metrics among them."""
    with redirect_stdout(StandardOutput()):
        telemetry.log_as_json()

    def look() -> tuple[Told, Told]:
        # Not splitlines: a line separator within a line must not make two of it.
        lines = [json.loads(line) for line in capsys.readouterr().out.split("\n") if line]
        return (
            [line for line in lines if "_aws" not in line],
            [line for line in lines if "_aws" in line],
        )

    return look


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services)) as client:
        client.get("/classes")  # the cold start, and the model's
        yield client


def values(metrics: Told) -> dict[str, float]:
    """The sums of metrics, each checked against CloudWatch's embedded format."""
    sums: dict[str, float] = {}
    for line in metrics:
        assert isinstance(line["_aws"]["Timestamp"], int)
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "Earshot"
        assert directive["Dimensions"] == [["service"]]
        assert isinstance(line["service"], str)
        for metric in directive["Metrics"]:
            assert metric["Unit"] in ("Count", "Milliseconds")
            sums[metric["Name"]] = sums.get(metric["Name"], 0) + sum(line[metric["Name"]])
    return sums


# --- predict -----------------------------------------------------------------------------------


def test_a_request_is_one_line_under_its_identity(client: TestClient, told: Any) -> None:
    answer = client.post("/predict?top_k=1", content=clip("siren"))
    (line,), _ = told()
    assert line["correlation_id"] == answer.headers["x-request-id"]
    assert (line["level"], line["message"], line["service"]) == ("INFO", "request", "predict")
    assert (line["method"], line["route"], line["status"]) == ("POST", "/predict", 200)
    assert (line["bytes_in"], line["bytes_out"]) == (len(clip("siren")), len(answer.content))
    assert line["ms"] >= answer.json()["processing_ms"]
    assert line["cold_start"] is False
    assert line["timestamp"].endswith("+00:00")


def test_the_first_request_is_the_cold_one(services: Services, told: Any) -> None:
    with TestClient(create_app(services)) as client:
        client.get("/health")
        client.get("/health")
    lines, metrics = told()
    assert [line["cold_start"] for line in lines] == [True, False]
    assert values(metrics) == {"ColdStart": 1}


def test_with_provisioned_concurrency_no_start_is_cold(
    services: Services, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "provisioned-concurrency")
    with TestClient(create_app(services)) as client:
        client.get("/health")
    (line,), metrics = told()
    assert line["cold_start"] is False
    assert not metrics


def test_paths_queries_and_headers_stay_out_of_the_log(
    client: TestClient, told: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    client.get("/retrain/run-of-somebody?token=hidden", headers={"Authorization": SECRET})
    client.get("/no/such/place?token=hidden", headers={"Authorization": SECRET})
    text = capsys.readouterr().out
    for secret in ("run-of-somebody", "such/place", "hidden", "not-for-the-log"):
        assert secret not in text
    lines = [json.loads(line) for line in text.split("\n") if line]
    assert [(line.get("route"), line["code"]) for line in lines] == [
        ("/retrain/{run}", "run_not_found"),
        (None, "not_found"),
    ]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("trace-1.a:b=c/d+e@f", "trace-1.a:b=c/d+e@f"),
        ("x" * 129, None),
        ('x","level":"ERROR', None),
        ("x\ty", None),
        ("", None),
    ],
)
def test_a_callers_identity_is_kept_beside_ours_if_it_is_one(
    client: TestClient, told: Any, given: str, kept: str | None
) -> None:
    answer = client.get("/health", headers={"X-Request-Id": given})
    (line,), _ = told()
    assert answer.headers["x-request-id"] == line["correlation_id"] != given
    assert line.get("client_request_id") == kept


def test_a_message_cannot_forge_a_line(told: Any) -> None:
    forged = '\n{"level":"ERROR"}\r\u2028\ud800'
    logging.getLogger("earshot.services").warning("%s", forged)
    (line,), _ = told()
    assert (line["level"], line["message"]) == ("WARNING", forged)


def test_the_package_and_libraries_log_in_the_same_form(told: Any) -> None:
    logging.getLogger("earshot.serving").info("Version %s is in service.", "v1")
    logging.getLogger("botocore.endpoint").warning("slow")
    logging.getLogger("botocore.endpoint").info("Authorization: secret")
    lines, _ = told()
    assert [(line["name"], line["message"]) for line in lines] == [
        ("earshot.serving", "Version v1 is in service."),
        ("botocore.endpoint", "slow"),
    ]


def test_requests_at_once_never_mix(services: Services, told: Any) -> None:
    app = create_app(services)

    @app.get("/busy/{number}")
    def busy(number: int) -> int:
        for _ in range(5):
            logging.getLogger("earshot.busy").info("%d", number)
            time.sleep(0)  # lets another thread log
        return number

    with TestClient(app) as client, ThreadPoolExecutor(16) as pool:
        identities = list(
            pool.map(lambda n: client.get(f"/busy/{n}").headers["x-request-id"], range(200))
        )
    lines, _ = told()
    assert len(set(identities)) == 200
    by_request: dict[str, list[str]] = {}
    for line in lines:
        by_request.setdefault(line["correlation_id"], []).append(line["message"])
    assert by_request == {
        identity: [*[str(number)] * 5, "request"] for number, identity in enumerate(identities)
    }


def test_what_nobody_expected_is_answered_and_logged_once(services: Services, told: Any) -> None:
    app = create_app(services)

    @app.get("/broken")
    def broken() -> None:
        raise ZeroDivisionError

    with TestClient(app) as client:
        answer = client.get("/broken")
    assert answer.status_code == 500
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    (traced, line), _ = told()
    assert traced["exception_name"] == "ZeroDivisionError"
    assert "in broken" in traced["exception"]
    assert (line["level"], line["status"], line["code"]) == ("ERROR", 500, "internal_error")
    assert traced["correlation_id"] == line["correlation_id"] == answer.headers["x-request-id"]


def test_a_refusal_has_a_code_and_no_traceback(client: TestClient, told: Any) -> None:
    client.post("/predict", content=b"text")
    (line,), _ = told()
    assert (line["level"], line["status"], line["code"]) == ("INFO", 415, "unsupported_format")
    assert "exception" not in line


def test_predictions_are_measured_one_line_each(client: TestClient, told: Any) -> None:
    answers = [
        client.post("/predict", content=encode(sound(label)))
        for label in ("siren", "casual", "siren")
    ]
    _, metrics = told()
    assert len(metrics) == 3
    bodies = [answer.json() for answer in answers]
    assert values(metrics) == {
        "Predictions": 3,
        "Uncertain": sum(body["decision"] == "uncertain" for body in bodies),
        "Latency": pytest.approx(sum(body["processing_ms"] for body in bodies)),
        "RefusedBundles": 0,
    }


def test_predictions_at_once_are_all_measured(client: TestClient, told: Any) -> None:
    body = clip("siren")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.post("/predict", content=body), range(24)))
    assert all(answer.status_code == 200 for answer in answers)
    _, metrics = told()
    assert len(metrics) == 24
    assert values(metrics)["Predictions"] == 24


def test_a_bundle_that_is_refused_shows_in_the_metrics(
    client: TestClient, services: Services, told: Any
) -> None:
    services.serving.detector()
    services.serving.refused["v2"] = "It does not verify."
    client.post("/predict", content=clip("siren"))
    assert values(told()[1])["RefusedBundles"] == 1


@pytest.mark.parametrize(
    ("path", "body", "refused"),
    [
        ("/predict", b"text", 1),
        ("/predict", b"", 1),
        ("/predict", bytes(4_400_001), 1),
        ("/predict?top_k=0", b"text", 0),
        ("/nowhere", b"text", 0),
    ],
)
def test_only_recordings_that_cannot_be_used_count_as_refused(
    client: TestClient, told: Any, path: str, body: bytes, refused: int
) -> None:
    assert client.post(path, content=body).status_code >= 400
    assert values(told()[1]).get("Refused", 0) == refused


def test_metrics_can_be_left_out(
    client: TestClient, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    client.post("/predict", content=clip("siren"))
    lines, metrics = told()
    assert len(lines) == 1
    assert not metrics


# --- both ----------------------------------------------------------------------------------------

TRACED = """
import json, socket, sys
from types import SimpleNamespace

sent = []
socket.socket.sendto = lambda self, data, *_: sent.append(json.loads(data.split(b"\\n", 1)[1]))
from FUNCTION.handler import handler

handler(json.load(sys.stdin), SimpleNamespace(aws_request_id="8a1c", function_name="earshot"))
print(json.dumps(sent))
"""


@pytest.mark.parametrize(
    ("function", "event", "calls"),
    [
        ("predict", http_event("GET", "/retrain"), {"dynamodb"}),
        (
            "ingest",
            {
                "Records": [
                    {
                        "messageId": "1",
                        "body": ARRIVAL,
                        "eventSource": "aws:sqs",
                        "attributes": {"ApproximateReceiveCount": "1"},
                    }
                ]
            },
            {"dynamodb"},
        ),
    ],
)
def test_a_trace_has_the_handler_and_its_calls(
    environment: None, function: str, event: dict[str, Any], calls: set[str]
) -> None:
    variables = {
        "PYTHONPATH": f"{REPOSITORY}/functions:{REPOSITORY}/layers/earshot",
        "LAMBDA_TASK_ROOT": "/var/task",
        "POWERTOOLS_TRACE_DISABLED": "false",
        "_X_AMZN_TRACE_ID": f"Root={TRACE};Parent=53995c3f42cd8ad8;Sampled=1",
        # Nobody listens there; a call that fails is traced as well.
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_MAX_ATTEMPTS": "1",
        **{name: value for name, value in os.environ.items() if name.startswith("EARSHOT_")},
        **{name: os.environ[name] for name in CREDENTIALS},
    }
    done = subprocess.run(
        [sys.executable, "-c", TRACED.replace("FUNCTION", function)],
        input=json.dumps(event),
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *lines, sent = [json.loads(line) for line in done.stdout.split("\n") if line]
    assert {segment["trace_id"] for segment in sent} == {TRACE}
    assert {segment["name"] for segment in sent} == {f"## {function}", *calls}
    assert {line["xray_trace_id"] for line in lines if "_aws" not in line} == {TRACE}
