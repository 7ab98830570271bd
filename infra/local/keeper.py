"""What the emulator holds, kept in a folder that a person can look into.

::

    DATA/s3/<bucket>/<key, percent-encoded>     the bytes of an object
    DATA/s3/<bucket>.jsonl                      its key, file, ETag, time and metadata
    DATA/dynamodb/<table>.jsonl                 items
    DATA/sqs/<queue>.jsonl                      messages that wait

Objects and items are on disk before the request that wrote them is answered, and so are the
messages that they set off; that a message was taken follows within a quarter of a second. What was
kept comes back, silently, the moment its bucket, table or queue is created again, and leaves the
disk when that is deleted. Of a versioned bucket the newest versions are kept.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import shutil
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.s3.models import FakeBucket, FakeKey, s3_backends
from moto.sqs.models import sqs_backends

from infra.local.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from moto.dynamodb.models import DynamoDBBackend
    from moto.dynamodb.models.table import Table
    from moto.s3.models import S3Backend
    from moto.sqs.models import SQSBackend

MAX_FILE_NAME = 200


class Keeper:
    """Mirrors moto's S3, DynamoDB and SQS of one region; call it with the emulator's lock held."""

    def __init__(self, folder: Path, region: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = (folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"Another local stack keeps its data in {folder}.") from None
        self._s3: S3Backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        self._dynamodb: DynamoDBBackend = dynamodb_backends[DEFAULT_ACCOUNT_ID][region]
        self._sqs: SQSBackend = sqs_backends[DEFAULT_ACCOUNT_ID][region]
        self._buckets: dict[str, _Bucket] = {}
        self._tables: dict[str, Journal] = {}
        self._queues: dict[str, Journal] = {}

    def note(self, method: str, path: str, target: str, body: bytes) -> None:
        """Keep what a request that went well has changed."""
        if target.startswith("DynamoDB_"):
            self._note_items(target.partition(".")[2], body)
        elif method not in ("GET", "HEAD") and not target:
            self._note_objects(path)
        self._meet()
        if not target.startswith(("DynamoDB_", "AmazonSQS")):
            # What an object or an event has set off is kept before its sender is told.
            self.keep_messages()

    def keep_messages(self) -> None:
        """Keep the messages that came, drop those that went."""
        for name, journal in self._queues.items():
            waiting = {message.id: message.body for message in self._sqs.queues[name]._messages}
            for gone in journal.values.keys() - waiting.keys():
                journal.set(gone, None)
            for new in waiting.keys() - journal.values.keys():
                journal.set(new, waiting[new])

    def _meet(self) -> None:
        """Give new buckets, tables and queues what was kept of them; forget deleted ones."""
        if self._buckets.keys() != self._s3.buckets.keys():
            for name in self._buckets.keys() - self._s3.buckets.keys():
                self._buckets.pop(name).remove()
            for name in self._s3.buckets.keys() - self._buckets.keys():
                self._buckets[name] = _Bucket(self._folder / "s3", name, self._s3)
        if self._tables.keys() != self._dynamodb.tables.keys():
            for name in self._tables.keys() - self._dynamodb.tables.keys():
                self._tables.pop(name).remove()
            for name in self._dynamodb.tables.keys() - self._tables.keys():
                journal = Journal(self._folder / "dynamodb" / f"{name}.jsonl")
                for item in journal.values.values():
                    _restore_item(self._dynamodb.tables[name], _from_text(item))
                self._tables[name] = journal
        if self._queues.keys() != self._sqs.queues.keys():
            for name in self._queues.keys() - self._sqs.queues.keys():
                self._queues.pop(name).remove()
            for name in self._sqs.queues.keys() - self._queues.keys():
                journal = Journal(self._folder / "sqs" / f"{name}.jsonl")
                for message_id, body in journal.values.items():
                    self._sqs.send_message(name, body).id = message_id
                self._queues[name] = journal

    def _note_items(self, operation: str, body: bytes) -> None:
        for name, named in written_items(operation, json.loads(body)):
            table = self._dynamodb.tables.get(name)
            journal = self._tables.get(name)
            if table is None or journal is None:
                continue
            key = {attribute: named[attribute] for attribute in table.table_key_attrs}
            item = self._dynamodb.get_item(name, key)
            attributes = _as_text(item.to_json()["Attributes"]) if item else None
            journal.set(json.dumps(_as_text(key), sort_keys=True), attributes)

    def _note_objects(self, path: str) -> None:
        bucket, _, key = path.lstrip("/").partition("/")
        if key and bucket in self._buckets:
            self._buckets[bucket].keep(key)
            return
        # A form or a list of deletions names keys in its body, a virtual host the bucket elsewhere.
        for kept in self._buckets.values():
            kept.keep_all()


class _Bucket:
    """The objects of one bucket: an index, and a file each."""

    def __init__(self, folder: Path, name: str, backend: S3Backend) -> None:
        self._bucket: FakeBucket = backend.buckets[name]
        self._index = Journal(folder / f"{name}.jsonl")
        self._folder = folder / name
        self._folder.mkdir(parents=True, exist_ok=True)
        self._kept: dict[str, FakeKey] = {}
        for key, entry in self._index.values.items():
            file = self._folder / entry["file"]
            if file.exists():
                self._kept[key] = _restore_object(backend, name, key, entry, file)

    def keep(self, key: str) -> None:
        """Bring the disk up to date with one key."""
        current = self._bucket.keys.get(key)
        if not isinstance(current, FakeKey):
            self._drop(key)
            return
        if self._kept.get(key) is current:
            return
        file = self._folder / _file_name(key)
        new = file.with_name(f"{file.name}%new")  # no key is encoded so
        new.write_bytes(current.value)
        new.replace(file)
        self._index.set(
            key,
            {
                "file": file.name,
                "etag": current.etag.strip('"'),
                "last_modified": current.last_modified.isoformat(),
                "metadata": dict(current.metadata),
            },
        )
        self._kept[key] = current
        if not self._bucket.is_versioned:
            _leave_on_disk(current, file)

    def keep_all(self) -> None:
        """Bring the disk up to date with every key."""
        for key in self._kept.keys() | self._bucket.keys.keys():
            self.keep(key)

    def remove(self) -> None:
        """Forget the bucket."""
        self._index.remove()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _drop(self, key: str) -> None:
        if self._kept.pop(key, None) is not None:
            self._index.set(key, None)
            (self._folder / _file_name(key)).unlink(missing_ok=True)


class _OnDisk:
    """Stands in for the buffer of a key: its bytes are read when somebody asks for them."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def seek(self, offset: int) -> None:
        """Every read starts at 0, as moto's do."""

    def read(self) -> bytes:
        return self._file.read_bytes()

    def close(self) -> None:
        """Nothing is open."""


def written_items(operation: str, request: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The table, and the key or the whole item, of everything that a DynamoDB request writes."""
    if operation == "PutItem":
        yield request["TableName"], request["Item"]
    elif operation in ("UpdateItem", "DeleteItem"):
        yield request["TableName"], request["Key"]
    elif operation == "BatchWriteItem":
        for table, writes in request["RequestItems"].items():
            for write in writes:
                put = write.get("PutRequest")
                yield table, put["Item"] if put else write["DeleteRequest"]["Key"]
    elif operation == "TransactWriteItems":
        for action in request["TransactItems"]:
            for kind, write in action.items():
                if kind != "ConditionCheck":
                    yield write["TableName"], write["Item" if kind == "Put" else "Key"]


def _as_text(node: Any) -> Any:
    """An item with its binary values in base64, as DynamoDB's own JSON has them."""
    if isinstance(node, dict):
        return {name: _as_text(value) for name, value in node.items()}
    if isinstance(node, list):
        return [_as_text(value) for value in node]
    return base64.b64encode(node).decode() if isinstance(node, bytes) else node


def _from_text(node: Any) -> Any:
    """The reverse of ``_as_text``."""
    match node:
        case {"B": str(text)}:
            return {"B": base64.b64decode(text)}
        case {"BS": [str(), *_] as texts}:
            return {"BS": [base64.b64decode(text) for text in texts]}
        case dict():
            return {name: _from_text(value) for name, value in node.items()}
        case list():
            return [_from_text(value) for value in node]
    return node


def _restore_item(table: Table, attributes: dict[str, Any]) -> None:
    """Put an item that was valid before, without moto's checks: ten times as quick."""
    hash_key, *range_keys = (DynamoType(attributes[name]) for name in table.table_key_attrs)
    item = Item(hash_key, range_keys[0] if range_keys else None, {})
    dict.update(item.attrs, {name: DynamoType(value) for name, value in attributes.items()})
    if range_keys:
        table.items[hash_key][range_keys[0]] = item
    else:
        table.items[hash_key] = item  # type: ignore[assignment]


def _restore_object(
    backend: S3Backend, bucket: str, key: str, entry: dict[str, Any], file: Path
) -> FakeKey:
    restored = backend.put_object(bucket, key, b"", etag=entry["etag"], disable_notification=True)
    restored.set_metadata(entry["metadata"])
    restored.last_modified = datetime.fromisoformat(entry["last_modified"])
    restored.contentsize = file.stat().st_size
    _leave_on_disk(restored, file)
    return restored


def _leave_on_disk(key: FakeKey, file: Path) -> None:
    key._value_buffer.close()
    key._value_buffer = _OnDisk(file)  # type: ignore[assignment]


def _file_name(key: str) -> str:
    name = quote(key, safe=" ")
    if name.startswith("."):
        name = f"%2E{name[1:]}"
    if len(name) <= MAX_FILE_NAME:
        return name
    return f"{name[:MAX_FILE_NAME]}~{hashlib.sha256(key.encode()).hexdigest()[:16]}"
