"""Who may call which route, by which token, and from which pages."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from conftest import REPOSITORY, Aws, clip
from earshot.errors import BadSettings
from earshot.settings import Settings
from earshot.tokens import SCOPES, Scope
from earshot.wiring import wire
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from predict import auth, middleware
from predict.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.services import Services
    from fastapi import FastAPI

PAGE = "https://birds.example.org"
ORIGIN = {"Origin": PAGE}
DOCUMENTS = {"/openapi.json", "/docs", "/web/{version}/{path:path}"}


@pytest.fixture
def guarded(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Services:
    """The use cases of a deployment that asks for tokens, as it does unless told otherwise."""
    monkeypatch.delenv("EARSHOT_AUTH")
    return wire(Settings.from_environment(), boto3.client)


@pytest.fixture
def client(guarded: Services) -> Iterator[TestClient]:
    with TestClient(create_app(guarded), raise_server_exceptions=False) as client:
        yield client


def bearer(services: Services, scope: Scope, name: str = "somebody") -> dict[str, str]:
    assert services.tokens is not None
    return {"Authorization": f"Bearer {services.tokens.create(name, scope)[1]}"}


def routes(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and path of an application, those that no schema shows as well."""
    return [
        (method, context.path)
        for context in iter_route_contexts(app.routes)
        for method in sorted(context.methods - {"HEAD"})
    ]


def needed(method: str, path: str) -> Scope | None:
    """The rule: who asks needs least, who changes something more.

    Who moves the champion, or sends word to people by a test, needs most.
    """
    if path in {"/", "/health", *DOCUMENTS}:
        return None
    if method == "GET" or path in {"/predict", "/search"}:
        return "predict"
    return "admin" if path.startswith(("/models/", "/alerts/")) else "write"


def concrete(path: str) -> str:
    return path.replace("{", "").replace("}", "").replace(":path", "")


# --- every route ---------------------------------------------------------------------------


def test_every_route_has_its_row_and_every_row_its_route(guarded: Services) -> None:
    found = {f"{method} {path}" for method, path in routes(create_app(guarded))}
    assert found - {"GET /openapi.json"} == set(auth.SCOPES)


def test_every_row_keeps_to_the_rule() -> None:
    asked = {row: needed(*row.split()) for row in auth.SCOPES}
    assert asked == auth.SCOPES


def test_no_route_is_open_that_should_not_be(guarded: Services, client: TestClient) -> None:
    """Asked over HTTP, so that it holds for whatever was put into the application."""
    app = create_app(guarded)
    for method, path in routes(app):
        answer = client.request(method, concrete(path))
        if needed(method, path) is None:
            # There is no file of such a name.
            assert answer.status_code == (404 if "{" in path else 200), path
        else:
            assert answer.status_code == 401, path
            assert answer.json()["code"] == "token_required"
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.headers["content-type"] == "application/problem+json"


def test_each_route_takes_its_scope_and_no_lesser_one(
    guarded: Services, client: TestClient
) -> None:
    tokens = {scope: bearer(guarded, scope) for scope in SCOPES}
    for method, path in routes(create_app(guarded)):
        wanted = needed(method, path)
        if wanted is None:
            continue
        for scope in SCOPES:
            answer = client.request(method, concrete(path), headers=tokens[scope])
            if SCOPES.index(scope) < SCOPES.index(wanted):
                assert answer.status_code == 403, (scope, method, path)
                assert answer.json()["code"] == "scope_missing"
            else:
                assert answer.status_code not in (401, 403), (scope, method, path)


def test_a_route_without_a_row_is_the_administrator_s(
    guarded: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(auth.SCOPES, "GET /models")
    client = TestClient(create_app(guarded))
    assert client.get("/models", headers=bearer(guarded, "write")).status_code == 403
    assert client.get("/models", headers=bearer(guarded, "admin")).status_code == 200


def test_what_is_off_asks_nobody(services: Services) -> None:
    assert services.tokens is None
    app = create_app(services)
    client = TestClient(app)
    assert client.get("/models").status_code == 200
    assert client.get("/models", headers={"Authorization": "Bearer junk"}).status_code == 200
    assert "securitySchemes" not in client.get("/openapi.json").json()["components"]


def test_the_manual_says_which_scope_a_route_asks_for(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    assert schema["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    paths = schema["paths"]
    assert paths["/models/rollback"]["post"]["security"] == [{"token": ["admin"]}]
    assert paths["/predict"]["post"]["security"] == [{"token": ["predict"]}]
    assert "security" not in paths["/health"]["get"]


# --- tokens over HTTP ----------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
def test_the_scheme_s_case_and_spaces_do_not_matter(
    guarded: Services, client: TestClient, scheme: str
) -> None:
    text = bearer(guarded, "predict")["Authorization"].split()[1]
    answer = client.get("/models", headers={"Authorization": f"{scheme} {text}"})
    assert answer.status_code == 200


def test_a_revoked_or_foreign_token_is_refused(guarded: Services, client: TestClient) -> None:
    assert guarded.tokens is not None
    token, text = guarded.tokens.create("visitor", "predict")
    headers = {"Authorization": f"Bearer {text}"}
    assert client.get("/models", headers=headers).status_code == 200
    guarded.tokens.revoke(token.id)
    for one in (headers, {"Authorization": f"Bearer earshot_{'0' * 12}_{'0' * 64}"}):
        answer = client.get("/models", headers=one)
        assert answer.status_code == 401
        assert answer.json()["code"] == "token_invalid"
        assert answer.headers["www-authenticate"] == "Bearer"


# What an HTTP header can hold, with what nearly is a token among it.
WORDS = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=255), max_size=80)
HEADERS = st.one_of(
    WORDS,
    WORDS.map("Bearer {}".format),
    WORDS.map("bearer earshot_{}".format),
    st.text(alphabet="0123456789abcdef", min_size=76, max_size=76).map(
        lambda digits: f"Bearer earshot_{digits[:12]}_{digits[12:]}"
    ),
    st.sampled_from(["Bearer", "Bearer ", "Bearer,", "Basic eDp5", "Bearer a b", "Bearer \xff"]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(header=HEADERS)
def test_no_header_of_chance_opens_anything(client: TestClient, header: str) -> None:
    answer = client.get("/models", headers={b"Authorization": header.strip().encode("latin-1")})
    assert answer.status_code == 401
    assert answer.json()["code"] in ("token_required", "token_invalid")


def test_a_refused_recording_is_not_even_looked_at(client: TestClient, aws: Aws) -> None:
    answer = client.post("/predict", files={"file": clip("siren")})
    assert answer.status_code == 401


def test_without_the_table_nobody_gets_in(guarded: Services, client: TestClient, aws: Aws) -> None:
    headers = bearer(guarded, "admin")
    aws.dynamodb.delete_table(TableName="earshot")
    answer = client.post("/predict", content=clip("siren"), headers=headers)
    assert answer.status_code == 503
    assert answer.json()["code"] == "aws_unavailable"


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "TRACE"])
def test_no_other_method_gets_past(client: TestClient, method: str) -> None:
    answer = client.request(method, "/models")
    assert answer.status_code in (401, 405)
    assert "champion" not in answer.text


def test_promotions_are_made_in_the_token_s_name(guarded: Services, client: TestClient) -> None:
    default = guarded.serving.default
    assert default is not None
    for version in ("v2", "v3"):
        card = replace(default.card, version=version)
        guarded.registry.publish(card, {"model.onnx": default.model})
    wish = {"reason": "heard better", "by": "the mayor"}
    headers = bearer(guarded, "admin", "Ada")
    for version in ("v2", "v3"):
        path = f"/models/{version}/promote"
        assert client.post(path, json=wish, headers=headers).json()["promoted_by"] == "Ada"
    headers = bearer(guarded, "admin", "Grace")
    back = client.post("/models/rollback", json=wish, headers=headers).json()
    assert (back["promoted_by"], back["version"]) == ("Grace", "v2")


def test_no_token_shows_in_answers_or_logs(
    guarded: Services, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    headers = bearer(guarded, "predict")
    text = headers["Authorization"].split()[1]
    secret = text.rpartition("_")[2]
    wrong = {"Authorization": f"Bearer {text[:-1]}"}
    caplog.clear()
    answers = [
        client.get("/models", headers=headers),
        client.post("/retrain", headers=headers),
        client.get("/models", headers=wrong),
        client.post("/predict", headers=headers, content=b"junk"),
        client.get("/nothing", headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [200, 403, 401, 415, 404]
    said = caplog.text + "".join(answer.text + str(answer.headers) for answer in answers)
    assert caplog.text
    assert secret[:20] not in said


# --- pages of other origins ----------------------------------------------------------------


def across(services: Services, *origins: str) -> TestClient:
    app = middleware.across(create_app(services), origins)
    return TestClient(app, raise_server_exceptions=False)


def preflight(client: TestClient, method: str = "POST", page: str = PAGE) -> Any:
    asked = {
        "Origin": page,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return client.options("/predict", headers=asked)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_page_that_is_named_may_call(guarded: Services, method: str) -> None:
    answer = preflight(across(guarded, PAGE), method)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert method in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert "authorization" in allowed
    assert "content-type" in allowed


def test_another_page_may_not(guarded: Services) -> None:
    client = across(guarded, PAGE)
    for page in ("https://evil.example", f"{PAGE}.evil.example", "null"):
        assert preflight(client, page=page).status_code == 400
        answer = client.get("/health", headers={"Origin": page})
        assert "access-control-allow-origin" not in answer.headers


def test_without_the_setting_no_page_may(guarded: Services) -> None:
    client = across(guarded)
    assert preflight(client).status_code == 405
    answer = client.get("/health", headers=ORIGIN)
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_every_page_may_by_a_star_but_never_with_credentials(guarded: Services) -> None:
    client = across(guarded, "*")
    for answer in (preflight(client), client.get("/health", headers=ORIGIN)):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


def test_refusals_and_failures_can_be_read_there_too(
    guarded: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = across(guarded, PAGE)
    headers = ORIGIN | bearer(guarded, "predict")

    def fail(_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(type(guarded.registry), "champion", fail)
    monkeypatch.setattr(logging.getLogger("predict.problems"), "disabled", True)
    answers = [
        client.get("/models", headers=ORIGIN),
        client.post("/retrain", headers=headers),
        client.get("/nothing", headers=headers),
        client.post("/predict", content=bytes(4_400_001), headers=headers),
        client.get("/models", headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [401, 403, 404, 413, 500]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert answer.headers["access-control-expose-headers"].lower() == "x-request-id"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


# --- settings ------------------------------------------------------------------------------

ENVIRONMENT = {
    "EARSHOT_RECORDINGS_BUCKET": "recordings",
    "EARSHOT_ARTIFACTS_BUCKET": "artifacts",
    "EARSHOT_TABLE": "table",
    "EARSHOT_EVENT_BUS": "bus",
    "EARSHOT_APPLICATION": str(REPOSITORY / "infra" / "applications" / "birds.toml"),
    "EARSHOT_DEFAULT_BUNDLE": "/opt/earshot/bundles/birds",
    "EARSHOT_RETRAIN_THRESHOLD": "100",
    "EARSHOT_RELOAD_S": "30",
}


def told(**settings: str) -> Settings:
    return Settings.from_environment(
        ENVIRONMENT | {f"EARSHOT_{name.upper()}": value for name, value in settings.items()}
    )


def test_tokens_are_asked_for_unless_a_deployment_says_otherwise() -> None:
    assert told().auth == "token"
    assert told(auth="token").auth == "token"
    assert told(auth="off").auth == "off"


@pytest.mark.parametrize("value", ["", "Off", "none", "false", "0"])
def test_no_other_word_opens_the_api(value: str) -> None:
    with pytest.raises(BadSettings, match="EARSHOT_AUTH must be token or off"):
        told(auth=value)


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("", ()),
        ("*", ("*",)),
        (PAGE, (PAGE,)),
        (f" {PAGE} , http://localhost:5173,", (PAGE, "http://localhost:5173")),
    ],
)
def test_origins_are_a_list(value: str, origins: tuple[str, ...]) -> None:
    assert told(cors_origins=value).cors_origins == origins
    assert told().cors_origins == ()


@pytest.mark.parametrize(
    "value",
    ["example.org", f"{PAGE}/", f"{PAGE}/page", "https://", "https://*.x.org", f"{PAGE} {PAGE}"],
)
def test_what_no_browser_would_send_is_no_origin(value: str) -> None:
    with pytest.raises(BadSettings, match="EARSHOT_CORS_ORIGINS"):
        told(cors_origins=value)
