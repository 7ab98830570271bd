"""A training run from claim to promotion."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from earshot import gates
from earshot.audio import decode
from earshot.bundle import EMBEDDINGS_FILE, embedding_id
from earshot.detector import Detector
from earshot.errors import (
    BadApplication,
    BadBackbone,
    BadDataset,
    BadRecording,
    NoModel,
    PromotionConflict,
    RetrainInProgress,
    UnknownBackbone,
)
from earshot.runs import FAILED, PROMOTED, REJECTED, SHADOWING
from earshot.services.training import promoter

from retrain import backbones, evaluation
from retrain.copies import alter_clips, pack, teach_silence, unpack
from retrain.dataset import Seed, combine, from_samples, split
from retrain.export import Embedder
from retrain.noise import embed_noises
from retrain.training import train

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from earshot.bundle import Bundle
    from earshot.ledger import Ledger
    from earshot.pointer import Champion
    from earshot.recording import Sample, Samples, Waveform
    from earshot.runs import Run
    from earshot.services import Services

    from retrain.dataset import Clip, Dataset
    from retrain.training import Version

logger = logging.getLogger(__name__)

# Progress is written at most so often, for a write costs more than a fold of a small set.
REPORT_EVERY_S = 0.5
BEAT_S = 60.0
IN_THE_CARD = ("confusion", "intervals")
# Altered copies that are made in one run, some 50 ms each: minutes at most.
NEW_COPIES = 2_000

# What whoever runs the deployment has to put right; no fault of this program's.
FOR_PEOPLE = (BadApplication, BadBackbone, BadDataset, UnknownBackbone)


def work(services: Services, default_bundle: Path, run_id: str, worker: str) -> None:
    """Do a requested run; a run that another worker has raises RetrainInProgress.

    Data that cannot be learnt from, or a challenger that is refused, ends the run with its
    reason. What fails in the world (S3, DynamoDB) is raised with the run still claimed, so that
    the same job's next attempt goes on with it.
    """
    run = services.ledger.claim(run_id, worker)
    logger.info("Run %s is claimed by %s.", run.run, worker)
    try:
        with _signs_of_life(services.ledger, run.run, worker):
            _work(services, default_bundle, run, worker)
    except (ClientError, BotoCoreError, RetrainInProgress):
        raise
    except Exception as error:
        # Trying again would end the same way: the run is over, and says why.
        services.ledger.finish(run.run, worker, FAILED, error=str(error) or repr(error))
        logger.error("Run %s failed: %s", run.run, error)
        if not isinstance(error, FOR_PEOPLE):
            raise
    # Samples that came in meanwhile may already be enough for the next one.
    services.training.request_if_due()


def _work(services: Services, default_bundle: Path, run: Run, worker: str) -> None:
    catalog, ledger, application = services.catalog, services.ledger, services.application
    report = _Reporter(services, run.run, worker)
    report("collecting", 0.0, ())
    pointer = services.registry.champion()
    if promotion := services.training.promotion_of(run):
        # An earlier attempt died between promoting and saying so. If what it promoted was rolled
        # back meanwhile, it stays so.
        ledger.finish(
            run.run, worker, PROMOTED, stage="done", progress=1.0, version=promotion.version
        )
        return
    if services.training.shadow_of(run):
        _in_the_shadow(services, run, worker)
        return
    champion = _champion(services)
    parent = champion.card.version if champion else None
    if run.version and run.version in services.registry.versions():
        # An earlier attempt died after it had published that: there is no second one of a run.
        if parent == run.parent:
            _conclude(services, run, worker, pointer)
        else:
            _reject(services, run, worker, f"It was judged against {run.parent}, not {parent}.")
        return
    backbone = backbones.of_application(application, services.registry.backbone)
    embedded_by = embedding_id(backbone.sha256, application.window_s, application.hop_s)

    embed = Embedder(backbone, application.window_s, application.hop_s)
    samples, notes = from_samples(
        catalog.samples(),
        embedded_by,
        partial(_fetch, services),
        embed,
        keep=partial(_keep, services, embedded_by),
    )
    seed = Seed.load(default_bundle / EMBEDDINGS_FILE, embedded_by)
    if not seed.clips and (default_bundle / EMBEDDINGS_FILE).is_file():
        notes.append("What the default bundle learnt from is left out: its backbone is another.")
    clips, put_off = _with_copies(
        services, combine(seed.clips, samples), embedded_by, embed, report
    )
    # A seed brings what it was taught of silence with it.
    clips = clips if seed.clips else teach_silence(clips, application, embed)
    # A label keeps its place in the answers from version to version; new ones come last.
    order = dict.fromkeys([*application.labels, *(champion.card.labels if champion else ())])
    dataset = split(
        clips,
        [*order],
        [*notes, *put_off],
        application.min_recordings,
        seed.background,
        embed_noises(application.sample_rate, application.window_s, embed),
    )
    challenger = train(dataset, backbone, application, parent, report)
    card = challenger.bundle.card

    report("judging", 0.95, challenger.curve)
    outcome: dict[str, Any] = {
        "parent": parent,
        "version": card.version,
        "curve": challenger.curve,
        # What grows with the square of the labels is in the card alone: an item has 400 KB.
        "metrics": {k: v for k, v in card.metrics.items() if k not in IN_THE_CARD},
        "gates": [
            asdict(verdict) for verdict in gates.judge(_trial(dataset, challenger, champion))
        ],
        "notes": list(dataset.notes),
    }
    # First, so that another attempt goes on with what this one publishes.
    ledger.report(run.run, worker, **outcome)
    services.registry.publish(card, challenger.files)
    _conclude(services, replace(run, **outcome), worker, pointer)


def _conclude(services: Services, run: Run, worker: str, pointer: Champion | None) -> None:
    """End a run whose version is published: it is promoted if it passed its gates.

    Or compared with the champion before, if there is one and the deployment asks for that.
    """
    proves_itself = services.shadows.needed > 0 and run.parent is not None
    refused = [verdict["gate"] for verdict in run.gates if not verdict["passed"]]
    if refused:
        services.ledger.finish(run.run, worker, REJECTED, stage="done", progress=1.0)
        logger.info("Version %s is refused by %s.", run.version, ", ".join(refused))
        return
    try:
        if proves_itself:
            assert run.version
            services.shadows.begin_beside(
                pointer, run.version, promoter(run), run.reason, services.shadows.needed
            )
        else:
            services.models.promote(run.version, pointer, by=promoter(run), reason=run.reason)
    except PromotionConflict as error:
        # A worker that was taken for dead may have woken up and promoted it.
        if not (services.training.promotion_of(run) or services.training.shadow_of(run)):
            _reject(services, run, worker, str(error))
            return
    if proves_itself:
        _in_the_shadow(services, run, worker)
        return
    services.ledger.finish(run.run, worker, PROMOTED, stage="done", progress=1.0)
    logger.info("Version %s is promoted.", run.version)


def _in_the_shadow(services: Services, run: Run, worker: str) -> None:
    """End a run whose version hears along with the champion: a sweep says what comes of it."""
    services.ledger.finish(run.run, worker, SHADOWING, stage="done", progress=1.0)
    logger.info("Version %s has to prove itself beside the champion.", run.version)


def _reject(services: Services, run: Run, worker: str, error: str) -> None:
    """End a run whose version came too late."""
    services.ledger.finish(run.run, worker, REJECTED, stage="done", progress=1.0, error=error)
    logger.info("Version %s is not promoted: %s", run.version, error)


def _keep(services: Services, embedded_by: str, sample: Sample, rows: Samples) -> None:
    """Keep a sample's new embedding, and let it be found by that."""
    services.vectors.keep_sample(replace(sample, embedded_by=embedded_by, embedding=rows))
    services.catalog.keep_embedding(sample, embedded_by, rows)


def _with_copies(
    services: Services,
    clips: Sequence[Clip],
    embedded_by: str,
    embed: Embedder,
    report: _Reporter,
) -> tuple[list[Clip], list[str]]:
    """The clips with altered copies, and a note on those put off; what is made is kept."""
    kept = services.registry.copies(embedded_by)
    known = unpack(kept) if kept else {}
    altered = alter_clips(
        clips,
        services.application,
        embed,
        known=known,
        at_most=NEW_COPIES,
        advance=lambda share: report("collecting", 0.1 * share, ()),
    )
    if altered.copies and altered.copies.keys() != known.keys():
        services.registry.keep_copies(embedded_by, pack(altered.copies))
    if not altered.put_off:
        return altered.clips, []
    note = (
        f"{altered.put_off} altered copies are left to the next trainings; one makes at most "
        f"{NEW_COPIES}."
    )
    return altered.clips, [note]


def _fetch(services: Services, sample: Sample) -> Waveform | None:
    """A sample's audio; None when its object was deleted, or holds another recording by now."""
    try:
        waveform = decode(services.store.read(sample.key))
    except BadRecording:
        return None
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise
    return waveform if waveform.sha256 == sample.sha256 else None


def _champion(services: Services) -> Bundle | None:
    """The bundle to beat: the one that serves, which need not be the one pointed to."""
    try:
        return services.serving.detector().bundle
    except NoModel:
        return None


def _trial(dataset: Dataset, challenger: Version, champion: Bundle | None) -> gates.Trial:
    """Both models' answers on the held-out clips."""
    mine = [dataset.labels[int(row.argmax())] for row in challenger.scores.probabilities]
    theirs: list[str | None] = [None] * len(mine)
    if champion is not None:
        theirs = _answers(champion, challenger.bundle.card.embedding_id, dataset)
    return gates.Trial(
        clips=[
            gates.Clip(clip.group, clip.label, challenger=mine[n], champion=theirs[n])
            for n, clip in enumerate(dataset.held_out)
        ],
        labels=dataset.labels,
        champion_version=champion.card.version if champion else None,
        champion_labels=champion.card.labels if champion else (),
        parity=challenger.parity,
        latency_ms=challenger.latency_ms,
    )


def _answers(champion: Bundle, embedded_by: str, dataset: Dataset) -> list[str | None]:
    """What the champion calls each held-out clip; None for a label it does not know.

    A champion with another backbone cannot use the stored embeddings, so it is asked only about
    clips whose audio is at hand.
    """
    card = champion.card
    known = [clip for clip in dataset.held_out if clip.label in card.labels]
    if card.embedding_id == embedded_by:
        rows = list(evaluation.score(champion, known).probabilities)
        asked = dict(zip((clip.sha256 for clip in known), rows, strict=True))
    else:
        detector = Detector(champion)
        # One recording at a time: all of them would not fit into memory.
        asked = {
            clip.sha256: detector.hear(waveform).probabilities.mean(axis=0)
            for clip in known
            if (waveform := clip.audio()) is not None
        }
    return [
        card.labels[int(asked[clip.sha256].argmax())] if clip.sha256 in asked else None
        for clip in dataset.held_out
    ]


@contextmanager
def _signs_of_life(ledger: Ledger, run: str, worker: str) -> Iterator[None]:
    """Keep the claim alive, so that nobody takes the run for dead while it fits."""
    done = Event()

    def beat() -> None:
        while not done.wait(BEAT_S):
            try:
                ledger.keep(run, worker)
            except (ClientError, BotoCoreError, RetrainInProgress):
                logger.warning("A sign of life could not be written.", exc_info=True)

    thread = Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class _Reporter:
    """Writes stage, progress and curve of a run where ``GET /retrain/{run}`` finds them."""

    def __init__(self, services: Services, run: str, worker: str) -> None:
        self._services = services
        self._run = run
        self._worker = worker
        self._stage = ""
        self._next = 0.0

    def __call__(self, stage: str, progress: float, curve: Sequence[dict[str, Any]]) -> None:
        """Report, unless the same stage was reported a moment ago."""
        if stage == self._stage and time.monotonic() < self._next:
            return
        self._stage, self._next = stage, time.monotonic() + REPORT_EVERY_S
        self._services.ledger.report(
            self._run, self._worker, stage=stage, progress=round(progress, 3), curve=list(curve)
        )
