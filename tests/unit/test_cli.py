"""The ``earshot`` command as a whole: its help, its exit statuses, what it says when it cannot."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from conftest import clip
from earshot import cli
from fastapi.testclient import TestClient
from shell import Shell, problem


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
    lists = dict.fromkeys(("alerts", "models", "recordings", "token", "dlq"), "list")
    below = lists | {"config": "show"}
    arguments = [command, below[command]] if command in below else [command]
    assert "--json" in earshot(*arguments, "--help").out


@pytest.mark.parametrize("group", ["alerts", "config", "dlq", "models", "recordings", "token"])
def test_the_help_of_a_group_offers_nothing_that_the_command_itself_does_not(
    earshot: Shell, group: str
) -> None:
    assert "completion" not in earshot(group, "--help").out


@pytest.mark.parametrize(
    "arguments",
    [
        ("stauts",), ("predict",), ("status", "--nonsense"), ("predict", "missing.wav"),
        ("runs", "--wait"), ("predict", "--top-k", "0", "x.wav"),
        ("search", "--kind", "owls", __file__),
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
