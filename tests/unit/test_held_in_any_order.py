"""What objects hold, whatever comes and goes in whatever order, against a model of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from earshot.catalog import Catalog
from earshot.holdings import Holdings
from earshot.ledger import Ledger
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_holdings import of, release, request

if TYPE_CHECKING:
    from conftest import Aws


# Sounds of two shards, objects of three labels.
SOUNDS = ("a" * 64, "a1" * 32, "b" * 64)
KEYS = [of(label, name).key for label in ("casual", "gunshot", "siren") for name in "xy"]


class Model:
    """What has to be catalogued, and what of it is new, told without a table."""

    def __init__(self) -> None:
        self.objects: dict[str, str] = {}  # key -> sound
        self.labels: dict[str, str] = {}  # sound -> label
        self.asked_for: set[str] = set()  # sounds that the last training was asked for with
        self.before: set[str] = set()  # and the one before

    def put(self, key: str, sound: str | None) -> None:
        """An object holds a sound, or none."""
        self.objects.pop(key, None)
        if sound:
            self.objects[key] = sound
        for one in SOUNDS:
            holders = Counter(
                place.split("/")[1] for place, held in self.objects.items() if held == one
            )
            if self.labels.get(one) not in holders:
                # It is gone, or came, or has another label: what was known of it is over.
                self.asked_for -= {one}
                self.before -= {one}
                self.labels.pop(one, None)
                if holders:
                    self.labels[one] = max(sorted(holders), key=lambda label: holders[label])

    def request(self) -> None:
        """A training is asked for."""
        self.before, self.asked_for = self.asked_for, {*self.labels}

    def take_back(self) -> None:
        """It was not asked for after all."""
        self.asked_for = {*self.before}

    def holds(self, catalog: Catalog) -> None:
        """Compare."""
        catalogued = {found.sha256: found for found in catalog.samples()}
        assert {one: found.label for one, found in catalogued.items()} == self.labels
        for one, found in catalogued.items():
            assert self.objects[found.key] == one
            assert found.key.startswith(f"samples/{found.label}/")
        standing = catalog.standing()
        assert standing.labels == dict(Counter(self.labels.values()))
        assert standing.requested_total == len(self.asked_for)
        assert standing.new == len(self.labels.keys() - self.asked_for)


def clear(aws: Aws) -> None:
    for item in aws.dynamodb.scan(TableName="earshot")["Items"]:
        aws.dynamodb.delete_item(TableName="earshot", Key={"pk": item["pk"], "sk": item["sk"]})


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.sampled_from(KEYS), st.sampled_from([*SOUNDS, None])),
            st.tuples(st.sampled_from(["request", "end", "take back"]), st.none()),
        ),
        max_size=30,
    )
)
def test_the_catalogue_is_what_objects_hold(
    aws: Aws,
    holdings: Holdings,
    catalog: Catalog,
    ledger: Ledger,
    steps: list[tuple[str, str | None]],
) -> None:
    clear(aws)
    model = Model()
    for number, (act, sound) in enumerate(steps):
        seat = ledger.seat()
        if act == "request":
            if request(ledger, catalog, f"{number}"):
                model.request()
        elif act in ("end", "take back"):
            taken_back = act == "take back"
            ended = seat and ledger.fail(ledger.run(seat), "Over.", renewed=taken_back)
            if ended and taken_back:
                model.take_back()
        else:
            known = holdings.of(act)
            assert (known.sha256 if known else None) == model.objects.get(act)
            label, name = act.split("/")[1:]
            if sound:
                made = of(label, name.removesuffix(".wav"), sound)
                assert holdings.hold(made, f"{number}", known, waits=True)
            elif known:
                assert holdings.release(known)
            model.put(act, sound)
        model.holds(catalog)
    for key in model.objects:
        release(holdings, key)
    left = {item["pk"]["S"] for item in aws.dynamodb.scan(TableName="earshot")["Items"]}
    assert {pk.partition("#")[0] for pk in left} <= {"COUNTS", "TRAINING", "RUNS"}
