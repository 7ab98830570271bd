"""What holds whatever fails."""

from __future__ import annotations

from collections import Counter

from earshot.errors import BadRecording
from earshot.runs import REQUESTED, RUNNING
from usecase import MANY, identity
from world import World


def hold_always(world: World) -> None:
    """What nobody may ever see otherwise, also in the middle of it.

    Every version that is listed is whole and verifies, the champion is one of them or the default
    bundle, and a process that starts now has a model.
    """
    services = world.use_cases(MANY)
    versions = services.registry.versions()
    for version in versions:
        files = world.files(version)
        # What verified once does so until a file of it is another.
        if world.verified.get(version) != files:
            assert services.registry.bundle(version).card.version == version
            world.verified[version] = files
    champion = services.registry.champion()
    assert champion is None or champion.version is None or champion.version in versions
    card = services.serving.detector().card
    assert champion is None or champion.version in (None, card.version)
    assert services.serving.refused == {}


def hold_in_the_end(world: World) -> None:
    """What holds once every message was delivered, every request answered, and a sweep was made."""
    hold_always(world)
    services = world.use_cases(MANY)
    catalogue = world.catalogue()
    sounds = {}
    for key, body in world.objects("samples/").items():
        try:
            sounds[key] = identity(body)
        except BadRecording:
            continue
    there = {sha256 for sha256, _, _ in catalogue}
    assert there == {*sounds.values()}, "what is there is catalogued"
    assert all(sounds.get(key) == sha256 for sha256, _, key in catalogue), "by keys that have it"
    labels = services.catalog.standing().labels
    assert labels == dict(Counter(label for _, label, _ in catalogue)), "counts equal the catalogue"
    runs = services.ledger.runs()
    alive = [run.run for run in runs if run.state in (REQUESTED, RUNNING)]
    assert alive == [], "every run that was asked for had a worker and is over"
    assert services.ledger.seat() is None, "nobody holds the seat"
    assert all(n == 1 for n in world.workers.values()), "one worker a run"
    champion = services.registry.champion()
    if champion and champion.history:
        assert services.models.announcements.has(champion), "whoever listens heard of the champion"
