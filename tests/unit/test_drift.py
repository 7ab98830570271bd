"""Drift, from recordings to what comes of it: told once, asked about first, trained for once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import DEFAULT_BUNDLE, Aws, clip, encode, sound, tape
from earshot.audio import decode
from earshot.bundle import EVALUATION_FILE
from earshot.drift.observations import ASKED
from earshot.evaluation import read
from earshot.moments import moment
from earshot.recording import Answer, Observation
from station import DAY_S, START, VERSION, Station
from sweeping import crash_in

if TYPE_CHECKING:
    from earshot.services import Services


@pytest.fixture
def station(services: Services, aws: Aws) -> Station:
    return Station(services, aws)


# --- what is compared ----------------------------------------------------------------------------


def test_where_nothing_was_heard_nothing_is_looked_at(station: Station) -> None:
    station.drift.watch()
    assert station.drift.latest() is None
    assert station.told() == []


def test_a_site_that_sounds_as_ever_is_steady(station: Station) -> None:
    station.hear()
    found = station.site()
    assert (found.state, found.since, found.drifting) == ("steady", None, ())
    assert found.all is not None
    assert (found.all.p or 0) > 0.01
    assert found.units == 40
    assert station.told() == []


def test_a_site_that_sounds_otherwise_is_told_of_once(station: Station) -> None:
    station.hear("ridge", novelty=0.4)
    station.hear("valley")
    report = station.look()
    assert [(one.site, one.state) for one in report.sites] == [
        ("ridge", "drifting"),
        ("valley", "steady"),
    ]
    (told,) = station.told()
    assert (told["site"], told["version"], told["since"]) == ("ridge", VERSION, report.at)
    assert told["p"] <= 0.01
    assert told["more_novel"] > 0.7
    assert "ridge" in told["summary"]
    for _ in range(3):
        station.drift.watch()
        station.later()
        station.hear("ridge", novelty=0.4)
    assert station.told() == []
    assert station.site().since == report.at


def test_it_is_looked_at_once_a_day(station: Station) -> None:
    station.hear()
    first = station.look()
    station.hear("valley")
    station.now += 3600
    assert station.look() == first
    station.later()
    assert [one.site for one in station.look().sites] == ["ridge", "valley"]


def test_a_site_that_sounds_as_before_again_may_be_told_of_anew(station: Station) -> None:
    station.hear(novelty=0.4)
    station.look()
    station.later(20)
    station.hear()
    assert station.site().state == "steady"
    assert station.log.episodes() == []
    station.later(20)
    station.hear(novelty=0.4)
    station.look()
    assert [one["site"] for one in station.told()] == ["ridge", "ridge"]


def test_a_site_that_drifts_does_so_until_it_was_calm_for_as_many_days_as_are_looked_at(
    station: Station,
) -> None:
    station.rule(days=2)
    station.hear(n=24, novelty=0.4, since=station.now - DAY_S)
    first = station.look()
    station.later(1)
    station.hear(n=24, novelty=0.4, since=station.now - DAY_S)
    differed = station.look()
    station.later(1.9)
    station.hear(since=station.now - 1.65 * DAY_S)
    calm = station.site()
    assert calm.all is not None
    assert calm.all.p is not None
    assert calm.all.p > 0.1
    assert (calm.state, calm.since) == ("drifting", first.at)
    assert [(one.since, one.seen) for one in station.log.episodes()] == [(first.at, differed.at)]
    # From few answers nothing can be told, not that it is over either.
    station.later(0.7)
    station.rule(days=2, min_units=200)
    assert station.site().state == "too_few"
    assert station.log.is_drifting("ridge")
    station.later(1)
    station.rule(days=2)
    station.hear(since=station.now - 1.65 * DAY_S)
    assert station.site().state == "steady"
    assert station.log.episodes() == []
    assert len(station.told()) == 1


def test_another_version_is_told_of_anew(station: Station) -> None:
    station.hear(novelty=0.4, version="of-before")
    assert station.look().sites == ()
    station.later()
    station.hear(novelty=0.4)
    station.look()
    (episode,) = station.log.episodes()
    station.log.end(episode)
    station.log.begin(replace(episode, version="of-before"))
    station.later()
    station.look()
    assert [one.version for one in station.log.episodes()] == [VERSION]
    assert len(station.told()) == 2


def test_with_few_answers_nothing_is_said(station: Station) -> None:
    station.hear(n=19, novelty=2)
    found = station.site()
    assert (found.state, found.all, found.units) == ("too_few", None, 19)
    station.rule(min_units=15)
    station.later()
    assert station.site().state == "drifting"


def test_only_the_last_days_count_by_the_sites_own_time(station: Station) -> None:
    """A card that is fetched after a month has its own last week."""
    station.hear(since=station.now - 40 * DAY_S, novelty=3)
    station.hear(since=station.now - 30 * DAY_S)
    found = station.site()
    assert (found.state, found.units) == ("steady", 40)
    assert found.first == moment(station.now - 30 * DAY_S)


def test_a_site_that_fell_silent_is_looked_at_no_more(station: Station) -> None:
    station.hear(novelty=0.4)
    station.look()
    station.later(8)
    assert station.look().sites == ()
    assert station.log.episodes() == []


def test_one_sound_sent_again_and_again_is_one_answer(station: Station) -> None:
    answer = Answer("siren", 0.99, 3.0, accepted=False)
    station.observations.keep(
        ASKED,
        [Observation(moment(station.now + n), f"{n}", VERSION, answer) for n in range(50)],
    )
    assert station.site(ASKED).units == 1


def test_a_version_of_an_earlier_release_cannot_be_told_of(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = json.loads((DEFAULT_BUNDLE / EVALUATION_FILE).read_text())
    for one in content["clips"]:
        del one["novelty"], one["windows"]
    old = read(json.dumps(content).encode())
    monkeypatch.setattr(station.drift.serving, "default_evaluation", lambda: old)
    station.hear(novelty=0.4)
    report = station.look()
    assert (report.state, report.sites) == ("no_reference", ())
    assert station.told() == []


def test_of_many_sites_chance_names_none(station: Station) -> None:
    for n in range(30):
        station.hear(f"site-{n}", 30)
    report = station.look()
    assert len(report.sites) == 30
    assert [one.site for one in report.sites if one.state == "drifting"] == []
    # By itself one of them might have been.
    assert min(one.all.p or 1 for one in report.sites if one.all) < 0.2


# --- what comes of it ----------------------------------------------------------------------------


def test_what_was_heard_there_comes_first_in_review(station: Station) -> None:
    for site in ("ridge", "valley"):
        station.services.receive(station.aws.drop(f"recordings/{site}/a.wav", tape()))
    station.hear("valley", novelty=0.4)
    station.look()
    waiting = station.services.reviews.waiting(100)
    assert [(one.site, one.doubt.reason) for one in waiting[:2]] == [("valley", "drift")] * 2
    assert {one.site for one in waiting[2:]} == {"ridge"}
    station.later(20)
    station.hear("valley")
    station.look()
    assert {one.doubt.reason for one in station.services.reviews.waiting(100)} <= {
        "uncertain",
        "novel",
    }


def test_a_recording_of_a_site_that_drifts_is_asked_about_in_any_case(station: Station) -> None:
    def review(name: str) -> list[str]:
        key = f"recordings/ridge/{name}.wav"
        station.services.receive(station.aws.drop(key, clip("siren", len(name))))
        waiting = station.services.reviews.waiting(100)
        return [one.doubt.reason for one in waiting if one.key == key]

    assert review("a") == []
    station.hear(novelty=0.4)
    station.look()
    assert review("aa") == ["drift"]


@pytest.mark.parametrize("after", [False, True])
def test_who_dies_while_telling_is_followed_by_who_tells(
    station: Station, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    station.hear(novelty=0.4)
    with crash_in(monkeypatch, station.drift.publisher, "publish", after=after):
        station.drift.watch()
    station.drift.watch()
    told = station.told()
    assert len(told) == 1 + after
    # Who hears of it twice knows it by these.
    assert len({(one["version"], one["site"], one["since"]) for one in told}) == 1
    station.drift.watch()
    assert station.told() == []


# --- what is heard -------------------------------------------------------------------------------


def test_what_the_api_is_asked_is_noted_once(station: Station) -> None:
    prediction = station.services.serving.detector().classify(decode(clip("siren")))
    for n in range(3):
        station.now += 60
        station.statistics.count(prediction, f"request {n}")
    station.drift.gather()
    station.drift.gather()
    found = station.observations.latest(ASKED, 100)
    assert sorted(one.name for one in found) == ["request 0", "request 1", "request 2"]
    assert found[0].answer == Answer(
        prediction.label,
        prediction.confidence,
        round(prediction.novelty, 6),
        accepted=prediction.decision == "accepted",
    )
    station.now += 60
    station.statistics.count(prediction, "request 3")
    station.drift.gather()
    assert len(station.observations.latest(ASKED, 100)) == 4


def test_a_sweep_looks_every_hour(services: Services, aws: Aws) -> None:
    sound_ = encode(np.clip(sound("siren") * 30, -1, 1))
    services.receive(aws.drop("recordings/ridge/a.wav", sound_))
    now = [float(START)]
    sweep = replace(services.sweep, clock=lambda: now[0])
    sweep.run()
    report = services.drift.latest()
    assert report is not None
    assert [one.site for one in report.sites] == ["ridge"]
    assert report.sites[0].state == "too_few"
