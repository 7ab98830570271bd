"""The manual says everything, and nothing that is not so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from conftest import REPOSITORY
from fastapi.testclient import TestClient

from infra import manual as page
from predict import problems
from predict.app import create_app
from predict.examples import DETAILS
from predict.manual import JSON, MEDIA_TYPE, detail, family, responses

SCHEMA = page.schema()
COMPONENTS = {"components": SCHEMA["components"]}
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, found in SCHEMA["paths"].items()
    for method, operation in found.items()
}


@pytest.fixture(params=OPERATIONS)
def operation(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = OPERATIONS[request.param]
    return found


def examples(content: dict[str, Any]) -> Iterator[Any]:
    """The examples of a body or an answer: its own, or those of the schemas it refers to."""
    if "example" in content:
        yield content["example"]
    schema = content["schema"]
    for one in schema.get("oneOf") or schema.get("anyOf") or [schema]:
        if "$ref" in one:
            name = one["$ref"].rpartition("/")[2]
            yield from SCHEMA["components"]["schemas"][name].get("examples", ())


def check(content: dict[str, Any]) -> None:
    """There is an example, and it fits."""
    found = list(examples(content))
    assert found, f"no example: {content}"
    for example in found:
        jsonschema.validate(example, content["schema"] | COMPONENTS)


def test_the_page_in_docs_is_what_the_api_says() -> None:
    committed = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
    assert committed == page.write(), "docs/api.md is out of date: run `make docs`"


def test_every_route_is_described(operation: dict[str, Any]) -> None:
    assert operation["summary"]
    tags = {tag["name"] for tag in SCHEMA["tags"] if tag["description"]}
    assert set(operation["tags"]) <= tags
    for parameter in operation.get("parameters", ()):
        assert parameter["description"], parameter["name"]


def test_every_body_has_an_example_that_fits(operation: dict[str, Any]) -> None:
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        if media_type == JSON:
            check(content)


def test_every_good_answer_is_described_with_an_example_that_fits(
    operation: dict[str, Any],
) -> None:
    good = {status: one for status, one in operation["responses"].items() if int(status) < 400}
    assert len(good) == 1
    for answer in good.values():
        assert answer["description"] not in ("", "Successful Response")
        if JSON in answer.get("content", {}):
            check(answer["content"][JSON])


def test_every_error_is_a_problem_with_an_example_for_each_code(
    operation: dict[str, Any],
) -> None:
    bad = {status: one for status, one in operation["responses"].items() if int(status) >= 400}
    assert "500" in bad
    for status, answer in bad.items():
        assert set(answer["content"]) == {MEDIA_TYPE}
        content = answer["content"][MEDIA_TYPE]
        assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
        for code, example in content["examples"].items():
            value = example["value"]
            assert (value["code"], value["status"]) == (code, int(status))
            assert code in answer["description"]
            assert example["summary"]
            jsonschema.validate(value, content["schema"] | COMPONENTS)


def test_each_code_is_one_error_that_says_what_to_do() -> None:
    declared = {
        code
        for operation in OPERATIONS.values()
        for answer in operation["responses"].values()
        for code in answer.get("content", {}).get(MEDIA_TYPE, {}).get("examples", ())
    }
    kinds = {kind.code: kind for kind in family(problems.STATUSES)}  # type: ignore[attr-defined]
    assert len(kinds) == len(set(family(problems.STATUSES)))
    assert not [code for code in declared if kinds[code] not in DETAILS]
    for kind in DETAILS:
        # Whole sentences.
        assert detail(kind).endswith((".", "1")), kind


def test_a_family_of_errors_stands_for_its_members() -> None:
    found = responses(problems.errors.BadRecording)
    assert set(found) == {415, 422}
    codes = found[422]["content"][MEDIA_TYPE]["examples"]
    assert {"truncated_recording", "recording_too_long"} <= set(codes)
    assert "bad_recording" not in codes


def test_the_manual_is_a_page_too(services: Any) -> None:
    client = TestClient(create_app(services))
    shown = client.get("/docs")
    assert shown.status_code == 200
    assert "/openapi.json" in shown.text
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) == set(SCHEMA["paths"])
    # FastAPI's own form of an error is not answered, so it is not described.
    assert "HTTPValidationError" not in str(schema)
