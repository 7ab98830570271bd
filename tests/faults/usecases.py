"""What Earshot does, each made ready, done, and done again as the world around it would.

A use case holds plain values only: it travels to the process that dies of it. ``act`` is what
meets the fault. ``repeat`` is what comes after, undisturbed: the queue brings its message again,
Batch tries its job again, a user without an answer asks again; each of them also where nothing
went wrong, for messages come twice.
"""

from __future__ import annotations

import io
import zipfile
from functools import cache, lru_cache
from unittest import mock

from botocore.exceptions import BotoCoreError, ClientError
from conftest import clip, tape
from earshot.audio import decode
from earshot.errors import PromotionConflict, RetrainInProgress
from earshot.runs import PROMOTED
from earshot.services import Services
from earshot.services.occurrences import Wanted
from injector import DEADLY, FAULTS, Fault
from standins import publish, work
from world import TABLE, World, handle, sweep

MANY = 1_000
DAY_S = 86_400


class UseCase:
    """One of them; ``threshold`` new samples make a training due.

    It may meet ``faults``; ``fault`` is what its ``call`` met, when it did.
    """

    name: str
    threshold = MANY
    faults: tuple[Fault, ...] = FAULTS
    fault: Fault | None = None
    call = ""

    def prepare(self, world: World) -> None:
        """Bring the world to where the use case begins."""

    def act(self, services: Services) -> None:
        """Do it once."""
        raise NotImplementedError

    def repeat(self, services: Services) -> None:
        """Do it again, as the world does."""
        self.act(services)

    def check(self, world: World) -> None:
        """What has to hold in the end, besides what always has to."""


# --- ingest -----------------------------------------------------------------------------------


class Arrival(UseCase):
    """Something happened in the bucket, and its message comes to ingest."""

    message = ""

    def act(self, services: Services) -> None:
        handle(services, self.message)

    def happened(self, world: World) -> None:
        """Take the message that is on the queue as the one to meet the fault."""
        self.message = world.message()


class Sample(Arrival):
    name = "ingest a sample"

    def prepare(self, world: World) -> None:
        world.drop("samples/siren/a.wav", clip("siren"))
        self.happened(world)

    def check(self, world: World) -> None:
        assert standing(world) == {"siren": 1}


class SameSample(Arrival):
    name = "the same sound twice"

    def prepare(self, world: World) -> None:
        world.drop("samples/siren/a.wav", clip("siren"))
        world.deliver(world.use_cases(self.threshold))
        world.drop("samples/siren/b.wav", clip("siren"))
        self.happened(world)

    def check(self, world: World) -> None:
        assert standing(world) == {"siren": 1}


class Crossing(Arrival):
    name = "cross the threshold"
    threshold = 2

    def prepare(self, world: World) -> None:
        world.drop("samples/siren/a.wav", clip("siren"))
        world.deliver(world.use_cases(self.threshold))
        world.drop("samples/gunshot/b.wav", clip("gunshot"))
        self.happened(world)

    def check(self, world: World) -> None:
        assert standing(world) == {"gunshot": 1, "siren": 1}
        trained_once(world)


class Refused(Arrival):
    name = "refuse a sample"

    def prepare(self, world: World) -> None:
        world.drop("samples/siren/a.wav", b"RIFF, but no sound")
        self.happened(world)

    def check(self, world: World) -> None:
        services = world.use_cases(self.threshold)
        assert [one.key for one in services.arrivals.refusals()] == ["samples/siren/a.wav"]
        assert standing(world) == {}


class Import(Arrival):
    name = "import a zip"

    def prepare(self, world: World) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for number in range(2):
                archive.writestr(f"siren/{number}.wav", clip("siren", number))
            archive.writestr("gunshot/again.wav", clip("gunshot"))
            archive.writestr("gunshot/twice.wav", clip("gunshot"))
        world.drop("imports/clips.zip", file.getvalue())
        self.happened(world)

    def check(self, world: World) -> None:
        assert standing(world) == {"gunshot": 1, "siren": 2}
        (record,) = world.use_cases(self.threshold).arrivals.imports()
        assert (record.state, record.clips) == ("unpacked", 4)


class RefusedImport(Arrival):
    name = "refuse a zip"

    def prepare(self, world: World) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("siren/0.wav", clip("siren"))
            archive.writestr("../out.wav", clip("siren"))
        world.drop("imports/clips.zip", file.getvalue())
        self.happened(world)

    def check(self, world: World) -> None:
        services = world.use_cases(self.threshold)
        assert [one.key for one in services.arrivals.refusals()] == ["imports/clips.zip"]
        assert world.objects("samples/") == {}
        assert services.arrivals.imports() == []


class Analysis(Arrival):
    name = "analyse a recording"

    def prepare(self, world: World) -> None:
        world.drop("recordings/forest/a.wav", recording())
        self.happened(world)

    def check(self, world: World) -> None:
        services = world.use_cases(self.threshold)
        found, _ = services.analysis.recordings(None, 100)
        assert [one.state for one in found] == ["analysed"]
        assert services.analysis.total() == 1
        assert services.analysis.detections(found[0].recording).detections
        reviews = services.reviews.waiting(100)
        assert len({one.review for one in reviews}) == len(reviews) > 0
        assert all(services.reviews.clip(one.review) for one in reviews)
        alerts, _ = services.alerts.latest(None, None, "", 100)
        assert [one.label for one in alerts] == ["gunshot"]
        assert services.alerts.incidents.unpublished(100) == [], "every alert was told"


class LongRecording(Analysis):
    """There is time for some parts only: the rest comes by an event, as often as it takes."""

    name = "a long recording in parts"

    def act(self, services: Services) -> None:
        time_left = iter([True] * 2)
        with mock.patch("earshot.listening.PART", 3):
            services.receive("recordings/forest/a.wav", lambda: next(time_left, False))

    def check(self, world: World) -> None:
        super().check(world)
        services = world.use_cases(self.threshold)
        listed, _ = services.occurrences.latest(Wanted("1970", "2100"), 100)
        assert sorted(one.detection.label for one in listed) == ["gunshot", "siren"]


class Removal(Arrival):
    name = "remove a sample"

    def prepare(self, world: World) -> None:
        for name, label in (("a", "siren"), ("b", "gunshot")):
            world.drop(f"samples/{label}/{name}.wav", clip(label))
        world.deliver(world.use_cases(self.threshold))
        world.remove("samples/siren/a.wav")
        self.happened(world)

    def check(self, world: World) -> None:
        assert standing(world) == {"gunshot": 1}


class Replacement(Arrival):
    name = "replace a sample"

    def prepare(self, world: World) -> None:
        world.drop("samples/siren/a.wav", clip("siren"))
        world.deliver(world.use_cases(self.threshold))
        world.drop("samples/siren/a.wav", clip("siren", 2))
        self.happened(world)

    def check(self, world: World) -> None:
        assert standing(world) == {"siren": 1}


# --- people -----------------------------------------------------------------------------------


class TakeIn(UseCase):
    name = "POST /samples"

    def act(self, services: Services) -> None:
        files = [("a.wav", clip("siren")), ("b.wav", clip("siren", 2)), ("c.wav", clip("siren"))]
        services.uploads.take_in(files, "siren")

    def check(self, world: World) -> None:
        assert standing(world) == {"siren": 2}
        assert len(world.objects("samples/")) == 2


class CompleteUpload(UseCase):
    name = "complete an upload in parts"
    key = "samples/siren/large.wav"
    upload = ""

    def prepare(self, world: World) -> None:
        services = world.use_cases(self.threshold)
        self.upload = services.store.begin(self.key, "audio/wav")
        world.s3.upload_part(
            Bucket=world.recordings,
            Key=self.key,
            UploadId=self.upload,
            PartNumber=1,
            Body=clip("siren"),
        )

    def act(self, services: Services) -> None:
        services.uploads.complete(self.key, self.upload, len(clip("siren")))

    def check(self, world: World) -> None:
        assert standing(world) == {"siren": 1}
        assert world.objects("samples/") == {self.key: clip("siren")}
        versions = world.s3.list_object_versions(Bucket=world.recordings)["Versions"]
        assert len(versions) == 1


class Decision(UseCase):
    name = "decide a review"
    review = ""

    def prepare(self, world: World) -> None:
        world.drop("recordings/forest/a.wav", recording())
        services = world.use_cases(self.threshold)
        world.deliver(services)
        self.review = services.reviews.waiting(1)[0].review

    def act(self, services: Services) -> None:
        services.reviews.decide(self.review, "correct", "explosion", "a person")

    def check(self, world: World) -> None:
        services = world.use_cases(self.threshold)
        assert self.review not in {one.review for one in services.reviews.waiting(100)}
        assert standing(world) == {"explosion": 1}
        assert len(world.objects("samples/")) == 1


class Undo(Decision):
    """The verdict of before and its sample go, once; a stretch that waits again is asked again."""

    name = "take a review back"
    reviewed_at: str | None = ""

    def prepare(self, world: World) -> None:
        super().prepare(world)
        services = world.use_cases(self.threshold)
        decided = services.reviews.decide(self.review, "correct", "explosion", "a person")
        self.reviewed_at = decided.reviewed_at
        world.deliver(services)

    def act(self, services: Services) -> None:
        services.reviews.undo(self.review, self.reviewed_at, "a person")

    def check(self, world: World) -> None:
        (asked,) = (
            one
            for one in world.use_cases(self.threshold).reviews.waiting(100)
            if one.review == self.review
        )
        assert asked.verdict is None
        assert [one.reviewed_at for one in asked.history] == [self.reviewed_at]
        assert world.use_cases(self.threshold).reviews.reviewed()["correct"] == 0
        assert standing(world) == {}
        assert world.objects("samples/") == {}


class Ask(UseCase):
    """A user without an answer asks again; that it is under way already is an answer."""

    name = "POST /retrain"

    def act(self, services: Services) -> None:
        services.training.request("by hand")

    def repeat(self, services: Services) -> None:
        try:
            self.act(services)
        except RetrainInProgress:
            return

    def check(self, world: World) -> None:
        trained_once(world)


class Classify(UseCase):
    """Every answer is counted once, unless it could not be; it is given all the same."""

    name = "count a prediction"
    answered = 0

    def act(self, services: Services) -> None:
        services.classify(clip("siren"), request_id="1")
        self.answered += 1

    def check(self, world: World) -> None:
        counted = world.use_cases(self.threshold).statistics.totals().predictions
        answered = self.answered
        if self.call == "dynamodb:UpdateItem" and self.fault in ("before", "busy"):
            # The one fault that loses a count: botocore's tries are used up, the answer is given.
            answered -= 1
        if self.call == "dynamodb:UpdateItem" and self.fault == "killed-after":
            # Counted, and then nobody was there to answer.
            answered += 1
        assert counted == answered


# --- models -----------------------------------------------------------------------------------


class Publish(UseCase):
    name = "upload a bundle"

    def act(self, services: Services) -> None:
        publish(services, "v1")

    def check(self, world: World) -> None:
        assert world.use_cases(self.threshold).registry.versions() == ["v1"]


class Promote(UseCase):
    """A user without an answer asks again, naming the champion that was seen before."""

    name = "promote"

    def prepare(self, world: World) -> None:
        services = world.use_cases(self.threshold)
        for version in ("v1", "v2"):
            publish(services, version)
        services.models.promote_by_hand("v1", "a person", "first")

    def act(self, services: Services) -> None:
        services.models.promote_by_hand("v2", "a person", "better", expected="v1")

    def repeat(self, services: Services) -> None:
        try:
            self.act(services)
        except PromotionConflict:
            return

    def check(self, world: World) -> None:
        assert trail(world) == [("v2", "v1", False), ("v1", None, False)]


class RollBack(Promote):
    name = "roll back"

    def prepare(self, world: World) -> None:
        super().prepare(world)
        super().act(world.use_cases(self.threshold))

    def act(self, services: Services) -> None:
        services.models.roll_back("a person", "worse", expected="v2")

    def check(self, world: World) -> None:
        assert trail(world)[0] == ("v1", "v2", True)
        assert len(trail(world)) == 3


class Train(UseCase):
    """A job from claim to promotion; Batch tries it again."""

    name = "train"
    run = ""

    def prepare(self, world: World) -> None:
        world.drop("samples/siren/a.wav", clip("siren"))
        services = world.use_cases(self.threshold)
        world.deliver(services)
        self.run = services.training.request("by hand").run

    def act(self, services: Services) -> None:
        work(services, self.run, "batch job 1")

    def repeat(self, services: Services) -> None:
        try:
            self.act(services)
        except RetrainInProgress:
            assert services.ledger.run(self.run).state == PROMOTED

    def check(self, world: World) -> None:
        services = world.use_cases(self.threshold)
        run = services.ledger.run(self.run)
        assert run.state == PROMOTED, run
        assert trail(world) == [(run.version, None, False)]
        assert services.registry.versions() == [run.version]


class LostJob(Train):
    """A job that Batch does not try again: a sweep tells others of its run, and one has it."""

    name = "train, and the job is lost"
    faults = DEADLY

    def repeat(self, services: Services) -> None:
        """Nobody does it again but those that a sweep tells."""


class Sweep(UseCase):
    """What is amiss is repaired by one sweep or by those that follow."""

    name = "sweep"

    def prepare(self, world: World) -> None:
        services = world.use_cases(self.threshold)
        world.drop("samples/siren/a.wav", clip("siren"))
        world.deliver(services)
        # An upload that was left, and a run that nobody was told of.
        services.store.begin("samples/siren/left.wav", "audio/wav")
        with mock.patch.object(type(services.training), "publish"):
            services.training.request("by hand")
        # A count that is wrong, in a shard that was not counted for long.
        shard = world.catalogue()[0][0][0]
        world.dynamodb.update_item(
            TableName=TABLE,
            Key={"pk": {"S": f"COUNTS#{shard}"}, "sk": {"S": "COUNTS"}},
            UpdateExpression="ADD #siren :two REMOVE recounted_at",
            ExpressionAttributeNames={"#siren": "n#siren"},
            ExpressionAttributeValues={":two": {"N": "2"}},
        )

    def act(self, services: Services) -> None:
        sweep(services, 3 * DAY_S)

    def check(self, world: World) -> None:
        trained_once(world)
        uploads = world.s3.list_multipart_uploads(Bucket=world.recordings)
        assert "Uploads" not in uploads


# --- sounds -----------------------------------------------------------------------------------


@cache
def recording() -> bytes:
    return tape()


@lru_cache(100)
def identity(body: bytes) -> str:
    return decode(body).sha256


# --- looking ----------------------------------------------------------------------------------


def standing(world: World) -> dict[str, int]:
    """How many samples of each label are counted."""
    labels = world.use_cases(MANY).catalog.standing().labels
    return {label: n for label, n in labels.items() if n}


def trail(world: World) -> list[tuple[str | None, str | None, bool]]:
    """The promotions, the newest first: to, from, and whether it was a rollback."""
    champion = world.use_cases(MANY).registry.champion()
    history = champion.history if champion else ()
    return [(one.version, one.previous, one.rollback) for one in history]


def trained_once(world: World) -> None:
    """There was one request, and it came to one worker."""
    runs = world.use_cases(MANY).ledger.runs()
    assert [world.workers[run.run] for run in runs] == [1], runs


USE_CASES: tuple[type[UseCase], ...] = (
    Sample,
    SameSample,
    Crossing,
    Refused,
    Import,
    RefusedImport,
    Analysis,
    LongRecording,
    Removal,
    Replacement,
    TakeIn,
    CompleteUpload,
    Decision,
    Undo,
    Ask,
    Classify,
    Publish,
    Promote,
    RollBack,
    Train,
    LostJob,
    Sweep,
)
# What may come out of a use case under a fault, besides Earshot's own errors.
OF_THE_WORLD = (BotoCoreError, ClientError)
