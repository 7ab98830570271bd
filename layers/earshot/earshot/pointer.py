"""The pointer to what serves: promotions, and the challenger that hears along, as values.

Both are in one object of the artifacts bucket, so that who looks for the champion reads no more
for its challenger, and a promotion ends what was compared with the champion before it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

from earshot.recording import object_id

POINTER = "champion.json"

# So many promotions are remembered in the pointer itself, and so many challengers.
REMEMBERED = 100


@dataclass(frozen=True)
class Promotion:
    """From which version to which, when, by whose hand and why; None is the default bundle."""

    version: str | None
    previous: str | None
    promoted_at: str
    promoted_by: str
    reason: str
    rollback: bool = False


@dataclass(frozen=True)
class Shadow:
    """A challenger that hears a ``share`` (0 to 1) of what the champion hears, and answers nobody.

    After ``needed`` comparisons it is promoted, or not; by 0 it only hears along.
    """

    version: str
    began_at: str
    began_by: str
    reason: str
    needed: int
    share: float

    @property
    def shadow(self) -> str:
        """Its id: what is counted for a version begins anew with each time in the shadow."""
        return object_id(f"{self.version} {self.began_at}")[:8]

    def hears(self, name: str) -> bool:
        """Whether what has this name, a request's identity say, is among its share."""
        return int(object_id(name), 16) < self.share * 16**16


@dataclass(frozen=True)
class PastShadow(Shadow):
    """A challenger that hears along no more; ``promoted`` when it came into service by that."""

    ended_at: str
    ended_by: str
    why: str
    promoted: bool = False


@dataclass(frozen=True)
class Champion(Promotion):
    """The promotion in force and those before it; ``etag`` guards the next swap.

    The trail is in the pointer's own object, so a promotion without its record cannot be.
    ``fault`` says why that object cannot be read; it then stands for the default bundle, as it
    does while it is ``unmoved``: nothing was ever promoted, and it is there for a challenger.
    """

    earlier: tuple[Promotion, ...] = ()
    etag: str = ""
    fault: str = ""
    shadow: Shadow | None = None
    shadows: tuple[PastShadow, ...] = ()
    unmoved: bool = False

    @property
    def history(self) -> tuple[Promotion, ...]:
        """The latest promotions, the newest, which is in force, first."""
        if self.unmoved:
            return ()
        return Promotion(*(getattr(self, name) for name in _names(Promotion))), *self.earlier

    def undone(self) -> Promotion | None:
        """The promotion that a rollback takes back now; None when nothing is left to take back.

        Rollbacks and what they took back cancel out, so one after another goes further back.
        """
        taken_back = 0
        for promotion in self.history:
            if promotion.rollback:
                taken_back += 1
            elif taken_back:
                taken_back -= 1
            else:
                return promotion
        return None

    def to_json(self) -> bytes:
        """What ``read_pointer`` reads."""
        trail = [asdict(one) for one in self.history]
        content: dict[str, Any] = {**trail[0], "earlier": trail[1:]} if trail else {}
        if self.shadow or self.shadows or self.unmoved:
            content["shadow"] = asdict(self.shadow) if self.shadow else None
            content["shadows"] = [asdict(one) for one in self.shadows]
        return json.dumps(content).encode()


# Where nothing was promoted yet.
UNMOVED = Champion(None, None, "", "", "", unmoved=True)


def read_pointer(content: bytes, etag: str) -> Champion:
    """The pointer of an object; raises ValueError, TypeError or RecursionError for what is none.

    What a later release may have told besides is passed over, and gone with the next change.
    """
    told = json.loads(content)
    if not isinstance(told, dict):
        raise TypeError("it is no object of JSON")
    has_shadows = "shadow" in told
    shadow, shadows = told.pop("shadow", None), told.pop("shadows", [])
    earlier = told.pop("earlier", [])
    if told.keys() & _names(Promotion) or not has_shadows:
        promotion, *before = (_read(Promotion, one) for one in (told, *earlier))
        found = Champion(**asdict(promotion), earlier=tuple(before))
    else:
        found = UNMOVED
    return replace(
        found,
        etag=etag,
        shadow=_read(Shadow, shadow) if shadow else None,
        shadows=tuple(_read(PastShadow, one) for one in shadows),
    )


def promoted(seen: Champion | None, promotion: Promotion) -> Champion:
    """The pointer with one promotion more, which ends what was in the shadow."""
    was = seen or UNMOVED
    moved = Champion(
        **asdict(promotion),
        earlier=was.history[: REMEMBERED - 1],
        shadow=was.shadow,
        shadows=was.shadows,
    )
    if was.shadow is None:
        return moved
    is_it = was.shadow.version == promotion.version
    why = promotion.reason if is_it else f"{promotion.version or 'The default bundle'} serves now."
    ended = _past(was.shadow, promotion.promoted_at, promotion.promoted_by, why, promoted=is_it)
    return _without(moved, ended)


def shadowed(seen: Champion | None, shadow: Shadow) -> Champion:
    """The pointer with a challenger, in the place of one that may be there."""
    was = seen or UNMOVED
    if was.shadow:
        why = f"{shadow.version} took its place."
        was = _without(was, _past(was.shadow, shadow.began_at, shadow.began_by, why))
    return replace(was, shadow=shadow)


def unshadowed(seen: Champion, ended_at: str, ended_by: str, why: str) -> Champion:
    """The pointer without its challenger."""
    assert seen.shadow
    return _without(seen, _past(seen.shadow, ended_at, ended_by, why))


def _past(
    shadow: Shadow, ended_at: str, ended_by: str, why: str, promoted: bool = False
) -> PastShadow:
    return PastShadow(
        **asdict(shadow), ended_at=ended_at, ended_by=ended_by, why=why, promoted=promoted
    )


def _without(was: Champion, ended: PastShadow) -> Champion:
    return replace(was, shadow=None, shadows=(ended, *was.shadows)[:REMEMBERED])


Told = TypeVar("Told", bound=Promotion | Shadow)


def _read(kind: type[Told], told: Any) -> Told:
    """What an object of JSON tells; raises TypeError when it has something else than it should."""
    one = kind(**{name: told[name] for name in _names(kind) if name in told})
    others: dict[str, type | tuple[type, ...]] = {
        "rollback": bool,
        "promoted": bool,
        "needed": int,
        "share": (int, float),
    }
    for name in _names(kind):
        value = getattr(one, name)
        if name in ("version", "previous") and value is None and kind is Promotion:
            continue
        if not isinstance(value, others.get(name, str)):
            raise TypeError(f"it has something else in the place of {name}")
    return one


def _names(kind: type[Any]) -> list[str]:
    return [field.name for field in fields(kind)]
