"""Prices of ``prices.toml``, each with its source and date; and bills, which are sums of them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date


@dataclass(frozen=True)
class Price:
    """``usd`` buy ``count`` of a ``unit``, of which an account has ``free`` each month."""

    usd: float
    count: float
    unit: str
    source: str
    as_of: date
    by: str
    free: float = 0


@dataclass(frozen=True)
class Line:
    """So much of something, and what it costs in dollars."""

    what: str
    amount: float
    price: Price

    @property
    def usd(self) -> float:
        """What it costs."""
        return self.amount * self.price.usd / self.price.count

    @property
    def usd_at_least(self) -> float:
        """What it costs in a month in which the account's free tier is there for it alone."""
        return max(self.amount - self.price.free, 0) * self.price.usd / self.price.count


@dataclass(frozen=True)
class Bill:
    """What something costs, part by part."""

    title: str
    lines: tuple[Line, ...]

    @property
    def usd(self) -> float:
        """All of it."""
        return sum(line.usd for line in self.lines)

    @property
    def usd_at_least(self) -> float:
        """All of it in an account that does nothing else; see ``Line``."""
        return sum(line.usd_at_least for line in self.lines)


def read_prices() -> dict[str, Price]:
    """All prices by name; those that differ by processor as ``name.x86_64`` and ``name.arm64``."""
    found: dict[str, Price] = {}
    text = (files("earshot.cli") / "prices.toml").read_text("utf-8")
    for name, entry in tomllib.loads(text).items():
        of_one = {name: entry} if "usd" in entry else {f"{name}.{a}": e for a, e in entry.items()}
        found |= {key: Price(**fields) for key, fields in of_one.items()}
    return found
