from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import httpx2
import pytest
from conftest import REPOSITORY, clip
from earshot import cli
from earshot.bundle import Bundle, ModelCard
from earshot.cli import client, training
from earshot.cli.configuration import Configuration, Given, config_file, read
from earshot.detector import Detector
from earshot.errors import BadDataset, BadSettings
from earshot.recording import Waveform
from earshot.runs import Run
from earshot.services import Services
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.random import default_rng
from typer.testing import CliRunner

from infra.local.sounds.surveillance import RATE, SOUNDS
from predict.app import create_app

runner = CliRunner()
TOKEN = "earshot_0123456789ab_secret"
Handler = Callable[[httpx2.Request], httpx2.Response]


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be nothing but JSON."""
        return json.loads(self.out)


class Shell:
    """Runs ``earshot`` as a shell does; what it asks goes to ``api``."""

    def __init__(self, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._patch, self._capsys = patch, capsys
        self.asked: list[httpx2.Request] = []

    def answers(self, api: Handler) -> None:
        lock = Lock()

        def handle(request: httpx2.Request) -> httpx2.Response:
            with lock:
                self.asked.append(request)
            return api(request)

        transport = httpx2.MockTransport(handle)
        self._patch.setattr(client.httpx2, "Client", partial(Plain, transport=transport))

    def __call__(self, *arguments: object, **environment: str) -> Done:
        with self._patch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.setattr("sys.argv", ["earshot", *map(str, arguments)])
            self._capsys.readouterr()
            try:
                cli.main()
                code = 0
            except SystemExit as ended:
                code = int(ended.code or 0)
        return Done(code, *self._capsys.readouterr())


Plain = httpx2.Client


@pytest.fixture
def earshot(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Shell:
    for name in ("ENDPOINT", "TOKEN", "PROFILE"):
        monkeypatch.delenv(f"EARSHOT_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    # One line stays one line.
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(client, "PAUSE_S", 0.0)
    monkeypatch.setattr(training, "POLL_S", 0.0)
    return Shell(monkeypatch, capsys)


@pytest.fixture
def api(earshot: Shell, services: Services, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """The real API in this process, whose standard output is the command's."""
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    server = TestClient(create_app(services), raise_server_exceptions=False)

    def ask(request: httpx2.Request) -> httpx2.Response:
        answer = server.request(
            request.method,
            request.url.raw_path.decode(),
            content=request.content,
            headers=dict(request.headers),
        )
        return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)

    earshot.answers(ask)
    return server


def problem(status: int, code: str, detail: str = "It is so. Do that.") -> httpx2.Response:
    content = {"status": status, "code": code, "detail": detail}
    return httpx2.Response(
        status, json=content, headers={"content-type": "application/problem+json"}
    )


# -------------------------------------------------------------------------------------- the ends


def test_help_names_every_command_and_every_exit_status(earshot: Shell) -> None:
    done = earshot("--help")
    assert done.code == 0
    for command in (*cli.OWN, "train", "evaluate", "backbone", "crossvalidate", "explain"):
        assert re.search(rf"│ {command} ", done.out), command
    words = " ".join(done.out.split())
    for status in ("0 done", "1 refused", "2 the", "3 the API", "4 the token", "5 the training"):
        assert status in words


@pytest.mark.parametrize("command", [*cli.OWN, "train", "evaluate", "figures"])
def test_every_command_has_json(earshot: Shell, command: str) -> None:
    below = {"models": "list", "token": "list", "dlq": "list", "config": "show"}
    arguments = [command, below[command]] if command in below else [command]
    assert "--json" in earshot(*arguments, "--help").out


@pytest.mark.parametrize(
    "arguments",
    [
        ("stauts",), ("predict",), ("status", "--nonsense"), ("predict", "missing.wav"),
        ("runs", "--wait"), ("predict", "--top-k", "0", "x.wav"),
    ],
)  # fmt: skip
def test_a_command_line_that_makes_no_sense_ends_with_2(
    earshot: Shell, arguments: tuple[str, ...]
) -> None:
    done = earshot(*arguments)
    assert (done.code, done.out) == (2, "")
    if arguments == ("stauts",):
        assert "Did you mean 'status'?" in done.err


def test_where_nothing_listens_it_ends_with_3(earshot: Shell) -> None:
    done = earshot("--endpoint", "http://127.0.0.1:9", "status", "--json")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("api_unreachable: http://127.0.0.1:9 cannot be reached")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(200, html="<h1>It works!</h1>"),
        httpx2.Response(301, headers={"location": "https://elsewhere.example/status"}),
    ],
)
def test_where_something_else_answers_it_ends_with_3(
    earshot: Shell, answer: httpx2.Response
) -> None:
    earshot.answers(lambda _: answer)
    done = earshot("status")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("api_unreachable: ")


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "token_required"), (401, "token_invalid"), (403, "scope_missing")],
)
@pytest.mark.parametrize(
    "command", [("status",), ("retrain",), ("predict", "x.wav"), ("upload", "x.wav", "--site", "a")]
)
def test_a_token_that_does_not_do_ends_with_4(
    earshot: Shell, tmp_path: Path, status: int, code: str, command: tuple[str, ...]
) -> None:
    file = tmp_path / "x.wav"
    file.write_bytes(clip("siren"))
    earshot.answers(
        lambda request: (
            httpx2.Response(200, json={"status": "ok"})
            if request.url.path == "/health"
            else problem(status, code)
        )
    )
    done = earshot(*(str(file) if word == "x.wav" else word for word in command), "--json")
    assert (done.code, done.out) == (4, "")
    assert done.err.splitlines()[-1] == f"{code}: It is so. Do that."


def test_a_refusal_is_one_line_with_its_code_and_ends_with_1(
    earshot: Shell, api: TestClient
) -> None:
    done = earshot("retrain", "--min-new-samples", "3", "--json")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("not_enough_samples: ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (httpx2.Response(429, json={"message": "Too Many Requests"}), "too_many_requests: Too"),
        (httpx2.Response(502, html="<h1>Bad Gateway</h1>"), "bad_gateway: Bad Gateway"),
        (httpx2.Response(500, json=["odd"]), "internal_server_error: Internal Server Error"),
        (problem(500, "internal_error", "[bold]Two\nlines[/bold]"), "internal_error: [bold]Two li"),
    ],
)
def test_what_is_no_problem_is_told_as_it_can_be(
    earshot: Shell, answer: httpx2.Response, line: str
) -> None:
    earshot.answers(lambda _: answer)
    done = earshot("models", "list")
    assert done.code == 1
    assert done.err.startswith(line)


def test_a_part_that_is_not_installed_costs_the_others_nothing(
    earshot: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cli.OWN, "broken", "earshot.no_such_module:command")
    shown = earshot("--help")
    assert shown.code == 0
    assert "No module named 'earshot.no_such_module'" in " ".join(shown.out.split())
    done = earshot("broken")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("not_installed: No module named")


def test_what_aws_refuses_is_one_line(earshot: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    done = earshot("token", "list", "--endpoint-url", "http://127.0.0.1:9")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("aws: Could not connect")


@pytest.mark.parametrize(
    ("arguments", "banned"),
    [
        (("status",), {"numpy", "onnxruntime", "soundfile", "av", "boto3", "matplotlib"}),
        (("--help",), {"numpy", "onnxruntime", "soundfile", "av", "matplotlib", "sklearn"}),
    ],
)
def test_what_only_looks_starts_without_what_hears(
    arguments: tuple[str, ...], banned: set[str]
) -> None:
    code = (
        f"import sys; sys.argv = ['earshot', '--endpoint', 'http://127.0.0.1:9', *{arguments!r}]\n"
        "from earshot.cli import main\n"
        "try: main()\n"
        f"finally: print('imported:', *sorted(set(sys.modules) & {banned!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == (3 if arguments == ("status",) else 0), done.stderr
    assert done.stdout.splitlines()[-1] == "imported:"


# --------------------------------------------------------------------------------- configuration


def configured(text: str, mode: int = 0o600) -> Path:
    path = config_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


FILE = f"""
endpoint = "https://file.example"
token = "{TOKEN}"
[profiles.forest]
endpoint = "https://forest.example/stage/"
token = "ear_forest"
[profiles.open]
endpoint = "https://open.example"
"""


def test_without_anything_it_is_the_local_stack(earshot: Shell) -> None:
    assert read(Given()) == Configuration("http://127.0.0.1:8000", None, {"endpoint": "default"})


@given(flag=st.booleans(), variable=st.booleans(), file=st.booleans(), name=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=16)
def test_a_flag_comes_before_the_environment_and_that_before_the_file(
    earshot: Shell, flag: bool, variable: bool, file: bool, name: bool
) -> None:
    option = "token" if name else "endpoint"
    given = {"flag": "https://flag.example", "variable": "https://variable.example"}
    configured(FILE if file else "")
    done = earshot(
        *([f"--{option}", given["flag"]] if flag else []), "config", "show", "--json",
        **({f"EARSHOT_{option.upper()}": given["variable"]} if variable else {}),
    )  # fmt: skip
    shown = done.json[option]
    if flag or variable:
        expected = given["flag" if flag else "variable"]
        assert shown["from"] == "given"
    else:
        expected = {"endpoint": "https://file.example", "token": TOKEN}[option]
        if not file:
            expected = {"endpoint": "http://127.0.0.1:8000", "token": None}[option]
    if name and expected:
        expected = "earshot_0123456789ab_…" if expected == TOKEN else "…"
    assert shown["value"] == expected


def test_a_profile_has_an_address_and_a_token_of_its_own(earshot: Shell) -> None:
    configured(FILE)
    forest = read(Given(profile="forest"))
    assert (forest.endpoint, forest.token) == ("https://forest.example/stage", "ear_forest")
    assert read(Given(profile="open")).token is None
    assert read(Given()).token == TOKEN


def test_a_token_of_the_file_goes_nowhere_else(earshot: Shell) -> None:
    configured(FILE)
    earshot.answers(lambda _: httpx2.Response(401))
    earshot("--endpoint", "https://elsewhere.example", "status")
    earshot("--endpoint", "https://file.example/", "status")
    elsewhere, home = earshot.asked
    assert "authorization" not in elsewhere.headers
    assert home.headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("text", "given", "words"),
    [
        ("endpoint = ", Given(), "cannot be read"),
        ("endpoint = 3", Given(), "endpoint is no text"),
        ("token = []", Given(), "token is no text"),
        ("profiles = 3", Given(profile="a"), "no profile 'a'"),
        ("[profiles]\na = 3", Given(profile="a"), "no text"),
        ("", Given(profile="a"), "no profile 'a'"),
        ("", Given(endpoint="localhost:8000"), "no address"),
        ("", Given(endpoint="ftp://x"), "no address"),
        ("", Given(endpoint="http://[::1"), "no address"),
        ("", Given(endpoint="http://x:port"), "no address"),
        ("", Given(token="two words"), "characters that no token has"),
        ("", Given(token="ear_é"), "characters that no token has"),
        ("", Given(token="a\nb: c"), "characters that no token has"),
    ],
)
def test_a_configuration_that_makes_no_sense_says_so(
    earshot: Shell, text: str, given: Given, words: str
) -> None:
    configured(text)
    with pytest.raises(BadSettings, match=re.escape(words)):
        read(given)


@pytest.mark.parametrize(
    ("endpoint", "token", "warned"),
    [
        ("http://earshot.example", TOKEN, True),
        ("http://10.0.0.7:8000", TOKEN, True),
        ("https://earshot.example", TOKEN, False),
        ("http://127.0.0.1:8000", TOKEN, False),
        ("http://localhost:8000", TOKEN, False),
        ("http://[::1]:8000", TOKEN, False),
        ("http://earshot.example", "", False),
    ],
)
def test_a_token_that_travels_in_the_open_is_warned_of(
    earshot: Shell, endpoint: str, token: str, warned: bool
) -> None:
    done = earshot("--endpoint", endpoint, "--token", token, "config", "show", "--json")
    assert done.code == 0
    assert ("unencrypted" in done.err) == warned
    assert done.json["endpoint"]["value"] == endpoint


@pytest.mark.parametrize(
    ("text", "mode", "warned"),
    [(FILE, 0o644, True), (FILE, 0o640, True), (FILE, 0o600, False), ("", 0o644, False)],
)
def test_a_file_that_shows_a_token_to_others_is_warned_of(
    earshot: Shell, text: str, mode: int, warned: bool
) -> None:
    path = configured(text, mode)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    done = earshot("config", "show", "--json")
    assert (f"chmod 600 '{path}'" in done.err) == warned
    assert "secret" not in done.out + done.err


# ---------------------------------------------------------------------------------------- predict


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


# ---------------------------------------------------------------------------------------- looking


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


# --------------------------------------------------------------------------------------- versions


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


# --------------------------------------------------------------------------------------- training


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


# ----------------------------------------------------------------------------------------- upload


# Its fields come before its file, as S3 wants it.
FORM = re.compile(
    rb'name="key"\r\n\r\n(.*?)\r\n--.*?name="file"; filename=.*?\r\n\r\n(.*)\r\n--\w+--', re.DOTALL
)


class Service:
    """The API and the bucket as far as an upload goes: forms up to 1,000 bytes, parts of 400.

    ``stumbles`` come before answers of the bucket, ``refuses`` says what the API refuses.
    """

    FORM, PART = 1_000, 400

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.stumbles: list[Any] = []
        self.refuses: Callable[[dict[str, Any]], httpx2.Response | None] = lambda _: None
        self.puts = 0
        self._lock = Lock()

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        with self._lock:
            if request.url.host == "bucket":
                return self._bucket(request)
            if request.url.path == "/health":
                return httpx2.Response(200, json={"status": "ok"})
            if request.url.path.endswith("/complete"):
                return self._complete(request)
            return self._ask(json.loads(request.content))

    def _ask(self, wish: dict[str, Any]) -> httpx2.Response:
        if refusal := self.refuses(wish):
            return refusal
        key = {
            "sample": f"samples/{wish.get('label')}/{wish.get('recording', '')}/",
            "recording": f"recordings/{wish.get('site')}/",
            "archive": "imports/",
        }[wish["kind"]] + f"{wish['sha256'][:12]}-{wish['name']}"
        if key in self.objects:
            return httpx2.Response(201, json={"key": key, "state": "stored", "parts": []})
        grant = {"key": key, "state": "wanted", "method": "form", "url": "http://bucket/"}
        if wish["size"] <= self.FORM:
            return httpx2.Response(201, json={**grant, "fields": {"key": key}, "parts": []})
        there = self.parts.setdefault(key, {})
        parts = [
            {
                "number": number, "start": start, "size": min(self.PART, wish["size"] - start),
                "stored": number in there,
                "url": None if number in there else f"http://bucket/{number}?{self.puts}",
            }
            for number, start in enumerate(range(0, wish["size"], self.PART), 1)
        ]  # fmt: skip
        self._key = key
        return httpx2.Response(
            201, json={**grant, "method": "parts", "upload_id": "id+1", "parts": parts}
        )

    def _bucket(self, request: httpx2.Request) -> httpx2.Response:
        assert "authorization" not in request.headers
        self.puts += 1
        stumble = self.stumbles.pop(0) if self.stumbles else None
        if isinstance(stumble, BaseException):
            raise stumble
        if stumble is not None:
            return httpx2.Response(stumble, text=f"<Error><Code>No{stumble}</Code></Error>")
        if request.method == "POST":
            form = FORM.search(request.content)
            assert form
            self.objects[form[1].decode()] = form[2]
        else:
            assert request.headers["content-length"] == str(len(request.content))
            self.parts[self._key][int(request.url.path[1:])] = request.content
        return httpx2.Response(204)

    def _complete(self, request: httpx2.Request) -> httpx2.Response:
        assert request.url.raw_path == b"/uploads/id%2B1/complete"
        wish = json.loads(request.content)
        parts = self.parts.pop(wish["key"])
        whole = b"".join(parts[number] for number in sorted(parts))
        assert len(whole) == wish["size"]
        self.objects[wish["key"]] = whole
        return httpx2.Response(200, json={"key": wish["key"], "state": "stored"})


@pytest.fixture
def service(earshot: Shell) -> Service:
    made = Service()
    earshot.answers(made)
    return made


def content(seed: int, size: int) -> bytes:
    return default_rng(seed).bytes(size)


def places(service: Service) -> set[str]:
    return {re.sub(r"[0-9a-f]{12}-", "", key) for key in service.objects}


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    for number, name in enumerate(
        ("siren/a.wav", "siren/tape 7/b.wav", "casual/ä.flac", "casual/notes.txt", "siren/._a.wav")
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content(number, 300 + number))
    return folder


def test_a_folder_is_sent_with_its_labels_and_only_once(
    earshot: Shell, service: Service, clips: Path
) -> None:
    done = earshot("upload", clips, "--json")
    assert done.code == 0
    assert places(service) == {
        "samples/siren//a.wav", "samples/siren/tape 7/b.wav", "samples/casual//ä.flac",
    }  # fmt: skip
    assert set(service.objects.values()) == {content(n, 300 + n) for n in range(3)}
    report = done.json
    assert (report["sent"], report["there"], report["refused"]) == (3, 0, 0)
    assert {row["key"] for row in report["files"]} == set(service.objects)
    again = earshot("upload", clips, "--json").json
    assert (again["sent"], again["there"]) == (0, 3)
    assert service.puts == 3
    assert "0 sent, 3 there already" in earshot("upload", clips).out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--label", "siren"), {"samples/siren//siren 1.wav", "samples/siren/deep/gun-2.wav"}),
        (("--site", "ridge"), {"recordings/ridge/siren 1.wav", "recordings/ridge/gun-2.wav"}),
        (
            ("--labels-from-names",),
            {"samples/siren//siren 1.wav", "samples/gun/deep/gun-2.wav"},
        ),
    ],
)
def test_labels_may_come_from_elsewhere_than_folders(
    earshot: Shell, service: Service, tmp_path: Path, options: tuple[str, ...], expected: set[str]
) -> None:
    for name in ("siren 1.wav", "deep/gun-2.wav"):
        (tmp_path / "tapes" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tapes" / name).write_bytes(name.encode())

    def api(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/classes":
            return httpx2.Response(200, json={"classes": [{"label": "siren"}]})
        if request.url.path == "/samples":
            return httpx2.Response(200, json={"labels": {"gun": 3}})
        return service(request)

    earshot.answers(api)
    assert earshot("upload", tmp_path / "tapes", *options).code == 0
    assert places(service) == expected


def test_files_and_archives_are_named_one_by_one(
    earshot: Shell, service: Service, tmp_path: Path
) -> None:
    archive, file = tmp_path / "clips.ZIP", tmp_path / "no suffix"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("siren/a.wav", b"x")
    file.write_bytes(b"whatever it is")
    assert earshot("upload", archive).code == 0
    assert earshot("upload", file, file, "--site", "ridge", "--json").json["sent"] == 1
    assert places(service) == {"imports/clips.ZIP", "recordings/ridge/no suffix"}


@pytest.mark.parametrize(
    ("name", "options", "code", "words"),
    [
        ("loose.wav", (), "bad_sample", "--label NAME"),
        ("loose.wav", ("--labels-from-names",), "label_missing", "begins with no label"),
        ("bad.zip", (), "damaged_archive", "is not a zip archive"),
        ("empty", (), "bad_sample", "no audio below"),
    ],
)
def test_what_cannot_be_told_is_refused_before_anything_is_sent(
    earshot: Shell,
    api: TestClient,
    tmp_path: Path,
    name: str,
    options: tuple[str, ...],
    code: str,
    words: str,
) -> None:
    path = tmp_path / "given" / name
    path.parent.mkdir()
    path.write_bytes(b"x") if path.suffix else path.mkdir()
    for target in (path, path.parent) if path.suffix == ".wav" else (path,):
        done = earshot("upload", target, *options, "--json")
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(f"{code}: ")
        assert words in done.err
    assert all(request.method == "GET" for request in earshot.asked)


def test_two_sources_of_labels_are_one_too_many(earshot: Shell, clips: Path) -> None:
    assert earshot("upload", clips, "--label", "siren", "--site", "ridge").code == 2


def test_an_archive_has_its_own_labels(earshot: Shell, service: Service, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("siren/a.wav", b"x")
    done = earshot("upload", tmp_path / "a.zip", "--label", "siren")
    assert (done.code, service.objects) == (1, {})
    assert "have their labels there" in done.err


def test_refused_files_are_listed_and_the_others_sent(
    earshot: Shell, service: Service, clips: Path
) -> None:
    service.refuses = lambda wish: (
        problem(422, "unknown_label", "No 'casual'.") if wish["label"] == "casual" else None
    )
    done = earshot("upload", clips, "--json")
    assert done.code == 1
    report = done.json
    assert (report["sent"], report["refused"]) == (2, 1)
    (refused,) = [row for row in report["files"] if row["state"] == "refused"]
    assert refused == {
        "file": str(clips / "casual" / "ä.flac"), "state": "refused", "code": "unknown_label",
        "detail": "No 'casual'.",
    }  # fmt: skip
    assert f"unknown_label: {refused['file']}: No 'casual'." in done.err.splitlines()


def test_a_file_that_cannot_be_read_is_listed(
    earshot: Shell, service: Service, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.open

    def guarded(path: Path, *how: Any, **more: Any) -> Any:
        if path.name == "a.wav":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *how, **more)

    monkeypatch.setattr(Path, "open", guarded)
    done = earshot("upload", clips, "--json")
    assert done.code == 1
    assert (done.json["sent"], done.json["refused"]) == (2, 1)
    assert f"unreadable: {clips / 'siren' / 'a.wav'}: Permission denied" in done.err


@given(size=st.integers(1, 3_000), stumbles=st.lists(st.sampled_from(
    [httpx2.ConnectError("gone"), httpx2.WriteError("gone"), 500, 503, 429]
), max_size=5))  # fmt: skip
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40
)
def test_a_network_that_comes_and_goes_loses_and_repeats_nothing(
    earshot: Shell, tmp_path: Path, size: int, stumbles: list[Any]
) -> None:
    file, service = tmp_path / "a.wav", Service()
    file.write_bytes(content(size, size))
    service.stumbles = list(stumbles)
    earshot.answers(service)
    assert earshot("upload", file, "--site", "ridge").code == 0
    assert list(service.objects.values()) == [content(size, size)]
    parts = 1 if size <= Service.FORM else -(-size // Service.PART)
    assert service.puts == parts + len(stumbles) - len(service.stumbles)


@pytest.mark.parametrize("before", range(6))
def test_an_upload_that_was_cut_off_goes_on_part_by_part(
    earshot: Shell, service: Service, tmp_path: Path, before: int
) -> None:
    file = tmp_path / "night.wav"
    file.write_bytes(content(1, 2_300))
    service.stumbles = [*[None] * before, KeyboardInterrupt()]
    done = earshot("upload", file, "--site", "ridge", "--jobs", 1, "--json")
    assert (done.code, done.out) == (130, "")
    assert "the same command goes on" in done.err
    assert service.objects == {}
    puts, there = service.puts, sum(map(len, service.parts.values()))
    assert there >= before
    assert earshot("upload", file, "--site", "ridge").code == 0
    assert list(service.objects.values()) == [content(1, 2_300)]
    assert service.puts == puts + 6 - there


def test_addresses_that_have_run_out_are_asked_for_again(
    earshot: Shell, service: Service, tmp_path: Path
) -> None:
    file = tmp_path / "night.wav"
    file.write_bytes(content(1, 2_300))
    service.stumbles = [None, 403, None, None, 403]
    assert earshot("upload", file, "--site", "ridge", "--jobs", 1).code == 0
    assert list(service.objects.values()) == [content(1, 2_300)]
    assert service.puts == 6 + 2


@pytest.mark.parametrize("status", [400, 403, 500])
@pytest.mark.parametrize("size", [300, 2_300])
def test_what_the_bucket_refuses_is_told_and_ends(
    earshot: Shell, service: Service, tmp_path: Path, status: int, size: int
) -> None:
    file = tmp_path / "night.wav"
    file.write_bytes(content(1, size))
    service.stumbles = [status] * 100
    done = earshot("upload", file, "--site", "ridge", "--json")
    assert (done.code, service.objects) == (1, {})
    assert done.json["files"][0]["code"] == "storage_refused"
    assert f"No{status}" in done.err


def test_a_network_that_stays_away_ends_with_3(
    earshot: Shell, service: Service, clips: Path
) -> None:
    service.stumbles = [httpx2.ConnectError("gone") for _ in range(100)]
    done = earshot("upload", clips, "--json")
    assert (done.code, done.out) == (3, "")
    assert done.err.splitlines()[-1].startswith("api_unreachable: http://bucket cannot be reached")


# ------------------------------------------------------------------------------------ earshot train


def labelled(folder: Path, labels: tuple[str, ...] = tuple(SOUNDS), clips: int = 12) -> Path:
    for label in labels:
        (folder / label).mkdir(parents=True)
        for seed in range(clips):
            (folder / label / f"{seed}.wav").write_bytes(clip(label, seed))
    return folder


def test_a_folder_becomes_a_bundle_that_hears(tmp_path: Path) -> None:
    folder = labelled(tmp_path / "clips")
    (folder / "siren" / "bad.wav").write_bytes(b"not audio")
    out = tmp_path / "bundle"
    done = runner.invoke(cli.app, ["train", str(folder), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "Accuracy" in done.output
    assert "bad.wav is left out" in done.output
    bundle = Bundle.load(out)
    assert bundle.card.labels == ("casual", "explosion", "gunshot", "siren")
    unheard = Waveform(SOUNDS["siren"](default_rng(500)), RATE)
    assert Detector(bundle).classify(unheard).label == "siren"


def test_another_backbone_may_be_chosen(tmp_path: Path) -> None:
    folder, out = labelled(tmp_path / "clips"), tmp_path / "bundle"
    arguments = ["train", str(folder), "--out", str(out), "--backbone", "acoustic"]
    done = runner.invoke(cli.app, arguments)
    assert done.exit_code == 0, done.output
    assert Bundle.load(out).card.backbone == "acoustic"


def test_a_bundle_is_never_overwritten(tmp_path: Path) -> None:
    done = runner.invoke(cli.app, ["train", str(tmp_path), "--out", str(tmp_path)])
    assert isinstance(done.exception, BadDataset)
    assert "exists already" in str(done.exception)


def test_labels_that_the_application_lacks_are_refused(tmp_path: Path) -> None:
    folder = labelled(tmp_path / "clips", clips=1)
    (folder / "siren").rename(folder / "owl")
    application = REPOSITORY / "infra" / "applications" / "surveillance.toml"
    done = runner.invoke(
        cli.app,
        ["train", str(folder), "--application", str(application), "--out", str(tmp_path / "b")],
    )
    assert isinstance(done.exception, BadDataset)
    assert "owl" in str(done.exception)
    assert not (tmp_path / "b").exists()


def test_real_clips_are_learnt(tmp_path: Path, data_dir: Path) -> None:
    out = tmp_path / "bundle"
    done = runner.invoke(cli.app, ["train", str(data_dir / "sesa"), "--out", str(out)])
    assert done.exit_code == 0, done.output
    card = ModelCard.from_json((out / "card.json").read_bytes())
    assert card.metrics["clips"] >= 60
    assert card.metrics["accuracy"] >= 0.88
