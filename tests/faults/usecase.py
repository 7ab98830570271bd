"""What Earshot does, each made ready, done, and done again as the world around it would.

A use case holds plain values only: it travels to the process that dies of it. ``act`` is what
meets the fault. ``repeat`` is what comes after, undisturbed: the queue brings its message again,
Batch tries its job again, a user without an answer asks again; each of them also where nothing
went wrong, for messages come twice.
"""

from __future__ import annotations

from functools import cache, lru_cache

from conftest import clip, tape
from earshot.audio import decode
from earshot.search.index import Wanted
from earshot.services import Services
from injector import FAULTS, Fault
from world import World

MANY = 1_000

DAY_S = 86_400


class UseCase:
    """One of them; ``threshold`` new samples make a training due.

    It may meet ``faults``; ``fault`` is what its ``call`` met, when it did.
    """

    name: str
    threshold = MANY
    faults: tuple[Fault, ...] = FAULTS
    fault: Fault | None = None
    call = ""

    def prepare(self, world: World) -> None:
        """Bring the world to where the use case begins."""

    def act(self, services: Services) -> None:
        """Do it once."""
        raise NotImplementedError

    def repeat(self, services: Services) -> None:
        """Do it again, as the world does."""
        self.act(services)

    def check(self, world: World) -> None:
        """What has to hold in the end, besides what always has to."""


@cache
def recording() -> bytes:
    return tape()


@lru_cache(100)
def identity(body: bytes) -> str:
    return decode(body).sha256


# --- looking ----------------------------------------------------------------------------------


def standing(world: World) -> dict[str, int]:
    """How many samples of each label are counted."""
    labels = world.use_cases(MANY).catalog.standing().labels
    return {label: n for label, n in labels.items() if n}


def trail(world: World) -> list[tuple[str | None, str | None, bool]]:
    """The promotions, the newest first: to, from, and whether it was a rollback."""
    champion = world.use_cases(MANY).registry.champion()
    history = champion.history if champion else ()
    return [(one.version, one.previous, one.rollback) for one in history]


def found_once(world: World, *keys: str) -> None:
    """A search finds these, and nothing else."""
    found = world.use_cases(MANY).search.by_sound(clip("siren"), Wanted(), 100)
    assert sorted(one.key for one in found.matches) == sorted(keys)


def trained_once(world: World) -> None:
    """There was one request, and it came to one worker."""
    runs = world.use_cases(MANY).ledger.runs()
    assert [world.workers[run.run] for run in runs] == [1], runs
