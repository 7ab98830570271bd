"""What people ask of the API."""

from __future__ import annotations

from conftest import clip
from earshot.errors import RetrainInProgress
from earshot.services import Services
from usecase import UseCase, recording, standing, trained_once
from world import World


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


class Question(UseCase):
    """What waits can be listened to, and each stretch waits once."""

    name = "ask people about a sound"

    def act(self, services: Services) -> None:
        services.questions.ask(recording())

    def check(self, world: World) -> None:
        reviews = world.use_cases(self.threshold).reviews
        asked = reviews.waiting(100)
        assert len({one.review for one in asked}) == len(asked) > 0
        assert all(reviews.clip(one.review) for one in asked)


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
