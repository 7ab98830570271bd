"""moto's server as the local AWS: exact under threads, and able to keep what it holds.

``python -m infra.local.emulator --port 4566 --data FOLDER``; once the port answers, it is ready.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import io
import json
import logging
import pickle
import re
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import boto3
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table
from moto.dynamodb.parsing import validators
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser  # type: ignore[attr-defined]
from moto.dynamodb.parsing.expressions import UpdateExpressionParser  # type: ignore[attr-defined]
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.s3.models import FakeKey, FakeMultipart, S3Backend
from moto.s3.notifications import S3NotificationEvent, send_event
from moto.s3.responses import S3Response
from moto.sqs.models import Message, Queue, sqs_backends
from werkzeug.serving import make_server

from infra.local.endpoint import REGION, end_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from infra.local.keeper import Keeper

KEEP_MESSAGES_EVERY_S = 0.25
LOOK_FOR_MESSAGES_EVERY_S = 0.02


class OneAtATime:
    """Serves moto's requests one after the other.

    Under threads moto's DynamoDB transactions and S3's conditional writes are not atomic, and SQS
    loses a message that comes in while another is deleted. Python runs one of its threads at a time
    anyway, so this costs nothing, as long as bodies are read and queues are watched outside.
    """

    def __init__(self, application: WSGIApplication, keeper: Keeper | None, region: str) -> None:
        self._application = application
        self._keeper = keeper
        self._region = region
        self._lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """One request, as WSGI has it."""
        body = _read(environ)
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if target == "AmazonSQS.ReceiveMessage":
            body = self._await_message(body)
            environ["CONTENT_LENGTH"] = str(len(body))
        environ["wsgi.input"] = io.BytesIO(body)
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        started: list[Any] = []
        with self._lock:
            answer = list(self._application(environ, lambda *args: started.extend(args)))  # type: ignore[arg-type]
            if self._keeper and started[0].startswith("2"):
                self._keeper.note(method, _text(path), target, body)
        start_response(*started)
        return answer

    def keep_messages(self) -> None:
        """Put the queues' messages on disk."""
        if self._keeper:
            with self._lock:
                self._keeper.keep_messages()

    def keep_messages_forever(self) -> None:
        """Put the queues' messages on disk, again and again."""
        while True:
            time.sleep(KEEP_MESSAGES_EVERY_S)
            self.keep_messages()

    def _await_message(self, body: bytes) -> bytes:
        """Long-poll outside the lock; returns the request without its wait."""
        request = json.loads(body)
        until = time.monotonic() + int(request.get("WaitTimeSeconds", 0))
        name = request["QueueUrl"].rpartition("/")[2]
        queue = sqs_backends[DEFAULT_ACCOUNT_ID][self._region].queues.get(name)
        while queue and time.monotonic() < until:
            if queue.messages:
                break
            time.sleep(LOOK_FOR_MESSAGES_EVERY_S)
        return json.dumps({**request, "WaitTimeSeconds": 0}).encode()


def _read(environ: WSGIEnvironment) -> bytes:
    """The whole body, so that a slow sender holds nobody up."""
    length = environ.get("CONTENT_LENGTH")
    if length:
        return environ["wsgi.input"].read(int(length))  # type: ignore[no-any-return]
    if environ.get("wsgi.input_terminated"):  # chunked
        return environ["wsgi.input"].read()  # type: ignore[no-any-return]
    return b""


def _text(path: str) -> str:
    """WSGI hands UTF-8 over as if it were Latin-1."""
    return path.encode("latin-1").decode("utf-8", "replace")


_transact_write_items = DynamoDBBackend.transact_write_items


def _transact_write_items_cheaply(
    backend: DynamoDBBackend, transact_items: list[dict[str, Any]]
) -> None:
    """Moto's transaction, which copies the table for each action, with a copy of its items only."""
    before = []
    for name, named in _addressed(transact_items):
        table = backend.tables.get(name)
        if table is None:
            continue
        keys = [DynamoType(named[attribute]) for attribute in table.table_key_attrs]
        hash_key, range_key = keys[0], keys[1] if len(keys) > 1 else None
        item = table.get_item(hash_key, range_key)
        before.append((table, hash_key, range_key, copy.deepcopy(item)))
    try:
        with mock.patch.object(Table, "__deepcopy__", lambda table, _: table, create=True):
            _transact_write_items(backend, transact_items)
    except BaseException:
        for table, hash_key, range_key, item in before:
            table.delete_item(hash_key, range_key)
            if item is not None:
                table.put_item(item.to_json()["Attributes"], overwrite=True)
        raise


def _addressed(transact_items: list[dict[str, Any]]) -> Iterable[tuple[str, dict[str, Any]]]:
    for action in transact_items:
        for write in action.values():
            yield write["TableName"], write.get("Item") or write["Key"]


_query = Table.query


def _query_a_partition(table: Table, hash_key: DynamoType, *args: Any, **kwargs: Any) -> Any:
    """Moto's query, which sorts and looks through the whole table, of one partition only."""
    partition = table.items.get(hash_key, {})
    with mock.patch.object(table, "all_items", return_value=[*partition.values()]):
        return _query(table, hash_key, *args, **kwargs)


_delete_object = S3Backend.delete_object


def _delete_object_aloud(
    backend: S3Backend,
    bucket_name: str,
    key_name: str,
    version_id: str | None = None,
    bypass: bool = False,
) -> tuple[bool, dict[str, Any]]:
    """Moto's deletion, and the event of one in a versioned bucket, of which it tells nothing.

    It tells of a key's very last version, which is then told twice: events are.
    """
    bucket = backend.get_bucket(bucket_name)
    objects = [one for one in bucket.keys.getlist(key_name, []) if isinstance(one, FakeKey)]
    done, answer = _delete_object(backend, bucket_name, key_name, version_id, bypass)
    if bucket.is_versioned and done and objects:
        event = (
            S3NotificationEvent.OBJECT_REMOVED_DELETE_EVENT
            if version_id
            else S3NotificationEvent.OBJECT_REMOVED_DELETE_MARKER_CREATED_EVENT
        )
        send_event(backend.account_id, event, bucket, objects[-1])
    return done, answer


# When each upload in parts began, by its id.
_begun: dict[str, str] = {}
_begin_multipart = FakeMultipart.__init__
_list_multipart_uploads = S3Response.list_multipart_uploads
_INITIATED = re.compile(r"(?<=<Initiated>)[^<]*")
_UPLOAD_ID = re.compile(r"(?<=<UploadId>)[^<]*")


def _begin_multipart_now(upload: FakeMultipart, *args: Any, **kwargs: Any) -> None:
    _begin_multipart(upload, *args, **kwargs)
    _begun[upload.id] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _list_multipart_uploads_truly(response: S3Response) -> Any:
    """Moto's list, in which every upload began in 2010, with the times when they did."""
    status, headers, body = _list_multipart_uploads(response)
    told = str(body)
    times = iter([_begun[upload_id] for upload_id in _UPLOAD_ID.findall(told)])
    return status, headers, _INITIATED.sub(lambda _: next(times), told)


def _update_quickly() -> None:
    """Let moto parse an expression once, copy it by pickle, and ask a walk once what it is for.

    It parses twice for every update, copies node by node, and asks at every node: together that is
    a third of an update's time.
    """
    UpdateExpressionParser.make = lru_cache(1024)(UpdateExpressionParser.make)
    validators.deepcopy = _copy  # type: ignore[assignment,attr-defined]
    DepthFirstTraverser.nodes_to_be_processed = lru_cache(16)(
        DepthFirstTraverser.nodes_to_be_processed
    )


def _copy(expression: Any) -> Any:
    return pickle.loads(pickle.dumps(expression))


def _count_quickly() -> None:
    """Let moto ask for the time once for all messages of a queue, not three times for each.

    It counts them all several times for every message that comes or is taken: with ten thousand
    waiting, a batch took seconds.
    """

    def counting(belongs: Callable[[Message, float], bool]) -> property:
        return property(lambda queue: len(_messages(queue, belongs)))

    Queue.messages = property(lambda queue: _messages(queue, _is_ready))  # type: ignore[method-assign,assignment]
    Queue.approximate_number_of_messages = counting(_is_ready)  # type: ignore[method-assign,assignment]
    Queue.approximate_number_of_messages_not_visible = counting(  # type: ignore[method-assign,assignment]
        lambda message, now: message.visible_at >= now
    )
    Queue.approximate_number_of_messages_delayed = counting(  # type: ignore[method-assign,assignment]
        lambda message, now: message.delayed_until > now
    )


def _messages(queue: Queue, belongs: Callable[[Message, float], bool]) -> list[Message]:
    now = time.time() * 1000
    return [message for message in queue._messages if belongs(message, now)]


def _is_ready(message: Message, now: float) -> bool:
    return message.visible_at < now and message.delayed_until <= now


def _import_cloudformation() -> None:
    """Before the first request, and without asking botocore for EC2's regions.

    moto's CloudFormation imports every service; its EC2 asks three times, and each answer parses
    the largest API model there is: 0.6 s for something nobody uses here.
    """
    regions = boto3.Session.get_available_regions

    def regions_but_ec2(session: boto3.Session, service: str, *args: Any, **kwargs: Any) -> Any:
        return [] if service == "ec2" else regions(session, service, *args, **kwargs)

    with mock.patch.object(boto3.Session, "get_available_regions", regions_but_ec2):
        importlib.import_module("moto.cloudformation.responses")


def mend_moto() -> None:
    """Let moto, in this process, be as AWS where Earshot would notice, and as quick as it can."""
    DynamoDBBackend.transact_write_items = _transact_write_items_cheaply  # type: ignore[assignment]
    Table.query = _query_a_partition  # type: ignore[assignment,method-assign]
    FakeMultipart.__init__ = _begin_multipart_now  # type: ignore[assignment,method-assign]
    S3Response.list_multipart_uploads = _list_multipart_uploads_truly  # type: ignore[assignment,method-assign]
    S3Backend.delete_object = _delete_object_aloud  # type: ignore[assignment,method-assign]
    _update_quickly()
    _count_quickly()


def serve(host: str, port: int, data: Path | None, region: str) -> None:
    """Serve until SIGTERM or SIGINT; with a folder, keep everything there."""
    keeper = None
    if data:
        from infra.local.keeper import Keeper

        keeper = Keeper(data, region)
    for chatty in ("moto", "werkzeug"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    _import_cloudformation()
    mend_moto()
    application = OneAtATime(DomainDispatcherApplication(create_backend_app), keeper, region)
    if keeper:
        threading.Thread(target=application.keep_messages_forever, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    server = make_server(host, port, application, threaded=True, request_handler=MotoRequestHandler)
    try:
        server.serve_forever()
    finally:
        application.keep_messages()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.emulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=4566)
    parser.add_argument("--data", type=Path, help="keep buckets, tables and queues in this folder")
    parser.add_argument("--region", default=REGION)
    parser.add_argument("--with-parent", action="store_true", help="end when standard input does")
    options = parser.parse_args()
    if options.with_parent:
        end_with_parent()
    serve(options.host, options.port, options.data, options.region)


if __name__ == "__main__":
    main()
