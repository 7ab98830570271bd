"""The composition root: Settings and AWS clients in, Services out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from earshot.application import Application
from earshot.arrivals import Arrivals
from earshot.catalog import Catalog
from earshot.events import Publisher
from earshot.registry import Registry
from earshot.services import Services
from earshot.serving import Serving
from earshot.statistics import Statistics
from earshot.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from earshot.settings import Settings


def wire(settings: Settings, client: Callable[..., Any]) -> Services:
    """Build the use cases over AWS clients; ``client`` makes one by its service's name."""
    s3, dynamodb = client("s3"), client("dynamodb")
    registry = Registry(s3, settings.artifacts_bucket)
    application = Application.load(settings.application)
    if settings.backbone:
        application = application.heard_by(settings.backbone)
    return Services(
        application=application,
        store=Store(s3, settings.recordings_bucket),
        catalog=Catalog(dynamodb, settings.table),
        arrivals=Arrivals(dynamodb, settings.table),
        statistics=Statistics(dynamodb, settings.table),
        registry=registry,
        serving=Serving(registry, settings.default_bundle, settings.reload_s),
        publisher=Publisher(client("events"), settings.event_bus),
        retrain_threshold=settings.retrain_threshold,
    )
