"""What trainings, promotions and the sweep do."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

from conftest import clip
from earshot.audio import decode
from earshot.errors import PromotionConflict, RetrainInProgress
from earshot.runs import PROMOTED, SHADOWING
from earshot.services import Services
from earshot.shadow.comparison import compared
from injector import DEADLY
from standins import publish, work
from usecase import DAY_S, UseCase, trail, trained_once
from world import TABLE, World, sweep


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


class TrainForTheShadow(Train):
    """A job whose challenger has to prove itself beside the champion first."""

    name = "train for the shadow"

    def act(self, services: Services) -> None:
        super().act(replace(services, shadows=replace(services.shadows, needed=100)))

    def repeat(self, services: Services) -> None:
        try:
            self.act(services)
        except RetrainInProgress:
            assert services.ledger.run(self.run).state == SHADOWING

    def check(self, world: World) -> None:
        services = world.use_cases(self.threshold)
        run = services.ledger.run(self.run)
        assert run.state == SHADOWING, run
        pointer = services.registry.champion()
        assert pointer
        assert pointer.shadow
        assert pointer.shadow.version == run.version
        assert (pointer.history, pointer.shadows) == ((), ())


class ShadowPromoted(UseCase):
    """A challenger has proven itself: one sweep, or those that follow, put it into service."""

    name = "promote a shadow"
    run = ""

    def prepare(self, world: World) -> None:
        services = world.use_cases(self.threshold)
        for version in ("v1", "v2"):
            publish(services, version)
        services.models.promote_by_hand("v1", "a person", "first")
        self.run = services.training.request("by hand").run
        services.ledger.claim(self.run, "a job")
        services.ledger.report(self.run, "a job", version="v2")
        begun = services.shadows.begin("v2", f"run {self.run}", "by hand", needed=3, share=1.0)
        services.ledger.finish(self.run, "a job", SHADOWING)
        heard = services.serving.detector().classify(decode(clip("siren")))
        for _ in range(3):
            services.statistics.count(heard, besides=compared(begun.shadow, heard, heard, 1.0))

    def act(self, services: Services) -> None:
        sweep(services, 0)

    def check(self, world: World) -> None:
        services = world.use_cases(self.threshold)
        assert trail(world) == [("v2", "v1", False), ("v1", None, False)]
        pointer = services.registry.champion()
        assert pointer
        assert pointer.shadow is None
        assert [(one.version, one.promoted) for one in pointer.shadows] == [("v2", True)]
        assert services.ledger.run(self.run).state == PROMOTED


class RolledBack(UseCase):
    """A new champion does far worse: one sweep, or those that follow, take it back once."""

    name = "roll back by the sweep"

    def prepare(self, world: World) -> None:
        services = world.use_cases(self.threshold)
        for version in ("v1", "v2"):
            publish(services, version)
            services.models.promote_by_hand(version, "a person", "a test")
        heard = services.serving.detector().classify(decode(clip("siren")))
        for _ in range(50):
            services.statistics.count(replace(heard, model_version="v1", decision="accepted"))
            services.statistics.count(replace(heard, model_version="v2", decision="uncertain"))

    def act(self, services: Services) -> None:
        sweep(services, 0)

    def check(self, world: World) -> None:
        assert trail(world) == [("v1", "v2", True), ("v2", "v1", False), ("v1", None, False)]


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
