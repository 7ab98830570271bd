"""What people, queues, jobs, sweeps and crashes do, in any order that hypothesis comes upon."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import ClassVar

import pytest
from conftest import clip
from earshot.errors import EarshotError
from earshot.runs import FAILED, PROMOTED
from earshot.services import Services
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from injector import Crash, Injector
from invariants import hold_always, hold_in_the_end
from standins import networks_loaded_once, work
from world import HOUR_S, World, deployed, handle, sweep

ALL = bool(os.environ.get("EARSHOT_FAULTS"))
THRESHOLD = 3
# In make faults, and in make test.
EXAMPLES, STEPS = (60, 30) if ALL else (8, 15)

labels = st.sampled_from(("siren", "gunshot"))
seeds = st.integers(0, 3)
names = st.sampled_from("ab")
which = st.integers(0, 1_000)
# Which call a process dies at, and whether it is done before; None for none.
crashes = st.none() | st.tuples(st.integers(0, 12) | st.integers(0, 40), st.booleans())


class Interleavings(RuleBasedStateMachine):
    """One stack, emptied for each example; a process that dies is followed by a new one."""

    world: ClassVar[World]
    steps: ClassVar[int] = 0

    @initialize()
    def begin(self) -> None:
        self.world.clear()
        self.changes = 0

    def does(self, act: Callable[[Services], None], crash: tuple[int, bool] | None) -> bool:
        """Do something in a process that may die of it; whether it lived."""
        at, is_after = crash or (None, False)
        injector = Injector(at, "crashed-after" if is_after else "crashed")
        try:
            with suppress(EarshotError):
                act(self.world.use_cases(THRESHOLD, injector))
        except Crash:
            return False
        return True

    # --- people -------------------------------------------------------------------------------

    @rule(label=labels, seed=seeds, name=names)
    def drop(self, label: str, seed: int, name: str) -> None:
        """Some drop the same sound again, under one label or two, or over another."""
        self.world.drop(f"samples/{label}/{name}.wav", clip("siren", seed))
        self.changes += 1

    @rule(label=labels, name=names)
    def delete(self, label: str, name: str) -> None:
        self.world.remove(f"samples/{label}/{name}.wav")
        self.changes += 1

    @rule(crash=crashes)
    def ask(self, crash: tuple[int, bool] | None) -> None:
        self.does(lambda services: services.training.request("by hand") and None, crash)

    @rule(number=which, crash=crashes)
    def promote(self, number: int, crash: tuple[int, bool] | None) -> None:
        def act(services: Services) -> None:
            versions = [card.version for card in services.models.listing().cards]
            version = versions[number % len(versions)]
            services.models.promote_by_hand(version, "a person", "by hand")

        self.does(act, crash)

    @rule(crash=crashes)
    def roll_back(self, crash: tuple[int, bool] | None) -> None:
        self.does(lambda services: services.models.roll_back("a person", "worse") and None, crash)

    # --- the world ----------------------------------------------------------------------------

    @rule(number=which, again=st.booleans(), crash=crashes)
    def deliver(self, number: int, again: bool, crash: tuple[int, bool] | None) -> None:
        """One message, in any order; it comes again after a crash, or just so."""
        arrived = self.world.arrived
        self.world.listen()
        if arrived:
            message = arrived[number % len(arrived)]
            if self.does(lambda services: handle(services, message), crash) and not again:
                arrived.remove(message)

    @rule(number=which, again=st.booleans(), crash=crashes)
    def train(self, number: int, again: bool, crash: tuple[int, bool] | None) -> None:
        """One event starts a job; Batch tries it again after a crash, perhaps later."""
        asked = self.world.asked
        self.world.listen()
        if asked:
            run, job = asked[number % len(asked)], f"job {number % 2}"
            if self.does(lambda services: work(services, run, job), crash) and not again:
                asked.remove(run)

    @rule(hours=st.sampled_from((0, 0.1, 1, 48)), crash=crashes)
    def look_after(self, hours: float, crash: tuple[int, bool] | None) -> None:
        self.world.ahead_s += hours * HOUR_S
        self.does(lambda services: sweep(services, self.world.ahead_s) and None, crash)

    # --- what holds ---------------------------------------------------------------------------

    @invariant()
    def always(self) -> None:
        type(self).steps += 1
        hold_always(self.world)

    def teardown(self) -> None:
        world = self.world
        world.settle(THRESHOLD)
        hold_in_the_end(world)
        services = world.use_cases(THRESHOLD)
        assert services.catalog.standing().new < THRESHOLD, "what is due is asked for"
        runs = services.ledger.runs()
        crossings = [run for run in runs if "threshold" in run.reason and run.state != FAILED]
        # A sample that goes may leave its sound to another label, where it is new.
        assert len(crossings) * THRESHOLD <= self.changes, "one run a crossing"
        champion = services.registry.champion()
        history = champion.history if champion else ()
        by_run = Counter(one.promoted_by for one in history if one.promoted_by.startswith("run "))
        assert all(n == 1 for n in by_run.values()), "one promotion a run"
        promoted = {f"run {run.run}" for run in runs if run.state == PROMOTED}
        assert promoted == {*by_run}, "what a run says of itself is so"
        before = [one.previous for one in history]
        assert before == [*(one.version for one in history[1:]), None][: len(before)], "a trail"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with networks_loaded_once(), deployed() as place:
        yield World(place)


def test_no_order_of_events_loses_anything_or_counts_it_twice(world: World) -> None:
    Interleavings.world = world
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Interleavings,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=not ALL,
            suppress_health_check=[*HealthCheck],
        ),
    )
    print(f"\n\nstate machine: {EXAMPLES} interleavings, {Interleavings.steps} steps")
