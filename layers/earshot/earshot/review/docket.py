"""What a person is asked about recordings, and what the person said, in the DynamoDB table.

======================  ==========================  ============================================
``pk``                  ``sk``                      item
======================  ==========================  ============================================
``REVIEW#<review>``     ``REVIEW``                  a stretch of a recording, and its verdict
``REVIEWS``             place, ``_``, id            an entry for each that waits for a person:
                                                    its ``label`` and ``site``
``REVIEWS#SITES``       site, ``/``, place,         the same, by site
                        ``_``, id
``REVIEWED``            ``TOTAL``                   how many verdicts of each kind stand
``REVIEWS#FAVOURED``    ``SITES``                   ``sites``, whose reviews come first
======================  ==========================  ============================================

The place is what ``ranking`` gives a doubt. An entry of an earlier release, whose place is its
margin, tells no label and no site, and is not listed by site.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

from earshot.errors import ReviewNotFound
from earshot.recording import Doubt, Review, TakenBack
from earshot.review.ranking import Waiting, place, spread
from earshot.table import Table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from earshot.recording import Verdict
    from earshot.table import Item

VERDICTS: tuple[Verdict, ...] = ("confirm", "correct", "reject")
# So many of those that wait are looked at, to choose from.
HEAD = 200
# While more than these wait, so many further sites are looked for, and of each so many looked at.
MORE_SITES = 10
HEAD_OF_SITE = 20
# So many sites can come first.
MOST_FAVOURED = 20
_ID = re.compile(r"[0-9a-f]{16}")
# Entries are fetched so many at a time.
PAGE = 200
# So much of a site's name goes into a key, which has room for a kilobyte.
_NAMED = 200


class Docket:
    """What waits for a verdict, and the verdicts. All writes are safe to repeat."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    # --- asking ----------------------------------------------------------------------------

    def asking(self, reviews: Sequence[Review]) -> list[Item]:
        """The actions of a transaction that queue those that never were; three for each."""
        there = {item["pk"] for item in self._table.get_many([_key(one.review) for one in reviews])}
        return [
            action
            for review in reviews
            if _key(review.review)[0] not in there
            for action in (
                self._table.putting_new(_item(review)),
                *(self._table.putting(entry) for entry in _entries(review)),
            )
        ]

    def ask(self, review: Review) -> Review:
        """Queue one, unless it ever was; answers it as it stands."""
        if actions := self.asking([review]):
            self._table.transact(*actions)
        return self.review(review.review)

    def favour(self, sites: Collection[str]) -> None:
        """Let the reviews of some sites come first from now on, and of no others.

        The first MOST_FAVOURED of them: if all are favoured, none is.
        """
        few = sorted(sites)[:MOST_FAVOURED]
        self._table.put({"pk": "REVIEWS#FAVOURED", "sk": "SITES", "sites": few})

    def favoured(self) -> frozenset[str]:
        """The sites whose reviews come first."""
        item = self._table.get("REVIEWS#FAVOURED", "SITES") or {}
        return frozenset(item.get("sites", ()))

    # --- what waits ------------------------------------------------------------------------

    def waiting(
        self,
        limit: int,
        favoured: Collection[str] = (),
        site: str | None = None,
        label: str | None = None,
    ) -> list[Review]:
        """Up to a hundred that wait for a person, in the order of ``ranking.spread``.

        They are chosen among the first HEAD by their place, and while more wait, also among those
        of other sites: so no site can hide all others, least of all one that is ``favoured``. Of
        one ``site``, or guessed to be of one ``label``, if that is asked for.
        """
        chosen = spread(self._candidates(favoured, site, label), limit, favoured)
        items = self._table.get_many([_key(one.review) for one in chosen])
        found = {review.review: review for review in map(_review, items)}
        return [found[one.review] for one in chosen]

    def review(self, review: str) -> Review:
        """One, whether it waits or not; raises ReviewNotFound."""
        item = self._table.get(*_key(review)) if _ID.fullmatch(review) else None
        if item is None:
            raise ReviewNotFound(f"There is no review {review[:100]!r}. GET /review lists them.")
        return _review(item)

    def is_waiting(self, review: Review) -> bool:
        """Whether it is in the queue."""
        entry, _ = _entries(review)
        return self._table.get(entry["pk"], entry["sk"]) is not None

    def _candidates(
        self, favoured: Collection[str], site: str | None, label: str | None
    ) -> Iterable[Waiting]:
        if site is not None:
            return _some(self._of_site(site), label, HEAD)
        head = _some(map(_waiting, self._table.query("REVIEWS", page=PAGE)), label, HEAD)
        if len(head) < HEAD:
            return head
        there = {one.site for one in head}
        others = [*favoured, *islice(self._sites(there | {*favoured}), MORE_SITES)]
        of_others = (_some(self._of_site(other), label, HEAD_OF_SITE) for other in others)
        return dict.fromkeys([*head, *(one for some in of_others for one in some)])

    def _of_site(self, site: str) -> Iterator[Waiting]:
        entries = self._table.query("REVIEWS#SITES", _between(site), page=PAGE)
        return (one for one in map(_waiting, entries) if one.site == site)

    def _sites(self, known: Collection[str]) -> Iterator[str]:
        """Further sites of which something waits, one looked for after the other."""
        after = "\x01"
        while found := next(
            self._table.query("REVIEWS#SITES", (after, "\U0010ffff"), page=1), None
        ):
            if found["site"] not in known:
                yield found["site"]
            _, after = _between(found["site"])

    # --- verdicts --------------------------------------------------------------------------

    def reviewed(self) -> dict[Verdict, int]:
        """How many verdicts of each kind stand."""
        item = self._table.get("REVIEWED", "TOTAL") or {}
        # One of before they were counted may be taken back.
        return {verdict: max(0, int(item.get(verdict, 0))) for verdict in VERDICTS}

    def decide(self, review: Review) -> bool:
        """Record a verdict and count it; False when there is one, or was since this was read."""
        when, seen = _as_seen(review)
        return self._table.transact(
            self._table.putting_if(
                f"attribute_not_exists(verdict) AND {when}", _item(review), seen
            ),
            self._counting(review, 1),
        )

    def close(self, review: Review) -> bool:
        """Take it out of the queue; False when its verdict stands no more."""
        when, seen = _as_seen(review)
        return self._table.transact(
            self._table.checking(*_key(review.review), when, seen),
            *(self._table.deleting(entry["pk"], entry["sk"]) for entry in _entries(review)),
        )

    def take_back(self, review: Review, undone: Review) -> bool:
        """Record that the verdict of ``review`` is ``undone``, and put it into the queue again.

        False when that verdict stands no more.
        """
        when, seen = _as_seen(review)
        return self._table.transact(
            self._table.putting_if(when, _item(undone), seen),
            *(self._table.putting(entry) for entry in _entries(undone)),
            self._counting(review, -1),
        )

    def _counting(self, review: Review, by: int) -> Item:
        return self._table.updating(
            "REVIEWED",
            "TOTAL",
            "ADD #verdict :by",
            {"by": by},
            names={"verdict": review.verdict or ""},
        )


def _key(review: str) -> tuple[str, str]:
    return f"REVIEW#{review}", "REVIEW"


def _entries(review: Review) -> list[Item]:
    """What a review that waits is listed by: among all, and among those of its site."""
    at = f"{place(review.doubt)}_{review.review}"
    told = {"label": review.doubt.label, "site": review.site}
    return [
        {"pk": "REVIEWS", "sk": at, **told},
        {"pk": "REVIEWS#SITES", "sk": f"{_between(review.site)[0]}{at}", **told},
    ]


def _between(site: str) -> tuple[str, str]:
    """Before and after all entries of a site."""
    named = site[:_NAMED]
    return f"{named}/", f"{named}/~"


def _waiting(entry: Item) -> Waiting:
    at, _, review = entry["sk"].rpartition("/")[2].rpartition("_")
    return Waiting(review, at, entry.get("label", ""), entry.get("site", ""))


def _some(waiting: Iterator[Waiting], label: str | None, most: int) -> list[Waiting]:
    return list(islice((one for one in waiting if label in (None, one.label)), most))


def _as_seen(review: Review) -> tuple[str, Item]:
    """The condition that no verdict was taken back since a review was read.

    So the verdict that it had still stands: only by this does one go.
    """
    if not review.history:
        return "attribute_not_exists(history)", {}
    return "history = :history", {"history": _told(review.history)}


def _told(history: tuple[TakenBack, ...]) -> str:
    return json.dumps([asdict(one) for one in history])


def _item(review: Review) -> dict[str, Any]:
    pk, sk = _key(review.review)
    content = {name: value for name, value in asdict(review).items() if value is not None}
    content["doubt"] = json.dumps(content["doubt"])
    del content["history"]
    if review.history:
        content["history"] = _told(review.history)
    return {"pk": pk, "sk": sk, **content}


def _review(item: dict[str, Any]) -> Review:
    content = {name: item[name] for name in Review.__dataclass_fields__ if name in item}
    content["doubt"] = Doubt(**json.loads(content["doubt"]))
    told = json.loads(content.get("history", "[]"))
    content["history"] = tuple(TakenBack(**one) for one in told)
    return Review(**content)
