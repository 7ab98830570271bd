"""How the dashboard's files are sent: kept by browsers, compressed, under a strict policy."""

from __future__ import annotations

import base64
import gzip
import importlib
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Aws, http_event
from fastapi.testclient import TestClient

from predict import assets
from predict.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

WEB = assets.WEB
# As browsers load them with the page Listen; the manual's are another page's.
MAX_PAGE_BYTES = 500_000
FILES = [
    file.relative_to(WEB).as_posix() for file in WEB.rglob("*") if file.suffix in (".js", ".css")
]


@pytest.fixture
def client(services: Any) -> Iterator[TestClient]:
    with TestClient(create_app(services)) as client:
        yield client


def directives(answer: Any) -> dict[str, list[str]]:
    policy = answer.headers["content-security-policy"]
    return {name: values for name, *values in (part.split() for part in policy.split(";"))}


def links(html: str) -> list[str]:
    """The addresses in a page, of this server or others."""
    return re.findall(r'(?:src|href)="([^"]+)"', html)


@pytest.mark.parametrize("page", ["/", "/docs"])
def test_every_file_that_a_page_names_is_there(client: TestClient, page: str) -> None:
    found = links(client.get(page).text)
    assert len(found) >= 3
    for link in found:
        answer = client.get(f"/{link}")
        assert answer.status_code == 200, link
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("file", "media_type"),
    [
        ("app.js", "text/javascript; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
        ("vendor/atkinson.woff2", "font/woff2"),
    ],
)
def test_files_bear_their_types(client: TestClient, file: str, media_type: str) -> None:
    answer = client.get(f"/web/{assets.version()}/{file}")
    assert answer.content == (WEB / file).read_bytes()
    assert answer.headers["content-type"] == media_type


def test_every_module_that_is_imported_is_there() -> None:
    for name in FILES:
        text = (WEB / name).read_text()
        for found in re.findall(r'(?:from|import\(|URL\()\s*"(\.[^"]+)"', text):
            assert (WEB / name).parent.joinpath(found).is_file(), f"{name} imports {found}"


def test_the_manual_brings_its_script_and_style(client: TestClient) -> None:
    asked = re.findall(r'(?:src|href)="(web/[^"]+)"', client.get("/docs").text)
    assert {file.rpartition("/")[2] for file in asked} > {"swagger-ui-bundle.js", "swagger-ui.css"}
    for file in asked:
        assert client.get(f"/{file}").status_code == 200, file


def test_a_page_is_asked_for_again_and_sent_once(client: TestClient) -> None:
    first = client.get("/")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert client.get("/", headers={"If-None-Match": 'W/"0"'}).status_code == 200


def test_another_version_s_name_is_answered_but_not_kept(client: TestClient) -> None:
    answer = client.get("/web/000000000000/app.js")
    assert answer.content == (WEB / "app.js").read_bytes()
    assert answer.headers["cache-control"] == "no-cache"


def test_the_version_changes_with_any_file(monkeypatch: pytest.MonkeyPatch) -> None:
    before = assets.version()
    files = dict(assets.assets())
    files["format.js"] = assets.Asset(files["format.js"].content + b"\n", "text/javascript")
    monkeypatch.setattr(assets, "assets", lambda: files)
    assert assets.version.__wrapped__() != before


def test_what_is_large_is_compressed_for_those_who_take_it(client: TestClient) -> None:
    address = f"/web/{assets.version()}/style.css"
    plain = client.get(address, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    small = client.get(address, headers={"Accept-Encoding": "gzip, br"})
    assert small.headers["content-encoding"] == "gzip"
    assert int(small.headers["content-length"]) < len(plain.content) / 2
    assert small.content == plain.content
    assert {plain.headers["vary"], small.headers["vary"]} == {"accept-encoding"}


def test_head_tells_what_get_would_send(client: TestClient) -> None:
    answer = client.head(f"/web/{assets.version()}/app.js")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "path",
    [
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "....//app.py",
        "pages/../../app.py",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "..\\app.py",
        "app.js%00",
        "README.md",
        "vendor/licences/htm.txt",
        "",
    ],
)
def test_no_path_leads_out_or_to_what_is_no_page_s(client: TestClient, path: str) -> None:
    answer = client.get(f"/web/{assets.version()}/{path}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_the_policy_allows_our_own_files_and_the_buckets_only(client: TestClient) -> None:
    policy = directives(client.get("/"))
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == ["'self'"]
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == ["'none'"]
    own, *buckets = policy["connect-src"]
    assert own == "'self'"
    asked = {"kind": "recording", "name": "a.wav", "size": 9, "site": "ridge"}
    url = client.post("/uploads", json=asked).json()["url"]
    assert any(url.startswith(f"{bucket}/") for bucket in buckets)
    assert all(re.fullmatch(r"https?://[^/*]+", bucket) for bucket in buckets)


def test_nothing_comes_from_elsewhere() -> None:
    for name in FILES:
        if not name.startswith("vendor/"):
            text = (WEB / name).read_text()
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", text), (
                name
            )
            assert not re.search(r"[\"'(]https?://|[\"'(]//", text), name


def test_the_page_is_light() -> None:
    """Compressed, everything that any page of the dashboard may load."""
    sent = sum(
        len(gzip.compress(asset.content))
        if asset.media_type.startswith("text/")
        else len(asset.content)
        for name, asset in assets.assets().items()
        if "swagger" not in name and not name.startswith("docs")
    )
    assert sent < MAX_PAGE_BYTES


def test_modules_are_small() -> None:
    ours = [name for name in FILES if not name.startswith("vendor/")]
    assert {name for name in ours if len((WEB / name).read_text().splitlines()) > 300} == set()


@pytest.mark.parametrize("file", ["style.css", "vendor/atkinson.woff2"])
def test_lambda_sends_the_same_bytes(aws: Aws, own_logging: None, file: str) -> None:
    handler = importlib.import_module("predict.handler").handler
    try:
        event = http_event("GET", f"/web/{assets.version()}/{file}")
        event["headers"]["accept-encoding"] = "gzip"
        context = type("Context", (), {"aws_request_id": "1"})()
        answer = handler(event, context)
    finally:
        del sys.modules["predict.handler"]
    assert answer["statusCode"] == 200
    assert answer["isBase64Encoded"] is True
    body = base64.b64decode(answer["body"])
    if answer["headers"].get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    assert body == (WEB / file).read_bytes()
