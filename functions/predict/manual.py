"""The OpenAPI schema as a manual: what each route may answer, with an example for every code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from earshot import errors
from earshot.field.clips import MEDIA_TYPES
from fastapi import FastAPI

from predict import problems
from predict.examples import DETAILS
from predict.schemas.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MEDIA_TYPE = problems.Problem.media_type
JSON = "application/json"
ANY_AUDIO = "audio/*"
FASTAPI_422 = "HTTPValidationError"
SCHEMA = "#/components/schemas/"
REQUEST_ID = "0f3c6f1e-6d0e-4f3e-9d57-0a8c9a1f2b3c"
# What a route that answers a clip's audio tells of it.
CLIP_AUDIO: dict[str, Any] = {
    "description": "Its audio, 16-bit: FLAC, or WAV at rates that FLAC does not take.",
    "content": {
        kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES.values()
    },
}


def responses(*kinds: type[Exception]) -> dict[int | str, dict[str, Any]]:
    """A route's ``responses``: these errors, and for a family all of its members."""
    found: dict[int | str, dict[str, Any]] = {}
    for kind in sorted(family(kinds), key=problems.status_of):
        status = problems.status_of(kind)
        code = kind.code  # type: ignore[attr-defined]
        response = found.setdefault(
            status,
            {
                "description": problems.phrase(status),
                "content": {
                    MEDIA_TYPE: {"schema": {"$ref": f"{SCHEMA}Problem"}, "examples": {}},
                },
            },
        )
        response["description"] += f"\n- `{code}`: {meaning(kind)}"
        response["content"][MEDIA_TYPE]["examples"][code] = {
            "summary": meaning(kind),
            "value": problems.members(status, code, detail(kind), "/", REQUEST_ID),
        }
    return found


def meaning(kind: type[Exception]) -> str:
    """What an error means, in a sentence."""
    return (kind.__doc__ or "").partition("\n")[0]


def detail(kind: type[Exception]) -> str:
    """What an error says, for example."""
    return DETAILS.get(kind) or meaning(kind)


# What the topics are about, in the order of the manual.
TAGS = [
    {"name": "predict", "description": "What is heard in a recording."},
    {"name": "status", "description": "Is it alive, and how is it doing."},
    {"name": "samples", "description": "Labelled clips: what there is to learn from."},
    {"name": "uploads", "description": "Files that are too big for the API, sent to the bucket."},
    {"name": "recordings", "description": "Field recordings: what was detected in them, when."},
    {"name": "alerts", "description": "What somebody had to know of, told once an incident."},
    {"name": "review", "description": "What the model was unsure of, and what people say of it."},
    {"name": "search", "description": "What else sounds like this, to label more of it."},
    {"name": "retrain", "description": "Training runs: asked for, followed, judged by gates."},
    {"name": "models", "description": "Model versions: compared, promoted, rolled back."},
]


class Api(FastAPI):
    """FastAPI, with a schema that also says what holds for every route alike."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI schema, made once."""
        schema = super().openapi()
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        if Problem.__name__ not in schemas:
            schemas[Problem.__name__] = Problem.model_json_schema()
            for one in schemas.values():
                examples = [one.pop("example")] if "example" in one else one.get("examples")
                if examples:
                    one["examples"] = [_whole(example, one, schemas) for example in examples]
            for path, operations in schema["paths"].items():
                for operation in operations.values():
                    _complete(path, operation, schemas)
            # FastAPI's own form of a 422, which no route answers.
            for name in (FASTAPI_422, "ValidationError"):
                schemas.pop(name, None)
        return schema


def family(kinds: Iterable[type[Exception]]) -> Iterator[type[Exception]]:
    """These kinds, each in the place of its family if it has one."""
    for kind in kinds:
        members = kind.__subclasses__()
        yield from family(members) if members else (kind,)


def _complete(path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Title an operation, and declare what can go wrong around any use case."""
    summary, _, rest = operation.get("description", "").partition("\n")
    operation["summary"], operation["description"] = summary.rstrip("."), rest.strip()
    answers = operation["responses"]
    if FASTAPI_422 in str(answers.get("422")):
        del answers["422"]
    for answer in answers.values():
        if answer["description"] == "Successful Response":
            answer["description"] = _described(answer, schemas)
    for content in (
        one for answer in answers.values() for one in answer.get("content", {}).values()
    ):
        if "example" in content:
            content["example"] = _whole(content["example"], content["schema"], schemas)
    for status, response in responses(*_around(path, operation)).items():
        declared = answers.setdefault(str(status), response)
        if declared is not response:
            declared["description"] += "\n" + response["description"].partition("\n")[2]
            examples = response["content"][MEDIA_TYPE]["examples"]
            declared["content"][MEDIA_TYPE]["examples"] |= examples
    for answer in answers.values():
        for example in answer.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {}).values():
            example["value"]["instance"] = path
    operation["responses"] = dict(sorted(answers.items()))


def _whole(example: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """An example as it is answered: FastAPI leaves its nulls out and sorts its names."""
    if isinstance(example, list):
        return [_whole(one, schema.get("items", {}), schemas) for one in example]
    kinds = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    schema = schemas[kinds[0]["$ref"].removeprefix(SCHEMA)] if "$ref" in kinds[0] else kinds[0]
    if not isinstance(example, dict) or "properties" not in schema:
        return example
    return {
        name: _whole(example.get(name), field, schemas)
        for name, field in schema["properties"].items()
        if name in example or name in schema.get("required", ())
    }


def _around(path: str, operation: dict[str, Any]) -> Iterator[type[Exception]]:
    """What can go wrong before and behind the use case of an operation."""
    yield problems.InternalError
    if path != "/health":
        yield problems.AwsUnavailable
    if operation.get("security"):
        yield errors.AccessDenied
    body = operation.get("requestBody", {}).get("content", {})
    if body:
        yield errors.RecordingTooLarge
    if "multipart/form-data" in body:
        yield problems.MalformedForm
    if JSON in body:
        yield problems.MalformedJson
    # A recording may be of any type, and is judged by its content.
    is_strict = bool(body) and ANY_AUDIO not in body
    if is_strict:
        yield problems.UnsupportedMediaType
    if is_strict or operation.get("parameters"):
        yield problems.InvalidRequest


def _described(answer: dict[str, Any], schemas: dict[str, Any]) -> str:
    """What a good answer is: its schema says so."""
    schema = answer.get("content", {}).get(JSON, {}).get("schema", {})
    named = [schema, *schema.get("anyOf", [])]
    found = next((one["$ref"] for one in named if "$ref" in one), "")
    said: str = schemas.get(found.removeprefix(SCHEMA), {}).get("description", "Done.")
    return said.partition("\n")[0]
