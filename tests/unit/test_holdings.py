"""Which objects hold which sound: what is catalogued follows, and is counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from earshot.arrivals import Arrivals
from earshot.catalog import Catalog
from earshot.errors import LabelConflict, SampleContended
from earshot.holdings import FREED, Holdings
from earshot.ledger import Ledger
from earshot.recording import Refusal, Sample
from earshot.runs import Run
from earshot.table import Table
from test_catalog import sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Aws


@pytest.fixture
def arrivals(aws: Aws) -> Arrivals:
    return Arrivals(aws.dynamodb, "earshot")


def of(label: str, name: str, identity: str = "a" * 64, **changes: Any) -> Sample:
    """A sound as an object brings it."""
    return sample(identity, label, key=f"samples/{label}/{name}.wav", **changes)


def release(holdings: Holdings, key: str) -> bool:
    known = holdings.of(key)
    assert known
    return holdings.release(known)


def refuse(arrivals: Arrivals, *keys: str) -> None:
    for key in keys:
        arrivals.refuse(Refusal(key, "label_conflict", "no", "2026-11-21T09:00:00Z"))


def test_a_sound_is_counted_once_however_many_objects_hold_it(
    holdings: Holdings, catalog: Catalog
) -> None:
    assert holdings.hold(of("siren", "a"), "1") == "added"
    assert holdings.hold(of("siren", "b"), "1") == "duplicate"
    assert catalog.standing().labels == {"siren": 1}
    assert [found.key for found in catalog.samples()] == ["samples/siren/a.wav"]


def test_it_goes_with_the_last_of_them(holdings: Holdings, catalog: Catalog) -> None:
    for name in "abc":
        holdings.hold(of("siren", name), "1")
    for name in "ca":
        assert release(holdings, f"samples/siren/{name}.wav")
        assert catalog.standing().labels == {"siren": 1}
    assert release(holdings, "samples/siren/b.wav")
    assert catalog.standing().labels == {}
    assert list(catalog.samples()) == []


def test_a_sample_is_told_by_an_object_that_is_there(holdings: Holdings, catalog: Catalog) -> None:
    holdings.hold(of("siren", "a", group="tape 1"), "1")
    holdings.hold(of("siren", "b", group="tape 2"), "1")
    release(holdings, "samples/siren/a.wav")
    (found,) = catalog.samples()
    assert (found.key, found.group) == ("samples/siren/b.wav", "tape 2")
    assert found.added_at == of("siren", "a").added_at


@pytest.mark.parametrize("label", ["siren", "gunshot"])
def test_another_object_that_leaves_in_between_is_noticed(
    aws: Aws, holdings: Holdings, catalog: Catalog, label: str
) -> None:
    """Both objects of a sound go at once, or the only one that waited with another label."""
    holdings.hold(of("siren", "a"), "1")
    holdings.hold(of(label, "b"), "1", waits=True)

    class Late:
        """DynamoDB, before whose first list of holders somebody else was."""

        def __init__(self) -> None:
            self.asked = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(aws.dynamodb, name)

        def query(self, **request: Any) -> Any:
            self.asked += 1
            if self.asked == 1:
                assert release(holdings, f"samples/{label}/b.wav")
            return aws.dynamodb.query(**request)

    late: Any = Late()
    assert release(Holdings(late, "earshot"), "samples/siren/a.wav")
    assert late.asked == 1
    assert catalog.standing().labels == {}
    assert list(catalog.samples()) == []


def test_an_object_with_another_sound_holds_the_old_one_no_more(
    holdings: Holdings, catalog: Catalog
) -> None:
    holdings.hold(of("siren", "a"), "1")
    known = holdings.of("samples/siren/a.wav")
    assert holdings.hold(of("siren", "a", "b" * 64), "2", known) == "added"
    assert [found.sha256 for found in catalog.samples()] == ["b" * 64]
    assert catalog.standing().labels == {"siren": 1}
    # The same sound in a new version changes nothing.
    known = holdings.of("samples/siren/a.wav")
    assert holdings.hold(of("siren", "a", "b" * 64), "3", known) == "duplicate"
    assert catalog.standing().labels == {"siren": 1}
    release(holdings, "samples/siren/a.wav")
    assert catalog.standing().total == 0


def test_who_knows_something_else_changes_nothing(holdings: Holdings, catalog: Catalog) -> None:
    """A slow worker has read before a fast one wrote."""
    holdings.hold(of("siren", "a"), "1")
    first = holdings.of("samples/siren/a.wav")
    assert first
    holdings.hold(of("siren", "a", "b" * 64), "2", first)
    assert not holdings.release(first)
    assert holdings.hold(of("siren", "a"), "1") is None
    assert holdings.hold(of("siren", "a"), "1", first) is None
    assert [found.sha256 for found in catalog.samples()] == ["b" * 64]
    second = holdings.of("samples/siren/a.wav")
    assert second
    assert holdings.release(second)
    assert not holdings.release(second)
    assert catalog.standing().total == 0


def test_the_same_sound_under_another_label_is_a_conflict(
    holdings: Holdings, catalog: Catalog
) -> None:
    holdings.hold(of("siren", "a"), "1")
    with pytest.raises(LabelConflict, match="'siren'"):
        holdings.hold(of("casual", "a"), "1")
    assert holdings.of("samples/casual/a.wav") is None
    assert catalog.standing().labels == {"siren": 1}


def test_who_waits_gets_the_sample_and_its_refusal_ends(
    holdings: Holdings, catalog: Catalog, arrivals: Arrivals
) -> None:
    holdings.hold(of("siren", "a"), "1")
    for label, name in (("gunshot", "a"), ("casual", "b"), ("casual", "c")):
        refuse(arrivals, f"samples/{label}/{name}.wav")
        assert holdings.hold(of(label, name, group=f"tape {name}"), "1", waits=True) == "waiting"
    assert catalog.standing().labels == {"siren": 1}
    release(holdings, "samples/siren/a.wav")
    # Most objects say so.
    (found,) = catalog.samples()
    assert (found.label, found.key, found.group) == ("casual", "samples/casual/b.wav", "tape b")
    assert found.embedding is not None
    assert catalog.standing().labels == {"casual": 1}
    assert [refusal.key for refusal in arrivals.refusals()] == ["samples/gunshot/a.wav"]
    release(holdings, "samples/casual/b.wav")
    assert catalog.standing().labels == {"casual": 1}
    release(holdings, "samples/casual/c.wav")
    assert catalog.standing().labels == {"gunshot": 1}
    assert arrivals.refusals() == []
    release(holdings, "samples/gunshot/a.wav")
    assert catalog.standing().labels == {}


def test_who_waits_may_go_before(holdings: Holdings, catalog: Catalog) -> None:
    holdings.hold(of("siren", "a"), "1")
    holdings.hold(of("casual", "a"), "1", waits=True)
    release(holdings, "samples/casual/a.wav")
    assert catalog.standing().labels == {"siren": 1}
    release(holdings, "samples/siren/a.wav")
    assert catalog.standing().labels == {}


def test_who_no_longer_has_to_wait_is_catalogued(holdings: Holdings, catalog: Catalog) -> None:
    holdings.hold(of("siren", "a"), "1")
    holdings.hold(of("casual", "a"), "1", waits=True)
    waiting = holdings.of("samples/casual/a.wav")
    assert waiting
    assert not holdings.stands(waiting)
    release(holdings, "samples/siren/a.wav")
    assert holdings.stands(waiting)
    assert holdings.hold(of("casual", "a"), "1", waiting, waits=True) == "duplicate"
    assert catalog.standing().labels == {"casual": 1}


def test_many_may_wait(holdings: Holdings, catalog: Catalog, arrivals: Arrivals) -> None:
    holdings.hold(of("siren", "a"), "1")
    for n in range(FREED + 5):
        refuse(arrivals, of("casual", f"{n:03}").key)
        holdings.hold(of("casual", f"{n:03}"), "1", waits=True)
    release(holdings, "samples/siren/a.wav")
    assert catalog.standing().labels == {"casual": 1}
    assert len(arrivals.refusals()) == 5


def test_what_refused_an_object_is_over_when_it_goes_or_is_good(
    holdings: Holdings, arrivals: Arrivals
) -> None:
    keys = [of("siren", name).key for name in "ab"]
    refuse(arrivals, *keys)
    holdings.hold(of("siren", "a"), "1")
    assert [refusal.key for refusal in arrivals.refusals()] == keys[1:]
    arrivals.forgive(keys[1])
    assert arrivals.refusals() == []


def request(ledger: Ledger, catalog: Catalog, run: str = "run") -> bool:
    standing = catalog.standing()
    wish = Run(run, "requested", "because", "2026-11-21T10:00:00.000Z", standing.total)
    return ledger.request(wish, standing)


def test_what_was_asked_for_and_goes_leaves_as_many_new_ones(
    holdings: Holdings, catalog: Catalog, ledger: Ledger
) -> None:
    for n in "ab":
        holdings.hold(of("siren", n, n * 64), "1")
    assert request(ledger, catalog)
    holdings.hold(of("siren", "c", "c" * 64), "1")
    assert catalog.standing().new == 1
    release(holdings, "samples/siren/a.wav")
    assert (catalog.standing().total, catalog.standing().new) == (2, 1)
    release(holdings, "samples/siren/c.wav")
    assert (catalog.standing().total, catalog.standing().new) == (1, 0)
    # What comes back is new, once.
    holdings.hold(of("siren", "a", "a" * 64), "1")
    assert catalog.standing().new == 1
    release(holdings, "samples/siren/a.wav")
    assert catalog.standing().new == 0


def test_another_label_is_news(holdings: Holdings, catalog: Catalog, ledger: Ledger) -> None:
    holdings.hold(of("siren", "a"), "1")
    assert request(ledger, catalog)
    holdings.hold(of("casual", "a"), "1", waits=True)
    assert catalog.standing().new == 0
    release(holdings, "samples/siren/a.wav")
    assert catalog.standing().new == 1
    release(holdings, "samples/casual/a.wav")
    holdings.hold(of("siren", "b", "b" * 64), "1")
    assert catalog.standing().new == 1


def test_a_request_that_has_not_seen_a_removal_is_none(
    holdings: Holdings, catalog: Catalog, ledger: Ledger
) -> None:
    holdings.hold(of("siren", "a"), "1")
    holdings.hold(of("siren", "b", "b" * 64), "1")
    seen = catalog.standing()
    release(holdings, "samples/siren/b.wav")
    wish = Run("run", "requested", "because", "2026-11-21T10:00:00.000Z", seen.total)
    assert not ledger.request(wish, seen)
    # What came meanwhile is new after it.
    seen = catalog.standing()
    holdings.hold(of("siren", "c", "a1" * 32), "1")
    assert ledger.request(wish, seen)
    assert catalog.standing().new == 1
    release(holdings, "samples/siren/c.wav")
    assert catalog.standing().new == 0


def test_a_request_that_is_taken_back_knows_what_went_meanwhile(
    holdings: Holdings, catalog: Catalog, ledger: Ledger
) -> None:
    for n in "ab":
        holdings.hold(of("siren", n, n * 64), "1")
    assert request(ledger, catalog, "first")
    ledger.fail(ledger.run("first"), "It was cancelled.")
    for n in "cd":
        holdings.hold(of("siren", n, n * 64), "1")
    assert request(ledger, catalog, "second")
    for n in "ac":
        release(holdings, f"samples/siren/{n}.wav")
    assert catalog.standing().new == 0
    ledger.fail(ledger.run("second"), "Nobody began it.", renewed=True)
    assert catalog.standing().new == 1
    release(holdings, "samples/siren/d.wav")
    release(holdings, "samples/siren/b.wav")
    assert (catalog.standing().total, catalog.standing().new) == (0, 0)


def between(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen once between the reading and the writing of the next."""
    transact = Table.transact

    def late(table: Table, *actions: Any) -> bool:
        monkeypatch.setattr(Table, "transact", transact)
        act()
        return transact(table, *actions)

    monkeypatch.setattr(Table, "transact", late)


def test_the_last_two_go_at_once(
    holdings: Holdings, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither takes the other for one that stays."""
    for name in "ab":
        holdings.hold(of("siren", name), "1")
    between(monkeypatch, lambda: release(holdings, "samples/siren/b.wav"))
    assert release(holdings, "samples/siren/a.wav")
    assert catalog.standing().labels == {}
    assert list(catalog.samples()) == []


def test_the_last_goes_while_another_comes(
    holdings: Holdings, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    holdings.hold(of("siren", "a"), "1")
    between(monkeypatch, lambda: holdings.hold(of("casual", "b"), "1", waits=True))
    assert release(holdings, "samples/siren/a.wav")
    assert catalog.standing().labels == {"casual": 1}
    between(monkeypatch, lambda: holdings.hold(of("casual", "c"), "1"))
    assert release(holdings, "samples/casual/b.wav")
    assert [found.key for found in catalog.samples()] == ["samples/casual/c.wav"]
    between(monkeypatch, lambda: release(holdings, "samples/casual/c.wav"))
    assert holdings.hold(of("casual", "d"), "1") == "added"
    assert catalog.standing().labels == {"casual": 1}


def test_the_first_two_come_at_once(
    holdings: Holdings, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    between(monkeypatch, lambda: holdings.hold(of("siren", "b"), "1"))
    assert holdings.hold(of("siren", "a"), "1") == "duplicate"
    assert catalog.standing().labels == {"siren": 1}
    for name in "ab":
        assert catalog.standing().labels == {"siren": 1}
        release(holdings, f"samples/siren/{name}.wav")
    assert catalog.standing().labels == {}


def test_a_training_is_asked_for_while_one_goes_or_comes(
    holdings: Holdings, catalog: Catalog, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in "ab":
        holdings.hold(of("siren", n, n * 64), "1")
    between(monkeypatch, lambda: request(ledger, catalog, "first"))
    release(holdings, "samples/siren/a.wav")
    standing = catalog.standing()
    assert (standing.requested_total, standing.new) == (1, 0)
    ledger.fail(ledger.run("first"), "Over.")
    # Another of its shard comes first, and is asked for.
    between(
        monkeypatch,
        lambda: holdings.hold(of("siren", "c", "b1" * 32), "1") and request(ledger, catalog, "2"),
    )
    holdings.hold(of("siren", "d", "b2" * 32), "1")
    assert (catalog.standing().requested_total, catalog.standing().new) == (2, 1)
    release(holdings, "samples/siren/d.wav")
    assert (catalog.standing().requested_total, catalog.standing().new) == (2, 0)


def test_a_sound_that_changes_all_the_time_is_left_to_a_later_try(
    holdings: Holdings, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    holdings.hold(of("siren", "a"), "1")
    monkeypatch.setattr("earshot.holdings.time.sleep", lambda _: None)
    monkeypatch.setattr("earshot.table.Table.transact", lambda *_: False)
    with pytest.raises(SampleContended):
        holdings.hold(of("siren", "b"), "1")
    with pytest.raises(SampleContended):
        release(holdings, "samples/siren/a.wav")
