"""docs/api.md, from the API itself: ``python -m infra.manual > docs/api.md``."""

from __future__ import annotations

import json
import sys
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from earshot.settings import Settings
from earshot.wiring import wire

from infra.local.endpoint import REGION, REPOSITORY
from predict import problems
from predict.app import create_app
from predict.auth import SCOPES
from predict.manual import JSON, MEDIA_TYPE, REQUEST_ID, detail, family, meaning

if TYPE_CHECKING:
    from collections.abc import Iterator

    Schema = dict[str, Any]

# What is not in the schema, since people read it and programs do not.
PAGES = {
    "GET /": "The dashboard.",
    "GET /docs": "This manual, to try things out in.",
    "GET /openapi.json": "This manual for programs.",
}
INTRODUCTION = """
In the cloud each route but the open ones wants a token: `Authorization: Bearer <token>`. Scopes are
ordered: `admin` may do what `write` may, `write` what `predict` may. On the local stack no token is
asked for, unless it was started with `AUTH=1`.

Every answer has the header `x-request-id`, and the log the same. HEAD answers what GET does. A
slash too many at a path's end is answered with a redirection (307) to the path without. What is no
HTTP at all is refused by the HTTP server, in plain text.
""".splitlines()
SCHEMAS = "#/components/schemas/"


def write() -> str:
    """The page: routes, each with what it takes and answers, and every error."""
    made = schema()
    operations = [
        (method.upper(), path, operation)
        for path, found in made["paths"].items()
        for method, operation in found.items()
    ]
    lines = [
        "# The API",
        "",
        "Made by `make docs` from the API itself, which shows the same at `/docs`.",
        "",
        made["info"]["description"].strip(),
        *INTRODUCTION,
        *_routes(operations),
    ]
    for tag in made["tags"]:
        lines += ["", f"## {tag['name'].capitalize()}", "", tag["description"]]
        for method, path, operation in operations:
            if operation["tags"] == [tag["name"]]:
                lines += _route(method, path, operation, made["components"]["schemas"])
    return "\n".join([*lines, *_errors(operations), ""])


def schema() -> Schema:
    """The OpenAPI schema of a deployment that asks for tokens; nothing is called."""
    settings = Settings(
        recordings_bucket="recordings",
        artifacts_bucket="artifacts",
        table="earshot",
        event_bus="earshot",
        application=REPOSITORY / "infra" / "applications" / "surveillance.toml",
        default_bundle=Path("none"),
        retrain_threshold=25,
        reload_s=30,
    )
    return create_app(wire(settings, partial(boto3.client, region_name=REGION))).openapi()


def _routes(operations: list[tuple[str, str, Schema]]) -> Iterator[str]:
    yield from ("", "## Routes", "", "| | token | |", "|---|---|---|")
    for route, what in PAGES.items():
        yield f"| `{route}` | open | {what} |"
    for method, path, operation in operations:
        route = f"{method} {path}"
        yield f"| [`{route}`](#{_anchor(route)}) | {_scope(route)} | {operation['summary']}. |"


def _scope(route: str) -> str:
    return SCOPES[route] or "open"


def _anchor(heading: str) -> str:
    """What GitHub makes of a heading."""
    kept = "".join(one for one in heading.lower() if one.isalnum() or one in " -_")
    return kept.replace(" ", "-")


def _route(method: str, path: str, operation: Schema, schemas: Schema) -> Iterator[str]:
    route = f"{method} {path}"
    yield from ("", f"### {route}", "", f"{operation['summary']}. Token: {_scope(route)}.")
    if operation["description"]:
        yield from ("", operation["description"])
    if parameters := operation.get("parameters"):
        yield from ("", "| parameter | in | | |", "|---|---|---|---|")
        for one in parameters:
            said = one.get("description", one["schema"].get("description", ""))
            yield f"| `{one['name']}` | {one['in']} | {_kind(one['schema'])} | {said} |"
    body = operation.get("requestBody", {})
    if "description" in body:
        yield from ("", body["description"])
    for media_type, content in body.get("content", {}).items():
        yield from _body(media_type, content["schema"], schemas)
    for status, answer in operation["responses"].items():
        if int(status) < 400:
            yield from _answer(status, answer, schemas)
    yield from ("", f"Errors: {'; '.join(_by_status(operation))}.")


def _answer(status: str, answer: Schema, schemas: Schema) -> Iterator[str]:
    """A good answer: its media types, and an example of the JSON."""
    content = answer.get("content", {})
    types = ", ".join(f"`{media_type}`" for media_type in content)
    yield from ("", f"Answers {status}{types and f' ({types})'}: {answer['description']}")
    taken = content.get(JSON, {})
    examples = [taken["example"]] if "example" in taken else []
    for one in _alternatives(taken.get("schema", {}), schemas):
        examples += one.get("examples", ())
    if examples:
        yield from _json(examples[0])


def _body(media_type: str, schema: Schema, schemas: Schema) -> Iterator[str]:
    """What a body holds, field by field."""
    yield from ("", f"Takes `{media_type}`:")
    for one in _alternatives(schema, schemas):
        if "properties" not in one:
            yield from ("", one.get("description", ""))
            continue
        yield from ("", "| field | | |", "|---|---|---|")
        for name, field in one["properties"].items():
            need = "; needed" if name in one.get("required", ()) else ""
            yield f"| `{name}` | {_kind(field)}{need} | {field.get('description', '')} |"
        for example in one.get("examples", ()):
            yield from _json(example)


def _json(example: Any) -> tuple[str, ...]:
    return ("", "```json", json.dumps(example, indent=2, ensure_ascii=False), "```")


def _alternatives(schema: Schema, schemas: Schema) -> Iterator[Schema]:
    """The schemas that a schema stands for, in full."""
    several: list[Schema] = schema.get("oneOf") or schema.get("anyOf") or [schema]
    for one in several:
        name = one.get("$ref", "").removeprefix(SCHEMAS)
        if one.get("type") != "null":
            yield schemas[name] if name else one


def _kind(schema: Schema) -> str:
    """A type in words, with its limits and what it is when it is left out."""
    several = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    kinds = " or ".join(map(_type, several))
    if schema.get("default") is None:
        return kinds
    return f"{kinds}; `{json.dumps(schema['default'])}` by default"


def _type(schema: Schema) -> str:
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    name = schema.get("format") or schema.get("type", "object")
    length = _range(schema, "minLength", "maxLength")
    return f"{name}{length and f'{length} characters'}{_range(schema, 'minimum', 'maximum')}"


def _range(schema: Schema, low: str, high: str) -> str:
    if low in schema and high in schema:
        return f", {schema[low]:,.10g} to {schema[high]:,.10g}"
    if low in schema:
        return f", at least {schema[low]:,.10g}"
    return f", at most {schema[high]:,.10g}" if high in schema else ""


def _by_status(operation: Schema) -> Iterator[str]:
    for status, found in groupby(_codes(operation), key=itemgetter(0)):
        yield f"{status} {', '.join(f'[`{code}`](#errors)' for _, code in found)}"


def _codes(operation: Schema) -> list[tuple[int, str]]:
    """The statuses and codes of an operation's errors."""
    return [
        (int(status), code)
        for status, answer in operation["responses"].items()
        for code in answer.get("content", {}).get(MEDIA_TYPE, {}).get("examples", ())
    ]


def _errors(operations: list[tuple[str, str, Schema]]) -> Iterator[str]:
    """Every error that some route declares, and those that any path may answer."""
    declared = {code for _, _, operation in operations for _, code in _codes(operation)}
    declared |= {problems.PathNotFound.code, problems.MethodNotAllowed.code}
    kinds = {kind.code: kind for kind in family(problems.STATUSES)}  # type: ignore[attr-defined]
    rows = sorted((problems.status_of(kinds[code]), code) for code in declared)
    yield from ("", "## Errors", "", "Each is `application/problem+json` (RFC 9457):")
    yield from _json(
        problems.members(
            422, "empty_recording", detail(kinds["empty_recording"]), "/predict", REQUEST_ID
        )
    )
    yield from ("", "| status | code | what it means | an example: what it says, and what to do |")
    yield "|---|---|---|---|"
    for status, code in rows:
        kind = kinds[code]
        yield f"| {status} | `{code}` | {_cell(meaning(kind))} | {_cell(detail(kind))} |"


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.stdout.write(write())
