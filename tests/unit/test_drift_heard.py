"""What of a recording is compared: answers that are independent, each of its hour."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from conftest import Aws, clip, tape
from earshot.moments import moment

if TYPE_CHECKING:
    from earshot.services import Services


def test_a_recording_gives_one_answer_for_each_label_and_hour(services: Services, aws: Aws) -> None:
    key = "recordings/ridge/20211101_100000.wav"
    services.receive(aws.drop(key, tape()))
    found = services.drift.observations.latest("ridge", 100)
    assert {one.at for one in found} == {"2021-11-01T10:00:00.000Z"}
    labels = [one.answer.label for one in found]
    assert "siren" in labels
    assert len(labels) == len(set(labels))
    assert all(one.answer.novelty > 0 for one in found)
    services.receive(aws.drop("recordings/ridge/20211101_103000.wav", clip("siren", 8)))
    assert len(services.drift.observations.latest("ridge", 100)) == len(found)
    services.receive(aws.drop("recordings/ridge/20211101_113000.wav", clip("siren", 9)))
    assert len(services.drift.observations.latest("ridge", 100)) == len(found) + 1
    assert services.drift.observations.sites("2020") == ["ridge"]


def test_a_clock_that_was_ahead_hides_nothing_when_it_is_put_right(
    services: Services, aws: Aws
) -> None:
    services.receive(aws.drop("recordings/ridge/20970101_100000.wav", clip("siren", 8)))
    (ahead,) = services.drift.observations.latest("ridge", 100)
    assert ahead.at <= moment(time.time())
    services.receive(aws.drop("recordings/ridge/20211101_100000.wav", clip("siren", 9)))
    behind = services.drift.observations.latest("ridge", 100)[-1]
    assert behind.at == "2021-11-01T10:00:00.000Z"
