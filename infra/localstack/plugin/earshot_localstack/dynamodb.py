"""DynamoDB by the moto that LocalStack carries: its own is a program in Java, to be downloaded."""

from __future__ import annotations

import threading
from functools import wraps
from typing import TYPE_CHECKING, Any

from localstack.aws.api.dynamodb import DynamodbApi
from localstack.aws.api.dynamodbstreams import DynamodbstreamsApi
from localstack.services.moto import MotoFallbackDispatcher
from localstack.services.plugins import Service, aws_provider

if TYPE_CHECKING:
    from collections.abc import Callable

# moto's transactions are not atomic under threads.
_lock = threading.RLock()


def _one_at_a_time(provider: Any) -> dict[str, Callable[..., Any]]:
    def locked(call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def wait(*args: Any, **kwargs: Any) -> Any:
            with _lock:
                return call(*args, **kwargs)

        return wait

    return {name: locked(call) for name, call in MotoFallbackDispatcher(provider).items()}


@aws_provider(api="dynamodb", name="moto")
def dynamodb() -> Service:
    """DynamoDB's calls."""
    return Service.for_provider(DynamodbApi(), dispatch_table_factory=_one_at_a_time)


@aws_provider(api="dynamodbstreams", name="moto")
def dynamodbstreams() -> Service:
    """Those of its streams."""
    return Service.for_provider(DynamodbstreamsApi(), dispatch_table_factory=_one_at_a_time)
