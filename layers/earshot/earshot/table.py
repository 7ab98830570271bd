"""One DynamoDB table, values in and out: keys ``pk`` and ``sk``, strongly consistent reads."""

from __future__ import annotations

import random
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    Item = dict[str, Any]

# A transaction that meets another on one item is cancelled and tried again.
CONFLICT_TRIES = 8

_serialize: Callable[[Any], Any] = TypeSerializer().serialize
_deserialize: Callable[[Any], Any] = TypeDeserializer().deserialize


class Table:
    """Reads and conditional writes; a condition that does not hold is an answer, not an error.

    In expressions ``:name`` stands for an entry of ``values`` and ``#name`` for the attribute that
    an entry of ``names`` says. Numbers come back as decimals, binary values as boto3's ``Binary``.
    """

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self._name = name

    def get(self, pk: str, sk: str) -> Item | None:
        """One item, or None."""
        answer = self._client.get_item(TableName=self._name, Key=_key(pk, sk), ConsistentRead=True)
        return _values(answer["Item"]) if "Item" in answer else None

    def get_many(self, keys: Sequence[tuple[str, str]]) -> list[Item]:
        """Those of up to a hundred items that exist, in any order, in one round trip."""
        wanted: Any = keys and {
            self._name: {"Keys": [_key(pk, sk) for pk, sk in keys], "ConsistentRead": True}
        }
        items: list[Item] = []
        while wanted:
            answer = self._client.batch_get_item(RequestItems=wanted)
            items += [_values(item) for item in answer["Responses"].get(self._name, ())]
            wanted = answer.get("UnprocessedKeys")
        return items

    def query(
        self,
        pk: str,
        between: tuple[str, str] | None = None,
        only: Sequence[str] = (),
        page: int | None = None,
    ) -> Iterator[Item]:
        """The items of a partition by their ``sk``, fetched page by page as they are asked for.

        All of them, or those from the first to the last ``sk`` of ``between``, both included; of
        each all attributes, or ``only`` some. A ``page`` has as many as fit into a megabyte, or so
        many.
        """
        condition, values = "pk = :pk", {":pk": {"S": pk}}
        some: Item = {}
        if only:
            some["ProjectionExpression"] = ", ".join(f"#{i}" for i in range(len(only)))
            some["ExpressionAttributeNames"] = {f"#{i}": name for i, name in enumerate(only)}
        if between:
            condition += " AND sk BETWEEN :first AND :last"
            values |= {":first": {"S": between[0]}, ":last": {"S": between[1]}}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            ConsistentRead=True,
            PaginationConfig={"PageSize": page} if page else {},
            **some,
        )
        for answer in pages:
            for item in answer["Items"]:
                yield _values(item)

    def first(self, pk: str, limit: int) -> list[Item]:
        """The first items of a partition by their ``sk``."""
        return self._some(pk, limit, ScanIndexForward=True)

    def last(self, pk: str, limit: int, before: str = "") -> list[Item]:
        """The last items of a partition by their ``sk``, or the last before one: the last first."""
        start: Item = {"ExclusiveStartKey": _key(pk, before)} if before else {}
        return self._some(pk, limit, ScanIndexForward=False, **start)

    def _some(self, pk: str, limit: int, **how: Any) -> list[Item]:
        answer = self._client.query(
            TableName=self._name,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
            ConsistentRead=True,
            Limit=limit,
            **how,
        )
        return [_values(item) for item in answer["Items"]]

    def put(self, item: Item) -> None:
        """Write an item, whatever was there."""
        self._client.put_item(TableName=self._name, Item=_serialized(item))

    def put_many(self, items: Iterable[Item]) -> None:
        """Write items, no two of one key, whatever was there; twenty-five in a round trip.

        Raises RuntimeError when DynamoDB goes on not to take some.
        """
        rest = iter(items)
        while some := list(islice(rest, 25)):
            wanted: Any = {self._name: [{"PutRequest": {"Item": _serialized(one)}} for one in some]}
            for attempt in range(1, CONFLICT_TRIES + 1):
                wanted = self._client.batch_write_item(RequestItems=wanted).get("UnprocessedItems")
                if not wanted:
                    break
                time.sleep(random.uniform(0, 0.05 * 2**attempt))
            else:
                raise RuntimeError(f"DynamoDB did not take {len(wanted[self._name])} items.")

    def delete(self, pk: str, sk: str) -> None:
        """Delete an item, if it is there."""
        self._client.delete_item(TableName=self._name, Key=_key(pk, sk))

    def update(
        self,
        pk: str,
        sk: str,
        change: str,
        values: Item,
        *,
        names: Mapping[str, str] | None = None,
        when: str = "",
    ) -> bool:
        """Change an item's attributes; False when the condition ``when`` does not hold."""
        try:
            action = self.updating(pk, sk, change, values, names=names, when=when)
            self._client.update_item(**action["Update"])
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def transact(self, *actions: Any) -> bool:
        """Do all of the actions or none; False when one's condition does not hold."""
        for attempt in range(1, CONFLICT_TRIES + 1):
            try:
                self._client.transact_write_items(TransactItems=actions)
            except self._client.exceptions.TransactionCanceledException as error:
                codes = {reason.get("Code") for reason in error.response["CancellationReasons"]}
                if "ConditionalCheckFailed" in codes:
                    return False
                if "TransactionConflict" not in codes or attempt == CONFLICT_TRIES:
                    raise
                time.sleep(random.uniform(0, 0.01 * 2**attempt))
            else:
                break
        return True

    def putting(self, item: Item) -> Item:
        """The action of a transaction that writes an item, whatever was there."""
        return {"Put": {"TableName": self._name, "Item": _serialized(item)}}

    def putting_new(self, item: Item) -> Item:
        """The action of a transaction that writes an item which must not be there yet."""
        return self.putting_if("attribute_not_exists(pk)", item)

    def putting_if(self, condition: str, item: Item, values: Item | None = None) -> Item:
        """The action of a transaction that writes an item if what is there meets a condition."""
        request: Item = {
            "TableName": self._name,
            "Item": _serialized(item),
            "ConditionExpression": condition,
        }
        if values:
            request["ExpressionAttributeValues"] = _named(values)
        return {"Put": request}

    def updating(
        self,
        pk: str,
        sk: str,
        change: str,
        values: Item,
        *,
        names: Mapping[str, str] | None = None,
        when: str = "",
    ) -> Item:
        """The action of a transaction that changes an item's attributes."""
        request: Item = {"TableName": self._name, "Key": _key(pk, sk), "UpdateExpression": change}
        if values:
            request["ExpressionAttributeValues"] = _named(values)
        if names:
            request["ExpressionAttributeNames"] = {
                f"#{name}": attribute for name, attribute in names.items()
            }
        if when:
            request["ConditionExpression"] = when
        return {"Update": request}

    def checking(self, pk: str, sk: str, when: str, values: Item | None = None) -> Item:
        """The action of a transaction that only checks whether an item meets a condition."""
        request: Item = {
            "TableName": self._name,
            "Key": _key(pk, sk),
            "ConditionExpression": when,
        }
        if values:
            request["ExpressionAttributeValues"] = _named(values)
        return {"ConditionCheck": request}

    def deleting(self, pk: str, sk: str, when: str = "", values: Item | None = None) -> Item:
        """The action of a transaction that deletes an item, if it is there."""
        request: Item = {"TableName": self._name, "Key": _key(pk, sk)}
        if when:
            request["ConditionExpression"] = when
        if values:
            request["ExpressionAttributeValues"] = _named(values)
        return {"Delete": request}


def _key(pk: str, sk: str) -> Item:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _named(values: Item) -> Item:
    return {f":{name}": _serialize(value) for name, value in values.items()}


def _serialized(item: Item) -> Item:
    return {name: _serialize(value) for name, value in item.items()}


def _values(item: Mapping[str, Any]) -> Item:
    return {name: _deserialize(value) for name, value in item.items()}
