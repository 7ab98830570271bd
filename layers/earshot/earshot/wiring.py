"""The composition root: Settings and clients in, Services out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earshot.application import Application
from earshot.catalog import Catalog
from earshot.events import Publisher
from earshot.registry import Registry
from earshot.services import Services
from earshot.serving import Serving
from earshot.store import Store

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_s3 import S3Client

    from earshot.settings import Settings


def wire(
    settings: Settings, s3: S3Client, dynamodb: DynamoDBClient, events: EventBridgeClient
) -> Services:
    """Build the use cases over AWS clients that the entry point made."""
    registry = Registry(s3, settings.artifacts_bucket)
    return Services(
        application=Application.load(settings.application),
        store=Store(s3, settings.recordings_bucket),
        catalog=Catalog(dynamodb, settings.table),
        registry=registry,
        serving=Serving(registry, settings.default_bundle, settings.reload_s),
        publisher=Publisher(events, settings.event_bus),
        retrain_threshold=settings.retrain_threshold,
    )
