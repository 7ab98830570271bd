"""What trainings, promotions and the sweep do."""

from __future__ import annotations

from unittest import mock

from conftest import clip
from earshot.errors import PromotionConflict, RetrainInProgress
from earshot.runs import PROMOTED
from earshot.services import Services
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
