"""``earshot recordings``: what became of field recordings, and what was detected in them."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from conftest import Aws, tape
from earshot.recording import object_id
from earshot.services import Services
from fastapi.testclient import TestClient
from shell import Shell

TAPE = "recordings/ridge/tape.wav"


@pytest.fixture
def heard(aws: Aws, services: Services) -> str:
    """The id of a recording that was heard, beside one that was refused."""
    services.receive(aws.drop(TAPE, tape()))
    services.receive(aws.drop("recordings/creek/card.wav", b"the card was full"))
    return object_id(TAPE)


def test_recordings_are_listed_with_what_became_of_them(
    earshot: Shell, api: TestClient, heard: str
) -> None:
    shown = earshot("recordings", "list")
    assert (shown.code, shown.err) == (0, "")
    for word in (heard, TAPE, "analysed", "gunshot 1, siren 1", "refused", "is not audio"):
        assert word in shown.out
    (only,) = earshot("recordings", "list", "--site", "ridge", "--json").json["recordings"]
    assert only == api.get(f"/recordings/{heard}").json()
    assert earshot("recordings", "list", "--limit", 1).err == "There are more: say --limit.\n"


def test_a_long_list_is_taken_page_by_page(earshot: Shell) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        place, wanted = int(request.url.params.get("cursor", 0)), int(request.url.params["limit"])
        assert wanted <= 100
        rows = [{"recording": f"{n:016x}"} for n in range(place, min(place + wanted, 250))]
        following = place + wanted
        more = str(following) if following < 250 else None
        return httpx2.Response(200, json={"recordings": rows, "next": more})

    earshot.answers(answer)
    found = earshot("recordings", "list", "--limit", 1000, "--json").json["recordings"]
    assert [int(one["recording"], 16) for one in found] == list(range(250))
    assert len(earshot("recordings", "list", "--limit", 120, "--json").json["recordings"]) == 120


@pytest.mark.parametrize("form", ["csv", "json", "raven", "audacity"])
def test_detections_are_printed_as_the_api_writes_them(
    earshot: Shell, api: TestClient, heard: str, form: str
) -> None:
    wish = {"format": form, "label": "gunshot", "min_confidence": 0.5}
    printed = earshot(
        *("recordings", "detections", heard, "--format", form),
        *("--label", "gunshot", "--min-confidence", 0.5),
    )
    assert (printed.code, printed.err) == (0, "")
    assert printed.out == api.get(f"/recordings/{heard}/detections", params=wish).text
    assert len(earshot("recordings", "detections", heard, "--format", form).out) > len(printed.out)


@pytest.mark.parametrize(
    ("recording", "code"), [("0" * 16, "recording_not_found"), ("../status", "not_found")]
)
def test_a_recording_that_is_not_there_is_refused(
    earshot: Shell, api: TestClient, recording: str, code: str
) -> None:
    done = earshot("recordings", "detections", recording)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"{code}: ")


def test_after_recordings_were_sent_it_says_where_to_look(
    earshot: Shell, api: TestClient, heard: str, tmp_path: Path
) -> None:
    file = tmp_path / "night.wav"
    file.write_bytes(tape())
    sent = earshot("upload", file, "--site", "ridge")
    assert "earshot recordings list says what became of them" in sent.out
