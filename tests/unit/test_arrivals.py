"""Refusals and archives: the latest are listed, whatever else there is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from earshot.arrivals import PAGE, Arrivals
from earshot.recording import Import, Refusal

if TYPE_CHECKING:
    from conftest import Aws

IMPORT = Import("imports/a.zip", "1", "unpacking", 2, 10, ("a.txt",), 1, "2026-11-21T10:00:00.000Z")


@pytest.fixture
def arrivals(aws: Aws) -> Arrivals:
    return Arrivals(aws.dynamodb, "earshot")


def refusal(number: int, code: str = "bad_key") -> Refusal:
    minute, second = divmod(number, 60)
    at = f"2026-11-21T10:{minute:02}:{second:02}.000Z"
    return Refusal(f"samples/{number}", code, "no", at)


def test_the_latest_refusals_come_first(arrivals: Arrivals) -> None:
    for number in (3, 1, 2):
        arrivals.refuse(refusal(number))
    assert arrivals.refusals() == [refusal(3), refusal(2), refusal(1)]
    assert arrivals.refusals(limit=2) == [refusal(3), refusal(2)]


def test_the_same_refusal_again_changes_nothing(arrivals: Arrivals) -> None:
    arrivals.refuse(refusal(1))
    arrivals.refuse(replace(refusal(1), refused_at="2026-11-22T00:00:00.000Z"))
    assert arrivals.refusals() == [refusal(1)]


def test_an_object_is_refused_once_for_its_latest_reason(arrivals: Arrivals) -> None:
    arrivals.refuse(refusal(1))
    arrivals.refuse(refusal(2))
    again = replace(refusal(1, "unknown_label"), refused_at="2026-11-22T00:00:00.000Z")
    arrivals.refuse(again)
    assert arrivals.refusals() == [again, refusal(2)]


def test_what_is_over_hides_nothing_older(arrivals: Arrivals, aws: Aws) -> None:
    for number in range(PAGE + 5):
        arrivals.refuse(refusal(number))
    for number in range(5, PAGE + 5):
        key = {"pk": {"S": "REFUSED"}, "sk": {"S": refusal(number).key}}
        aws.dynamodb.delete_item(TableName="earshot", Key=key)
    assert arrivals.refusals() == [refusal(number) for number in (4, 3, 2, 1, 0)]


def test_an_import_is_listed_once_as_it_is_now(arrivals: Arrivals) -> None:
    arrivals.note_import(IMPORT)
    arrivals.note_import(replace(IMPORT, key="imports/b.zip", at="2026-11-21T10:00:01.000Z"))
    done = replace(IMPORT, state="unpacked", at="2026-11-21T10:00:02.000Z")
    arrivals.note_import(done)
    assert [one.key for one in arrivals.imports()] == ["imports/a.zip", "imports/b.zip"]
    assert arrivals.imports(limit=1) == [done]
    assert arrivals.import_of("imports/a.zip") == done
