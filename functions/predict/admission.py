"""Whether a request comes with a token that is good for what it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earshot.errors import TokenRequired

if TYPE_CHECKING:
    from earshot.tokens import Scope, Tokens
    from starlette.requests import Request


def admit(request: Request, tokens: Tokens, scope: Scope) -> None:
    """Note whose token it is; raises TokenRequired, TokenInvalid or ScopeMissing."""
    kind, _, text = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not text:
        raise TokenRequired(
            "Send a token in the header 'Authorization: Bearer <token>'. `earshot token "
            "create` makes one."
        )
    request.state.caller = tokens.check(text.strip(), scope).name
