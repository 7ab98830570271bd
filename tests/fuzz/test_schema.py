"""Requests made from the OpenAPI schema, and against it: none may break what the schema promises.

EARSHOT_FUZZ says how many are tried, about; the same number tries the same ones. Beside those drawn
at random, the limits of every parameter and field are tried each time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import schemathesis
from conftest import clip
from earshot.services import Services
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig
from schemathesis.specs.openapi import checks

from predict.app import create_app

CASES = int(os.environ.get("EARSHOT_FUZZ", "300"))
PROBLEM = "application/problem+json"
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
]
# What a request is refused with that the schema does not allow.
MALFORMED = ("invalid_request", "malformed_form", "malformed_json", "unsupported_media_type")


@schemathesis.serializer("audio/*")
def as_it_is(_: schemathesis.SerializationContext, value: Any) -> Any:
    return value


@dataclass
class Trial:
    """Operations that were tried, and what came of it."""

    operations: set[str] = field(default_factory=set)
    cases: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def attempt(self, case: schemathesis.Case, mode: GenerationMode) -> None:
        """Send a request; the answer has to be what the schema says."""
        self.operations.add(case.operation.label)
        self.cases += 1
        answer = case.call()
        problem = answer.json() if answer.status_code >= 400 else {}
        code = problem.get("code")
        try:
            case.validate_response(answer, checks=CHECKS)
            if problem:
                assert answer.headers["content-type"] == [PROBLEM], "no problem+json"
                assert problem["request_id"] == answer.headers["x-request-id"][0]
                # Methods that there are not are in no schema.
                known = {"method_not_allowed", *codes(case.operation, answer.status_code)}
                assert code in known, "undocumented code"
                # A rule between several fields is in no schema; pydantic calls it so.
                if mode is GenerationMode.POSITIVE and "Value error" not in problem["detail"]:
                    assert code not in MALFORMED, "refused, though the schema allows it"
        except (AssertionError, BaseExceptionGroup) as error:
            what = f"{case.operation.label}, {mode.value}: {answer.status_code} {code}"
            self.failures.setdefault(
                what, f"{error}\n{answer.text[:300]}\n{case.as_curl_command()}"
            )


def codes(operation: Any, status: int) -> Any:
    """The codes that the schema has for a status of an operation."""
    answer = operation.definition.raw["responses"].get(str(status), {})
    return answer.get("content", {}).get(PROBLEM, {}).get("examples", {})


@pytest.fixture
def api(services: Services) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(services))


def operations(api: Any) -> Iterator[Any]:
    """The schema's operations."""
    for found in api.get_all_operations():
        yield found.ok()


def draw(trial: Trial, operation: Any, mode: GenerationMode, count: int) -> None:
    """Attempt requests of an operation, drawn at random."""

    @settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def drawn(case: schemathesis.Case) -> None:
        trial.attempt(case, mode)

    # What takes no input cannot be given a wrong one.
    with suppress(Unsatisfiable):
        drawn()


def test_no_request_breaks_what_the_schema_promises(
    api: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = Trial()
    # Of the good ones and of the bad ones; for some routes there are not so many.
    each = max(CASES // len(list(operations(api))), 2)
    for operation in operations(api):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            for case in api.iter_coverage_cases(
                operation, generation_modes=[mode], generation_config=GenerationConfig(modes=[mode])
            ):
                trial.attempt(case, mode)
            draw(trial, operation, mode, each)
    with capsys.disabled():
        print(
            f"\nschema fuzz: {len(trial.operations)} operations, {trial.cases} cases, "
            f"failures {len(trial.failures)}"
        )
    assert not trial.failures, "\n\n".join("\n".join(one) for one in trial.failures.items())
    heard = TestClient(api.app).post("/predict", files={"file": clip("siren")})
    assert heard.json()["label"] == "siren"
