"""A deployment whose clock is moved by hand, for tests of what a sweep finds there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Aws
from earshot.ledger import Ledger
from earshot.recording import Sample
from earshot.sweeps import SweepReport

if TYPE_CHECKING:
    from earshot.services import Services

DAY_S = 86_400


class Crash(BaseException):
    """The process ends here: nothing catches it."""


class World:
    """A deployment whose clock is moved by hand."""

    def __init__(self, services: Services, aws: Aws) -> None:
        self.ahead_s = 0.0
        ledger = Ledger(aws.dynamodb, "earshot", clock=self.clock)
        training = replace(services.training, ledger=ledger, threshold=3)
        samples = replace(services.samples, training=training)
        self.services = replace(services, ledger=ledger, training=training, samples=samples)
        self.aws = aws

    def clock(self) -> float:
        return time.time() + self.ahead_s

    def later(self, seconds: float) -> None:
        self.ahead_s += seconds

    def sweep(self) -> SweepReport:
        return replace(self.services.sweep, clock=self.clock).run()

    def hold(self, one: Sample) -> None:
        """Catalogue a sample, as an object of its own brings it."""
        key = f"samples/{one.label}/{one.sha256}.wav"
        self.services.samples.holdings.hold(replace(one, key=key), "1")

    def told(self) -> list[str]:
        """The runs that workers were told of since the last look."""
        return [event["detail"]["run"] for event in self.aws.published()]

    def item(self, pk: str, sk: str, change: str, **values: Any) -> None:
        """Change an item of the table by hand."""
        self.aws.dynamodb.update_item(
            TableName="earshot",
            Key={"pk": {"S": pk}, "sk": {"S": sk}},
            UpdateExpression=change,
            **({"ExpressionAttributeValues": values} if values else {}),
        )


def changes_nothing_more(world: World) -> None:
    """A second sweep, at the same time, finds nothing to do."""
    report = world.sweep()
    assert (report.done, report.failed, world.told()) == ((), (), [])


@contextmanager
def crash_in(
    monkeypatch: pytest.MonkeyPatch, holder: Any, method: str, *, after: bool = False
) -> Iterator[None]:
    """Let the process die in a method, before or after it did its work."""
    does = getattr(holder, method)

    def dies(*args: Any, **kwargs: Any) -> None:
        if after:
            does(*args, **kwargs)
        raise Crash

    with monkeypatch.context() as patched, suppress(Crash):
        # The values are frozen; a test may all the same.
        patched.setitem(holder.__dict__, method, dies)
        yield
        pytest.fail("nothing came to the place where it was to die")
