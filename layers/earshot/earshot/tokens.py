"""Who may call the API: bearer tokens and their scopes, hashed in the DynamoDB table.

==========  ======  =======================================================================
``pk``      ``sk``  item
==========  ======  =======================================================================
``TOKENS``  id      SHA-256 of the secret, name, scope, ``created_at``, ``revoked_at``; and
                    ``expires_at``, by which DynamoDB deletes it some time later
==========  ======  =======================================================================

A token reads ``earshot_<id>_<secret>``, 12 and 64 hexadecimal digits. One round of SHA-256 keeps
the secret: slow hashes such as Argon2 protect passwords, which can be guessed; 256 random bits
cannot, however fast the hash.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from earshot.errors import ScopeMissing, TokenInvalid, TokenNotFound
from earshot.moments import now
from earshot.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

Scope = Literal["predict", "write", "admin"]
State = Literal["active", "expired", "revoked"]

# Each includes those before it.
SCOPES: tuple[Scope, ...] = get_args(Scope)

# A token is read from the table at most this often, so it is this long that a revoked one may last.
CACHED_S = 30
# Of so many ids is known whether they exist; a flood of others pushes the oldest out.
CACHED = 1000

_TOKEN = re.compile(r"earshot_(?P<id>[0-9a-f]{12})_(?P<secret>[0-9a-f]{64})")


@dataclass(frozen=True)
class Token:
    """What is known of a token, its secret excepted; ``expires_at`` in seconds since 1970."""

    id: str
    name: str
    scope: Scope
    created_at: str
    expires_at: int | None = None
    revoked_at: str | None = None

    def state(self, moment: float) -> State:
        """Whether it can be used at a moment, in seconds since 1970."""
        if self.revoked_at is not None:
            return "revoked"
        # DynamoDB deletes it days later; it must not last that long.
        return "expired" if self.expires_at is not None and moment >= self.expires_at else "active"


class _Kept(NamedTuple):
    """What the table said of an id, and when; no token when there was none."""

    read_at: float
    token: Token | None
    sha256: str


class Tokens:
    """The tokens of a deployment; threads may share it.

    ``clock`` gives seconds since 1970.
    """

    def __init__(
        self, client: DynamoDBClient, table: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._table = Table(client, table)
        self._clock = clock
        self._lock = Lock()
        self._cache: OrderedDict[str, _Kept] = OrderedDict()

    def create(self, name: str, scope: Scope, days: float | None = None) -> tuple[Token, str]:
        """A new token, for so many days or for good, and its text, which nobody can read again."""
        secret = secrets.token_hex(32)
        token = Token(
            id=secrets.token_hex(6),
            name=name,
            scope=scope,
            created_at=now(),
            expires_at=None if days is None else int(self._clock() + days * 86_400),
        )
        self._table.put(_item(token, _sha256(secret)))
        return token, f"earshot_{token.id}_{secret}"

    def list(self) -> tuple[Token, ...]:
        """All tokens, the newest first; one that expired disappears some days later."""
        found = [_token(item) for item in self._table.query("TOKENS")]
        return tuple(sorted(found, key=lambda token: token.created_at, reverse=True))

    def revoke(self, token_id: str) -> None:
        """Let a token end now; everywhere within CACHED_S. Raises TokenNotFound."""
        is_there = self._table.update(
            "TOKENS",
            token_id,
            "SET revoked_at = if_not_exists(revoked_at, :at)",
            {"at": now()},
            when="attribute_exists(pk)",
        )
        if not is_there:
            raise TokenNotFound(
                f"There is no token {token_id!r}. `earshot token list` names those that there are."
            )
        with self._lock:
            self._cache.pop(token_id, None)

    def check(self, text: str, scope: Scope) -> Token:
        """The token that ``text`` is, if it is good for a scope.

        Raises TokenInvalid when it is none, expired or revoked, and ScopeMissing.
        """
        parts = _TOKEN.fullmatch(text)
        kept = self._look_up(parts["id"]) if parts else None
        if (
            parts is None
            or kept is None
            or kept.token is None
            or not hmac.compare_digest(_sha256(parts["secret"]), kept.sha256)
        ):
            raise TokenInvalid(
                "This is no token of this deployment. `earshot token create` makes one."
            )
        token = kept.token
        state = token.state(self._clock())
        if state != "active":
            raise TokenInvalid(
                f"The token {token.name!r} is {state}. `earshot token create` makes a new one."
            )
        if SCOPES.index(token.scope) < SCOPES.index(scope):
            raise ScopeMissing(
                f"This needs a token of scope {scope!r}, and {token.name!r} is one of scope "
                f"{token.scope!r}. `earshot token create NAME --scope {scope}` makes one."
            )
        return token

    def _look_up(self, token_id: str) -> _Kept:
        """What the table says of an id, or said less than CACHED_S ago."""
        moment = self._clock()
        with self._lock:
            kept = self._cache.get(token_id)
            # A clock that was set back keeps nothing alive.
            if kept and 0 <= moment - kept.read_at < CACHED_S:
                self._cache.move_to_end(token_id)
                return kept
        item = self._table.get("TOKENS", token_id)
        kept = _Kept(moment, _token(item), item["sha256"]) if item else _Kept(moment, None, "")
        with self._lock:
            self._cache[token_id] = kept
            self._cache.move_to_end(token_id)
            if len(self._cache) > CACHED:
                self._cache.popitem(last=False)
        return kept


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _item(token: Token, sha256: str) -> dict[str, Any]:
    return {
        "pk": "TOKENS",
        "sk": token.id,
        "sha256": sha256,
        "name": token.name,
        "scope": token.scope,
        "created_at": token.created_at,
        **({} if token.expires_at is None else {"expires_at": token.expires_at}),
    }


def _token(item: dict[str, Any]) -> Token:
    return Token(
        id=item["sk"],
        name=item["name"],
        scope=item["scope"],
        created_at=item["created_at"],
        expires_at=int(item["expires_at"]) if "expires_at" in item else None,
        revoked_at=item.get("revoked_at"),
    )
