"""What is packed to be searched."""

from __future__ import annotations

from conftest import clip
from earshot.search.vectors import space_of
from earshot.services import Services
from usecase import MANY, UseCase, found_once
from world import World


class Pack(UseCase):
    name = "pack what is searched"
    keys = ("samples/gunshot/b.wav", "samples/siren/a.wav")

    def prepare(self, world: World) -> None:
        for key in self.keys:
            world.drop(key, clip(key.split("/")[1]))
            world.deliver(world.use_cases(self.threshold))

    def act(self, services: Services) -> None:
        services.packing.run()

    def check(self, world: World) -> None:
        found_once(world, *self.keys)
        services = world.use_cases(MANY)
        space = space_of(services.serving.detector().card.embedding_id)
        listing = services.vectors.listing(space)
        assert (len(listing.fresh), len(listing.segments)) == (0, 1)


class PackedBefore(Pack):
    """What a sweep packed is packed anew with what came later."""

    name = "pack more"
    keys = ("samples/siren/c.wav",)

    def prepare(self, world: World) -> None:
        super().prepare(world)
        world.use_cases(self.threshold).packing.run()
        world.drop("samples/casual/d.wav", clip("casual"))
        world.deliver(world.use_cases(self.threshold))

    def check(self, world: World) -> None:
        found_once(world, *self.keys, "samples/casual/d.wav")
