"""Which service the command asks and with which token: flags, environment, file, profiles."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import httpx2
import pytest
from earshot.cli.configuration import Configuration, Given, config_file, read
from earshot.errors import BadSettings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shell import Shell

TOKEN = "earshot_0123456789ab_secret"


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
