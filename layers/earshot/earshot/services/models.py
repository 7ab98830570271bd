"""Model versions: tried, put into service, taken back."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from earshot.errors import BadBundle, NothingToRollBackTo, PromotionConflict, PromotionRefused
from earshot.events import ModelPromoted
from earshot.moments import since_epoch
from earshot.sweeps import UNPUBLISHED_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.announcements import Announcements
    from earshot.bundle import ModelCard
    from earshot.detector import Detector
    from earshot.evaluation import Evaluation
    from earshot.events import Publisher
    from earshot.pointer import Champion, Shadow
    from earshot.registry import Registry
    from earshot.serving import Serving
    from earshot.sweeps import Repair

logger = logging.getLogger(__name__)

# How many versions a list shows.
LISTED = 50
# What the default bundle is called where its own version cannot be read.
DEFAULT = "default"
# For so long a sweep tells of a promotion that nobody was told of.
LATEST_S = 86_400


@dataclass(frozen=True)
class Listing:
    """The cards of the latest versions, and why others of them cannot be read, by version.

    The newest come first, the default bundle last. ``champion`` is the version that is to serve.
    """

    cards: list[ModelCard]
    unreadable: dict[str, str]
    champion: str | None
    pointer: Champion | None


@dataclass(frozen=True)
class Models:
    """Says which version serves."""

    registry: Registry
    serving: Serving
    publisher: Publisher
    announcements: Announcements

    def promote(
        self,
        version: str | None,
        expected: Champion | None,
        by: str,
        reason: str,
        proven_as: Shadow | None = None,
    ) -> Champion:
        """Try a version, or by None the default bundle, put it into service, and tell of it.

        Raises PromotionConflict when the pointer is no longer ``expected``, or cannot be read:
        what served before is for a person to judge; and when what the version is ``proven_as`` was
        taken out of the shadow meanwhile. Raises ModelNotFound, or PromotionRefused when the
        version could not serve.
        """
        if expected and expected.fault:
            raise PromotionConflict(f"{version} was not promoted: {expected.fault}")
        return self._promote(version, expected, by, reason, proven_as=proven_as)

    def _promote(
        self,
        version: str | None,
        expected: Champion | None,
        by: str,
        reason: str,
        rollback: bool = False,
        proven_as: Shadow | None = None,
    ) -> Champion:
        tried = self.tried(version)
        champion = self.registry.promote(version, expected, by, reason, rollback, proven_as)
        self.serving.look_again(version, tried)
        try:
            self._tell(champion)
        except (ClientError, BotoCoreError, RuntimeError):
            # It serves whether or not anybody heard of it yet.
            logger.exception("The promotion of %s could not be published.", version)
        return champion

    def _tell(self, champion: Champion) -> None:
        """Tell of the promotion in force; whoever dies in between has it told twice."""
        self.publisher.publish(
            ModelPromoted(
                champion.version, champion.previous, champion.reason, champion.promoted_at
            )
        )
        self.announcements.keep(champion)

    def tell_of(self, pointer: Champion, now_s: float) -> Iterator[tuple[Repair, str]]:
        """Tell of the promotion in force if nobody did; ``now_s`` in seconds since the epoch."""
        if pointer.fault or not pointer.history:
            return
        since_s = now_s - since_epoch(pointer.promoted_at)
        if UNPUBLISHED_S <= since_s <= LATEST_S and not self.announcements.has(pointer):
            self._tell(pointer)
            what = pointer.version or "the default bundle"
            yield "promotion_published", f"The promotion of {what} had not been published."

    def tried(self, version: str | None) -> Detector:
        """A version, or by None the default bundle, that could serve.

        Raises ModelNotFound, or PromotionRefused when it could not.
        """
        try:
            return self.serving.load(version)
        except BadBundle as error:
            raise PromotionRefused(
                f"{version or 'The default bundle'} could not serve, so the champion stays what "
                f"it is: {error} Promote another version."
            ) from error

    def promote_by_hand(
        self, version: str, by: str, reason: str, expected: str | None = None
    ) -> Champion | None:
        """Put a version into service whatever its gates said; the champion itself stays.

        It takes the place of a pointer that cannot be read, too, and begins a new history.
        ``expected`` is the champion that the caller has seen. Answers the pointer, None while
        nothing was ever promoted. Raises what ``promote`` does.
        """
        pointer = self.pointer(expected)
        wanted = self._pointed(version)
        is_broken = bool(pointer and pointer.fault)
        if wanted == (pointer.version if pointer else None) and not is_broken:
            return pointer
        return self._promote(wanted, pointer, by, reason)

    def roll_back(self, by: str, reason: str, expected: str | None = None) -> Champion:
        """Put the version into service that served before, and so further back each time.

        ``expected`` is the champion that the caller has seen: with it, a call that is repeated
        goes back once. Raises NothingToRollBackTo and what ``promote`` does.
        """
        pointer = self.pointer(expected)
        undone = pointer.undone() if pointer else None
        default, fault = self._default()
        if undone is None or (undone.previous is None and not (default or fault)):
            raise NothingToRollBackTo(
                "No version served before this one. Promote a version of GET /models by its name."
            )
        return self._promote(undone.previous, pointer, by, reason, rollback=True)

    def pointer(self, expected: str | None) -> Champion | None:
        """The champion pointer; raises PromotionConflict when it is not at ``expected``."""
        pointer = self.registry.champion()
        if expected is not None and self._pointed(expected) != (pointer and pointer.version):
            raise PromotionConflict(
                f"Nothing was changed: {expected[:100]!r} is not the champion, or no longer. Look "
                "at GET /models, and ask again if it still should change."
            )
        return pointer

    def _pointed(self, version: str) -> str | None:
        """How the pointer names a version: the default bundle's is None."""
        default, _ = self._default()
        return None if default and default.version == version else version

    def _default(self) -> tuple[ModelCard | None, str]:
        """The default bundle's card, or why it cannot be read: the other versions can be."""
        try:
            bundle = self.serving.default
        except BadBundle as error:
            return None, str(error)
        return (bundle.card if bundle else None), ""

    def name(self, version: str | None) -> str | None:
        """What a version of the pointer calls itself; None for a default bundle that is not there.

        Or that cannot be read.
        """
        default, _ = self._default()
        return version or (default.version if default else None)

    def listing(self) -> Listing:
        """The latest versions."""
        found = self.registry.latest(LISTED)
        default, fault = self._default()
        cards = [card for card in found.values() if not isinstance(card, str)]
        unreadable = {version: why for version, why in found.items() if isinstance(why, str)}
        pointer = self.registry.champion()
        return Listing(
            cards=[*cards, default] if default else cards,
            unreadable=unreadable | ({DEFAULT: fault} if fault else {}),
            champion=self.name(pointer.version if pointer else None),
            pointer=pointer,
        )

    def card(self, version: str) -> ModelCard:
        """One version's card; raises ModelNotFound or BadBundle."""
        default, _ = self._default()
        return default if default and default.version == version else self.registry.card(version)

    def evaluation(self, version: str) -> Evaluation:
        """What a version answered to its held-out clips.

        Raises ModelNotFound, EvaluationNotFound or BadBundle.
        """
        if self._pointed(version) is None:
            return self.serving.default_evaluation()
        return self.registry.evaluation(version)
