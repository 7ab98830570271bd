"""What ingest does with what arrives in the bucket."""

from __future__ import annotations

import io
import zipfile
from unittest import mock

from conftest import clip
from earshot.services import Services
from earshot.services.occurrences import Wanted
from usecase import UseCase, found_once, recording, standing, trained_once
from world import World, handle


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
        found_once(world, "samples/siren/a.wav")


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
        detections = services.analysis.detections(found[0].recording).detections
        assert detections
        reviews = services.reviews.waiting(100)
        assert len({one.review for one in reviews}) == len(reviews) > 0
        assert all(services.reviews.clip(one.review) for one in reviews)
        alerts, _ = services.alerts.latest(None, None, "", 100)
        assert [one.label for one in alerts] == ["gunshot"]
        assert services.alerts.incidents.unpublished(100) == [], "every alert was told"
        heard = {one.peak_s for one in detections if one.clip}
        asked = {one.doubt.start_s for one in reviews}
        found_once(world, *["recordings/forest/a.wav"] * len(heard | asked))


class LongRecording(Analysis):
    """There is time for some parts only: the rest comes by an event, as often as it takes."""

    name = "a long recording in parts"

    def act(self, services: Services) -> None:
        time_left = iter([True] * 2)
        with mock.patch("earshot.field.listening.PART", 3):
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
