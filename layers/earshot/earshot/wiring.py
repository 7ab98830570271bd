"""The composition root: Settings and AWS clients in, Services out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.config import Config

from earshot.application import Application
from earshot.arrivals import Arrivals
from earshot.catalog import Catalog
from earshot.chronicle import Chronicle
from earshot.events import Publisher
from earshot.holdings import Holdings
from earshot.incidents import Incidents
from earshot.ledger import Ledger
from earshot.letters import Failures
from earshot.logbook import Logbook
from earshot.registry import Registry
from earshot.results import Results
from earshot.services import Services
from earshot.services.alerts import Alerts
from earshot.services.analysis import Analysis
from earshot.services.imports import Imports
from earshot.services.models import Models
from earshot.services.occurrences import Occurrences
from earshot.services.review import ReviewQueue
from earshot.services.samples import LabelledClips
from earshot.services.training import Training
from earshot.services.uploads import Uploads
from earshot.serving import Serving
from earshot.statistics import Statistics
from earshot.store import Store
from earshot.sweeps import Sweeps
from earshot.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from earshot.settings import Settings


def wire(settings: Settings, client: Callable[..., Any]) -> Services:
    """Build the use cases over AWS clients; ``client`` makes one by its service's name."""
    s3, dynamodb = _s3(client), client("dynamodb")
    registry = Registry(s3, settings.artifacts_bucket)
    application = Application.load(settings.application)
    if settings.backbone:
        application = application.heard_by(settings.backbone)
    store = Store(s3, settings.recordings_bucket)
    catalog = Catalog(dynamodb, settings.table)
    serving = Serving(registry, settings.default_bundle, settings.reload_s)
    logbook = Logbook(dynamodb, settings.table)
    chronicle = Chronicle(dynamodb, settings.table)
    results = Results(s3, settings.artifacts_bucket)
    arrivals = Arrivals(dynamodb, settings.table)
    ledger = Ledger(dynamodb, settings.table)
    publisher = Publisher(client("events"), settings.event_bus)
    alerts = Alerts(application, Incidents(dynamodb, settings.table), publisher)
    training = Training(catalog, ledger, registry, publisher, settings.retrain_threshold)
    return Services(
        application=application,
        store=store,
        catalog=catalog,
        ledger=ledger,
        arrivals=arrivals,
        statistics=Statistics(dynamodb, settings.table),
        tokens=Tokens(dynamodb, settings.table) if settings.auth == "token" else None,
        registry=registry,
        serving=serving,
        samples=LabelledClips(
            application, store, Holdings(dynamodb, settings.table), arrivals, serving, training
        ),
        imports=Imports(application, store, catalog, arrivals),
        analysis=Analysis(
            logbook, chronicle, store, results, serving, publisher, alerts, application
        ),
        alerts=alerts,
        occurrences=Occurrences(logbook, chronicle),
        reviews=ReviewQueue(logbook, store, results, application),
        uploads=Uploads(application, store, catalog),
        training=training,
        models=Models(registry, serving, publisher),
        sweeps=Sweeps(dynamodb, settings.table),
        failures=Failures(dynamodb, settings.table),
    )


def _s3(client: Callable[..., Any]) -> Any:
    """S3's client, which signs addresses for others to use.

    Version 4 alone signs a part's length, and most regions take no older signature. On AWS an
    address has to name the region's own host: for hours after a bucket was made the global one
    redirects, and signatures do not follow. An emulator has one host for all buckets.
    """
    s3 = client("s3", config=Config(signature_version="s3v4"))
    if ".amazonaws.com" not in s3.meta.endpoint_url:
        return s3
    regional = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    return client("s3", config=regional)
