"""The composition root: Settings and AWS clients in, Services out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from earshot.application import Application
from earshot.arrivals import Arrivals
from earshot.catalog import Catalog
from earshot.chronicle import Chronicle
from earshot.essentials import Essentials
from earshot.events import Publisher
from earshot.holdings import Holdings
from earshot.incidents import Incidents
from earshot.ledger import Ledger
from earshot.letters import Failures
from earshot.logbook import Logbook
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
from earshot.store import Store
from earshot.sweeps import Sweeps

if TYPE_CHECKING:
    from collections.abc import Callable

    from earshot.settings import Settings


def wire(
    settings: Settings, client: Callable[..., Any], essentials: Essentials | None = None
) -> Services:
    """Build the use cases over AWS clients; ``client`` makes one by its service's name.

    Over ``essentials`` that are in use already, if there are any.
    """
    essentials = essentials or Essentials.wire(settings, client)
    s3, dynamodb = essentials.s3, essentials.dynamodb
    registry, serving = essentials.registry, essentials.serving
    application = Application.load(settings.application)
    if settings.backbone:
        application = application.heard_by(settings.backbone)
    store = Store(s3, settings.recordings_bucket)
    catalog = Catalog(dynamodb, settings.table)
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
        statistics=essentials.statistics,
        tokens=essentials.tokens,
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
