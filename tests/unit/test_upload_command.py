"""``earshot upload``: files, folders and archives, over a network that comes and goes."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.random import default_rng
from shell import Shell, problem

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
