"""The composition root: Settings and AWS clients in, Services out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.config import Config

from earshot.announcements import Announcements
from earshot.application import Application
from earshot.arrivals import Arrivals
from earshot.catalog import Catalog
from earshot.drift.log import DriftLog
from earshot.drift.observations import Observations
from earshot.essentials import Essentials
from earshot.events import Publisher
from earshot.field.chronicle import Chronicle
from earshot.field.logbook import Logbook
from earshot.field.results import Results
from earshot.holdings import Holdings
from earshot.incidents import Incidents
from earshot.ledger import Ledger
from earshot.letters import Failures
from earshot.review.docket import Docket
from earshot.search.vectors import VectorStore
from earshot.services import Services
from earshot.services.alerts import Alerts
from earshot.services.analysis import Analysis
from earshot.services.drift import Drift
from earshot.services.imports import Imports
from earshot.services.models import Models
from earshot.services.occurrences import Occurrences
from earshot.services.packing import Packing
from earshot.services.questions import Questions
from earshot.services.review import ReviewQueue
from earshot.services.samples import LabelledClips
from earshot.services.search import Search
from earshot.services.shadows import Shadows
from earshot.services.training import Training
from earshot.services.uploads import Uploads
from earshot.services.watching import Watch
from earshot.store import Store
from earshot.sweeps import Sweeps

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3 import S3Client

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
    store = Store(_signing(client, s3), settings.recordings_bucket)
    catalog = Catalog(dynamodb, settings.table)
    logbook = Logbook(dynamodb, settings.table)
    chronicle = Chronicle(dynamodb, settings.table)
    observations = Observations(dynamodb, settings.table)
    drift_log = DriftLog(dynamodb, settings.table)
    results = Results(s3, settings.artifacts_bucket)
    vectors = VectorStore(s3, settings.artifacts_bucket)
    arrivals = Arrivals(dynamodb, settings.table)
    ledger = Ledger(dynamodb, settings.table)
    publisher = Publisher(client("events"), settings.event_bus)
    alerts = Alerts(application, Incidents(dynamodb, settings.table), publisher)
    training = Training(catalog, ledger, registry, publisher, settings.retrain_threshold)
    models = Models(registry, serving, publisher, Announcements(dynamodb, settings.table))
    docket = Docket(dynamodb, settings.table)
    reviews = ReviewQueue(docket, store, results, application)
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
            application,
            store,
            catalog,
            Holdings(dynamodb, settings.table),
            arrivals,
            serving,
            training,
            vectors,
        ),
        imports=Imports(application, store, catalog, arrivals),
        analysis=Analysis(
            logbook,
            chronicle,
            observations,
            drift_log,
            store,
            results,
            serving,
            publisher,
            alerts,
            application,
            vectors,
        ),
        alerts=alerts,
        drift=Drift(
            application,
            essentials.statistics,
            observations,
            drift_log,
            serving,
            models,
            training,
            reviews,
            publisher,
        ),
        occurrences=Occurrences(logbook, chronicle),
        reviews=reviews,
        questions=Questions(docket, results, serving),
        uploads=Uploads(application, store, catalog),
        training=training,
        models=models,
        shadows=Shadows(
            registry,
            models,
            ledger,
            essentials.statistics,
            logbook,
            settings.shadow_predictions,
            settings.shadow_share,
        ),
        watch=Watch(
            models, serving, essentials.statistics, observations, settings.automatic_rollback
        ),
        sweeps=Sweeps(dynamodb, settings.table),
        failures=Failures(dynamodb, settings.table),
        vectors=vectors,
        search=Search(vectors, serving, catalog, logbook, settings.default_bundle),
        packing=Packing(vectors, catalog, logbook, settings.default_bundle),
    )


def _signing(client: Callable[..., Any], s3: S3Client) -> S3Client:
    """A client of S3 that signs addresses for others to use; ``s3`` says where S3 is.

    Version 4 alone signs a part's length, and most regions take no older signature. On AWS an
    address has to name the region's own host: for hours after a bucket was made the global one
    redirects, and signatures do not follow. An emulator has one host for all buckets.
    """
    is_aws = ".amazonaws.com" in s3.meta.endpoint_url
    config = Config(
        signature_version="s3v4", s3={"addressing_style": "virtual"} if is_aws else None
    )
    signing: S3Client = client("s3", config=config)
    return signing
