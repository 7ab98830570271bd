"""Every call of every use case, made to fail in every way; then the world tries again.

``make faults`` tries all of them and prints the table; ``make test`` a few of each.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from earshot.errors import EarshotError
from injector import DEADLY, FAULTS, KILLED, Fault, Injector
from invariants import hold_always, hold_in_the_end
from mortal import Mortal, mortal
from standins import networks_loaded_once
from usecase import UseCase
from usecases import OF_THE_WORLD, USE_CASES
from world import World, deployed

ALL = bool(os.environ.get("EARSHOT_FAULTS"))
# Of each use case, in make test.
A_FEW = 2


@dataclass(frozen=True)
class Setting:
    """Where the trials take place, and how many there were, and violations among them."""

    world: World
    mortal: Mortal
    totals: Counter[str] = field(default_factory=Counter)


@pytest.fixture(scope="module")
def setting() -> Iterator[Setting]:
    with networks_loaded_once(), deployed() as place, mortal(place) as process:
        made = Setting(World(place), process)
        print(f"\n\n{row('use case', 'call', [*FAULTS])}")
        yield made
        print("\n\n" + ", ".join(f"{n} {what}" for what, n in made.totals.items()))


def row(use_case: str, call: str, cells: list[str]) -> str:
    """A line of the table."""
    return f"{use_case:26} {call:34}" + "".join(f"{cell:>13}" for cell in cells)


def trial(
    setting: Setting,
    kind: type[UseCase],
    at: int | None = None,
    fault: Fault | None = None,
    call: str = "",
) -> list[str]:
    """Do a use case with a fault at one call, and what follows; returns the calls that it made.

    Raises AssertionError when something does not hold.
    """
    world, case = setting.world, kind()
    world.clear()
    case.prepare(world)
    case.fault, case.call = fault, call
    injector = Injector(at, fault)
    services = world.use_cases(case.threshold, injector)
    if at is not None and fault in DEADLY:
        assert setting.mortal.act(case, at, fault) == KILLED, "it did not come to that call"
        services = world.use_cases(case.threshold)
    elif at is not None:
        with suppress(EarshotError, *OF_THE_WORLD):
            case.act(services)
        assert len(injector.calls) > at, "it did not come to that call"
    else:
        case.act(services)
    calls = [*injector.calls]
    hold_always(world)
    case.repeat(services)
    world.settle(case.threshold)
    hold_in_the_end(world)
    case.check(world)
    return calls


@pytest.mark.parametrize("kind", USE_CASES, ids=lambda kind: kind.name)
def test_a_fault_anywhere_loses_nothing_and_counts_nothing_twice(
    setting: Setting, kind: type[UseCase]
) -> None:
    calls = trial(setting, kind)
    assert calls
    places = [(at, fault) for at in range(len(calls)) for fault in kind.faults]
    if not ALL:
        places = random.Random(kind.name).sample(places, A_FEW)
    violations = []
    for at, call in enumerate(calls):
        cells = dict.fromkeys(FAULTS, "")
        for fault in (fault for place, fault in places if place == at):
            try:
                trial(setting, kind, at, fault, call)
                cells[fault] = "0"
            except Exception as error:
                violations.append(f"{kind.name}, call {at}, {call}, {fault}: {error!r}")
                cells[fault] = "1"
        if any(cells.values()):
            print(row(kind.name, f"{at:2} {call}", [*cells.values()]))
    setting.totals.update(calls=len(calls), runs=len(places), violations=len(violations))
    assert not violations, "\n".join(violations)
