"""Which objects hold which sound, and with it what is catalogued, in the DynamoDB table.

==============================  ===================  ===============================================
``pk``                          ``sk``               item
==============================  ===================  ===============================================
``OBJECT#<key>``                ``OBJECT``           what an object holds: ``sha256``, ``label`` and
                                                     ``group``; ``version``, the content looked at
``HOLDERS#<sha256>#<label>``    object key           an object below a label that holds the sound
``SAMPLES#<shard>``             SHA-256 of the PCM   of ``earshot.catalog``. ``n#<label>``: objects
                                                     of each label that hold it; ``revision``, one
                                                     more with each change of them; ``serial``, the
                                                     revision of its shard's counts that it made
``COUNTS#<shard>``              ``COUNTS``           of ``earshot.catalog``
``TRAINING``                    ``TRAINING``         of ``earshot.ledger``: ``marks``, each shard's
                                                     revision at the last request, those before,
                                                     and ``removals``
==============================  ===================  ===============================================

A sound is one sample, of the label that an object brought first. Objects of other labels wait: when
the last object of its label goes, the sample goes to theirs, or with it, in the same transaction.

A sample is new while its serial is above its shard's mark. So ``requested_total`` is one less when
one goes that the last training was asked for with, and what is new never falls below nothing. A
sample that comes back, or that gets another label, is new again.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from earshot.catalog import sample_item
from earshot.errors import LabelConflict, SampleContended
from earshot.moments import now
from earshot.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from earshot.recording import Sample
    from earshot.table import Item

Held = Literal["added", "duplicate", "waiting"]

# Each that fails is another's that did not.
TRIES = 30
# Refusals that end in the transaction that gives a sample to those who waited; it takes a hundred.
FREED = 50


@dataclass(frozen=True)
class Holder:
    """An object that holds a sound; ``version`` names the content that it was told by."""

    key: str
    version: str
    sha256: str
    label: str
    group: str


@dataclass(frozen=True)
class _Sound:
    """The sample of a sound, its shard's counts and the training item, as they were read."""

    sample: Item | None
    counts: Item
    training: Item


class _HoldersChanged(Exception):
    """The objects of a sound are others than its sample said when it was read, just before."""


class Holdings:
    """Takes samples in and out by the objects that hold them. All writes are safe to repeat.

    Who changes what an object holds has read that before looking at the object, and hands it over
    as ``known``: if it is something else by now, nothing happens, and both have to be read again.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def of(self, key: str) -> Holder | None:
        """What an object holds as far as is known."""
        item = self._table.get(f"OBJECT#{key}", "OBJECT")
        if item is None:
            return None
        return Holder(key, item["version"], item["sha256"], item["label"], item["group"])

    def stands(self, holder: Holder) -> bool:
        """Whether the sound is catalogued under the object's label."""
        item = self._table.get(*_sample_key(holder.sha256))
        return item is not None and item["label"] == holder.label

    def hold(
        self, sample: Sample, version: str, known: Holder | None = None, *, waits: bool = False
    ) -> Held | None:
        """Record that ``sample.key`` holds a sound, and catalogue and count what is new.

        All of that is one transaction, in which a refusal of the object ends as well; another sound
        that the object held is released before. None when ``known`` is no longer what is known.
        Raises LabelConflict, with nothing recorded, when the sound has another label, unless the
        object ``waits`` for it; and SampleContended.
        """
        if known and known.sha256 != sample.sha256:
            if not self.release(known):
                return None
            known = None
        holder = Holder(sample.key, version, sample.sha256, sample.label, sample.group)
        for _ in _tries(sample.key):
            sound = self._sound(sample.sha256)
            there = sound.sample
            conflicts = there is not None and there["label"] != sample.label
            if there and conflicts and not waits:
                raise LabelConflict(
                    f"{sample.key} is the same sound as {there['key']}, which is catalogued as "
                    f"{there['label']!r}. It is learnt as that; this one changes nothing while "
                    "that is there."
                )
            actions = [*self._keeping(holder, known)]
            if there is None:
                actions += self._cataloguing(sample, sound.counts)
            elif known is None:
                actions.append(self._changing(there, f"n#{sample.label}", 1))
            if not conflicts:
                actions.append(self._table.deleting("REFUSED", sample.key))
            if self._table.transact(*actions):
                return "waiting" if conflicts else "duplicate" if there else "added"
            if self.of(sample.key) != known:
                return None
        raise AssertionError

    def release(self, known: Holder) -> bool:
        """Record that an object holds its sound no more; False when it holds something else.

        The last one takes the sample and its count along, or leaves it to those who waited. The
        sample is told by another of its objects if this was the one. Raises SampleContended.
        """
        for _ in _tries(known.key):
            sound = self._sound(known.sha256)
            try:
                change = [*self._without(known, sound.sample, sound)] if sound.sample else []
            except _HoldersChanged:
                settled = False
            else:
                settled = self._table.transact(
                    *change,
                    self._table.deleting(
                        f"OBJECT#{known.key}",
                        "OBJECT",
                        when="version = :version AND sha256 = :sha256",
                        values={"version": known.version, "sha256": known.sha256},
                    ),
                    self._table.deleting(_holders(known.sha256, known.label), known.key),
                    self._table.deleting("REFUSED", known.key),
                )
            if settled:
                return True
            if self.of(known.key) != known:
                return False
        raise AssertionError

    def _sound(self, sha256: str) -> _Sound:
        keys = [_sample_key(sha256), (f"COUNTS#{sha256[0]}", "COUNTS"), ("TRAINING", "TRAINING")]
        items = {item["pk"]: item for item in self._table.get_many(keys)}
        sample, counts, training = (items.get(pk) for pk, _ in keys)
        return _Sound(sample, counts or {}, training or {})

    # --- actions of a transaction ----------------------------------------------------------

    def _keeping(self, holder: Holder, known: Holder | None) -> Iterator[Any]:
        """What the object holds, from both sides."""
        item = {
            "pk": f"OBJECT#{holder.key}",
            "sk": "OBJECT",
            "version": holder.version,
            "sha256": holder.sha256,
            "label": holder.label,
            "group": holder.group,
        }
        if known:
            seen = {"version": known.version, "sha256": known.sha256}
            yield self._table.putting_if("version = :version AND sha256 = :sha256", item, seen)
        else:
            yield self._table.putting_new(item)
        yield self._table.putting(
            {
                "pk": _holders(holder.sha256, holder.label),
                "sk": holder.key,
                "group": holder.group,
            }
        )

    def _cataloguing(self, sample: Sample, counts: Item) -> Iterator[Any]:
        """A new sample, and its count."""
        serial = int(counts.get("revision", 0)) + 1
        held = {f"n#{sample.label}": 1, "revision": 1, "serial": serial}
        yield self._table.putting_new(sample_item(sample) | held)
        yield self._counting(sample.sha256, {sample.label: 1}, counts)

    def _counting(self, sha256: str, by: dict[str, int], seen: Item | None = None) -> Any:
        """A change of the counts; of those that were ``seen``, if their revision matters."""
        values: dict[str, int] = {f"n{n}": change for n, change in enumerate(by.values())}
        when = ""
        if seen is not None:
            when = "revision = :seen" if "revision" in seen else "attribute_not_exists(revision)"
            values |= {"seen": seen["revision"]} if "revision" in seen else {}
        return self._table.updating(
            f"COUNTS#{sha256[0]}",
            "COUNTS",
            "ADD " + ", ".join([*(f"#n{n} :n{n}" for n in range(len(by))), "revision :one"]),
            {"one": 1, **values},
            names={f"n{n}": f"n#{label}" for n, label in enumerate(by)},
            when=when,
        )

    def _changing(self, there: Item, count: str, by: int, **changes: Any) -> Any:
        """A change of a sample's objects, and of attributes, if it is as it was read."""
        sets = ", ".join(f"#{name} = :{name}" for name in changes)
        # A sample of an earlier version has no revision yet.
        seen = {"seen": there["revision"]} if "revision" in there else {}
        return self._table.updating(
            there["pk"],
            there["sk"],
            (f"SET {sets} " if sets else "") + "ADD #count :by, revision :one",
            {"by": by, "one": 1, "label_seen": there["label"], **changes, **seen},
            names={"count": count, "label_seen": "label", **{name: name for name in changes}},
            when="#label_seen = :label_seen AND "
            + ("revision = :seen" if seen else "attribute_not_exists(revision)"),
        )

    def _without(self, known: Holder, there: Item, sound: _Sound) -> Iterator[Any]:
        """A sample without one of its objects, given to others' label, or gone."""
        count = f"n#{known.label}"
        if known.label != there["label"]:
            yield self._changing(there, count, -1)
        elif there[count] > 1:
            moved = {}
            if there["key"] == known.key:
                last = self._table.last(_holders(known.sha256, known.label), 2)
                others = [item for item in last if item["sk"] != known.key]
                if not others:
                    raise _HoldersChanged
                moved = {"key": others[0]["sk"], "group": others[0]["group"]}
            yield self._changing(there, count, -1, **moved)
        else:
            yield self._leaving(there, sound.training)
            waiting = {
                name[2:]: int(n) for name, n in there.items() if name.startswith("n#") and n > 0
            }
            del waiting[known.label]
            if not waiting:
                yield self._table.deleting(
                    there["pk"], there["sk"], "revision = :seen", {"seen": there["revision"]}
                )
                yield self._counting(known.sha256, {known.label: -1})
                return
            label = max(sorted(waiting), key=lambda name: waiting[name])
            heirs = self._table.first(_holders(known.sha256, label), FREED)
            if not heirs:
                raise _HoldersChanged
            yield self._changing(
                there,
                count,
                -1,
                label=label,
                key=heirs[0]["sk"],
                group=heirs[0]["group"],
                added_at=now(),
                serial=int(sound.counts["revision"]) + 1,
            )
            yield self._counting(known.sha256, {known.label: -1, label: 1}, sound.counts)
            for heir in heirs:
                yield self._table.deleting("REFUSED", heir["sk"])

    def _leaving(self, there: Item, training: Item) -> Any:
        """A removal, and one sample less that the last training was asked for with."""
        shard, serial = there["sk"][0], int(there.get("serial", 0))

        def is_among(marks: str) -> bool:
            return serial <= int(training.get(marks, {}).get(shard, 0))

        asked = {"total": -is_among("marks"), "before": -is_among("marks_before")}
        # The marks are those that were read, if nothing was asked for meanwhile.
        seen = {"seen": training["requests"]} if "requests" in training else {}
        return self._table.updating(
            "TRAINING",
            "TRAINING",
            "ADD removals :one, requested_total :total, requested_before :before",
            {"one": 1, **asked, **seen},
            when="requests = :seen" if seen else "attribute_not_exists(requests)",
        )


def _sample_key(sha256: str) -> tuple[str, str]:
    return f"SAMPLES#{sha256[0]}", sha256


def _holders(sha256: str, label: str) -> str:
    return f"HOLDERS#{sha256}#{label}"


def _tries(key: str) -> Iterator[None]:
    """As often as something may be tried that others' success foils; raises SampleContended."""
    for attempt in range(TRIES):
        yield
        time.sleep(random.uniform(0, 0.005 * attempt))
    raise SampleContended(f"Too many objects of the sound in {key} change at once. Try again.")
