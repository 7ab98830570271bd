"""Numbers as JSON has them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator


def _is_number(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError("a number is wanted, without quotation marks")  # noqa: TRY004
    return value


# Pydantic alone takes true for 1, or, when it is strict, 5.0 for none.
Whole = Annotated[int, BeforeValidator(_is_number)]
