"""Alerts as their users see them: raised by recordings, listed, tried out, never lost."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Aws, encode, pcm, tape
from earshot.application import AlertRule, Application
from earshot.errors import BadApplication
from earshot.recording import Alert, Detection, Detections
from earshot.services import Services
from earshot.sweeps import UNPUBLISHED_S
from fastapi.testclient import TestClient
from shell import Shell

KEY = "recordings/ridge/20261121_060000.wav"


class Crash(BaseException):
    """The process ends here: nothing catches it."""


def alerts_told(aws: Aws) -> list[dict[str, Any]]:
    """The alerts on the bus since the last look."""
    return [e["detail"] for e in aws.published() if e["detail-type"] == "DetectionAlert"]


def raise_some(services: Services, *named: tuple[str, str]) -> list[Alert]:
    """Alerts of labels and sites, raised in this order."""
    raised = []
    for n, (label, site) in enumerate(named):
        key = f"recordings/{site}/20261121_{n:02}0000.wav"
        record = services.analysis.logbook.note(key, site, 1, "v1")
        found = detections(record.recording, key, site, label, n)
        raised += services.alerts.consider(record, found)
    return raised


def detections(recording: str, key: str, site: str, label: str, hour: int) -> Detections:
    one = Detection(0.0, 4.0, label, 0.9, 0.8)
    start = f"2026-11-21T{hour:02}:00:00.000Z"
    return Detections(
        recording, key, site, 60.0, 8000.0, "m1", ("casual", label), "casual", (one,), start
    )


# --- rules -----------------------------------------------------------------------------------

TOML = """
labels = ["a", "b", "quiet"]
alert_labels = ["b", "a"]
silence_label = "quiet"
sample_rate = 16000
window_s = 4.0
hop_s = 4.0
backbone = "m"
"""


def read(tmp_path: Path, rules: str) -> Application:
    path = tmp_path / "x.toml"
    path.write_text(TOML + rules)
    return Application.load(path)


def test_labels_that_must_not_be_missed_are_rules_unless_there_are_others(tmp_path: Path) -> None:
    assert read(tmp_path, "").rules == (AlertRule("b"), AlertRule("a"))
    written = '[[alerts]]\nlabel = "a"\nthreshold = 0.9\nsite = "gate"\ncooldown_s = 60\n'
    assert read(tmp_path, written).rules == (AlertRule("a", 0.9, "gate", 60),)
    assert read(tmp_path, "alerts = []").rules == ()
    assert AlertRule("a").cooldown_s == 300


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ('[[alerts]]\nlabel = "c"', "'c', which is not among its labels"),
        ('[[alerts]]\nlabel = "quiet"', "silence_label"),
        ("[[alerts]]\nthreshold = 0.5", "label"),
        ("[[alerts]]\nlabel = 5", "label"),
        ('[[alerts]]\nlabel = "a"\nsite = 5', "site"),
        ('[[alerts]]\nlabel = "a"\nthreshold = 1.5', "threshold must lie between 0 and 1"),
        ('[[alerts]]\nlabel = "a"\nthreshold = -0.1', "threshold must lie"),
        ('[[alerts]]\nlabel = "a"\nthreshold = nan', "threshold must lie"),
        ('[[alerts]]\nlabel = "a"\nthreshold = "high"', "threshold must be a number"),
        ('[[alerts]]\nlabel = "a"\nthreshold = true', "threshold must be a number"),
        ('[[alerts]]\nlabel = "a"\ncooldown_s = -1', "cooldown_s must lie"),
        ('[[alerts]]\nlabel = "a"\ncooldown_s = 86401', "cooldown_s must lie"),
        ('[[alerts]]\nlabel = "a"\ncooldown = 60', "cooldown"),
        ('[[alerts]]\nlabel = "a"\n[[alerts]]\nlabel = "a"\nthreshold = 0.5', "twice"),
        ('[alerts]\nlabel = "a"', "mapping"),
        ("alerts = 5", "iterable"),
    ],
)
def test_a_wrong_rule_says_what_is_wrong(tmp_path: Path, rules: str, says: str) -> None:
    with pytest.raises(BadApplication, match=says):
        read(tmp_path, rules)


# --- from a recording to the bus -------------------------------------------------------------


def test_a_recording_with_shots_tells_once_whoever_hears_it_again(
    services: Services, aws: Aws
) -> None:
    aws.drop(KEY, tape())
    for _ in range(2):
        services.receive(KEY)
    (told,) = alerts_told(aws)
    assert (told["label"], told["site"], told["key"]) == ("gunshot", "ridge", KEY)
    assert (told["at"], told["start_s"]) == ("2026-11-21T06:00:20.000Z", 20.0)
    assert told["test"] is False
    assert told["clip"].startswith(f"/recordings/{told['recording']}/clips/")
    (listed,), _ = services.alerts.latest(None, None, "", 10)
    assert listed.alert == told["alert"]


def test_a_camera_that_writes_over_its_file_alerts_every_time(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hour in (10, 11):
        at = f"2026-11-21T{hour}:00:00.000Z"
        monkeypatch.setattr("earshot.field.logbook.now", lambda at=at: at)
        # Other content each time, whose name does not say when it was recorded.
        sound = np.concatenate([pcm("gunshot"), np.zeros(hour, np.int16)])
        aws.s3.put_object(Bucket="recordings", Key="recordings/gate/latest.wav", Body=encode(sound))
        services.receive("recordings/gate/latest.wav")
    told = alerts_told(aws)
    assert [alert["received_at"][11:13] for alert in told] == ["10", "11"]


def test_the_clip_of_an_alert_can_be_heard(services: Services, aws: Aws, api: TestClient) -> None:
    services.receive(aws.drop(KEY, tape()))
    (told,) = alerts_told(aws)
    answer = api.get(told["clip"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "audio/flac"


@pytest.mark.parametrize("after", [False, True])
def test_who_dies_at_publishing_leaves_it_to_who_hears_the_recording_again(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    aws.drop(KEY, tape())
    _die_publishing(services, monkeypatch, after)
    first = alerts_told(aws)
    services.receive(KEY)
    second = alerts_told(aws)
    # At least once, and with the same identity.
    assert len(first) == after
    assert len({one["alert"] for one in first + second}) == 1
    assert len(second) == 1
    services.receive(KEY)
    assert alerts_told(aws) == []


def test_what_nobody_hears_again_the_sweep_publishes_and_reports(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.drop(KEY, tape())
    _die_publishing(services, monkeypatch, after=False)
    sweep = replace(services.sweep, receive=lambda *_: None)  # type: ignore[arg-type,return-value]
    assert sweep.run().repairs == {}
    assert alerts_told(aws) == []
    later = replace(sweep, clock=lambda: time.time() + UNPUBLISHED_S + 1)
    report = later.run()
    assert report.repairs == {"alert_published": 1}
    (told,) = alerts_told(aws)
    assert told["alert"] in report.done[0]
    assert later.run().repairs == {}
    assert alerts_told(aws) == []


def _die_publishing(services: Services, patch: pytest.MonkeyPatch, after: bool) -> None:
    publisher = services.alerts.publisher
    publish = publisher.publish

    def dies(event: Any) -> None:
        if event.name == "DetectionAlert":
            if after:
                publish(event)
            raise Crash
        publish(event)

    with patch.context() as patched:
        patched.setattr(publisher, "publish", dies)
        with pytest.raises(Crash):
            services.receive(KEY)


def test_quiet_recordings_and_those_with_other_labels_tell_nobody(
    services: Services, aws: Aws
) -> None:
    services.receive(aws.drop("recordings/ridge/a.wav", encode(pcm("siren"))))
    assert alerts_told(aws) == []


# --- the API ---------------------------------------------------------------------------------


def test_alerts_are_listed_the_latest_first_and_by_label_site_and_time(
    services: Services, api: TestClient
) -> None:
    raised = raise_some(
        services, ("gunshot", "ridge"), ("gunshot", "creek"), ("explosion", "ridge")
    )
    ids = [one.alert for one in sorted(raised, key=lambda one: (one.raised_at, one.alert))][::-1]

    def listed(**query: Any) -> list[str]:
        answer = api.get("/alerts", params=query)
        assert answer.status_code == 200, answer.text
        return [one["alert"] for one in answer.json()["alerts"]]

    assert listed() == ids
    by = {(one.label, one.site): one.alert for one in raised}
    assert set(listed(label="gunshot")) == {by["gunshot", "ridge"], by["gunshot", "creek"]}
    assert listed(label="explosion", site="ridge") == [by["explosion", "ridge"]]
    assert listed(label="explosion", site="creek") == []
    assert listed(since=min(one.raised_at for one in raised)) == ids
    assert listed(since="2999-01-01T00:00:00Z") == []
    assert listed(since="2026-01-01T00:00:00+02:00") == ids
    # Beyond what a clock tells in UTC.
    assert listed(since="0001-01-01T00:00:00+14:00") == ids
    assert listed(since="9999-12-31T23:59:59-14:00") == []


def test_pages_of_alerts_follow_on_each_other_whatever_is_asked_for(
    services: Services, api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earshot.incidents.PAGE", 2)
    raised = raise_some(services, *[("gunshot", f"s{n % 2}") for n in range(7)])
    for query, wanted in (
        ({}, {one.alert for one in raised}),
        ({"site": "s1"}, {one.alert for one in raised if one.site == "s1"}),
    ):
        found, cursor, pages = [], None, 0
        while pages == 0 or cursor:
            more = {"cursor": cursor} if cursor else {}
            page = api.get("/alerts", params={"limit": 2, **query, **more}).json()
            assert len(page["alerts"]) <= 2
            found += [one["alert"] for one in page["alerts"]]
            cursor, pages = page["next"], pages + 1
        assert len(found) == len(set(found))
        assert set(found) == wanted


def test_a_list_of_which_much_has_to_be_looked_through_comes_in_more_pages(
    services: Services, api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earshot.incidents.PAGE", 2)
    monkeypatch.setattr("earshot.incidents.LOOKED_AT", 4)
    raise_some(services, ("explosion", "a"), *[("gunshot", "a")] * 5)
    first = api.get("/alerts?label=explosion").json()
    assert first["alerts"] == []
    second = api.get("/alerts", params={"label": "explosion", "cursor": first["next"]}).json()
    assert [one["label"] for one in second["alerts"]] == ["explosion"]
    assert second["next"] is None


@pytest.mark.parametrize("query", ["since=yesterday", "since=1767225600", "limit=0", "cursor=x"])
def test_what_cannot_be_asked_is_refused(api: TestClient, query: str) -> None:
    assert api.get(f"/alerts?{query}").status_code == 422


def test_a_test_goes_the_whole_way_and_is_in_no_list(api: TestClient, aws: Aws) -> None:
    answer = api.post("/alerts/test")
    assert answer.status_code == 202
    (told,) = alerts_told(aws)
    assert told == answer.json()
    assert told["test"] is True
    assert told["summary"].startswith("This is a test")
    assert re.fullmatch("[0-9a-f]{16}", told["alert"])
    assert api.get("/alerts").json() == {"alerts": [], "next": None}


def test_the_rules_are_those_of_the_application(api: TestClient) -> None:
    assert api.get("/alerts/rules").json() == {
        "rules": [
            {"label": label, "threshold": None, "site": None, "cooldown_s": 300}
            for label in ("gunshot", "explosion")
        ]
    }


# --- the command -----------------------------------------------------------------------------


def test_the_command_lists_tries_and_shows_the_rules(
    earshot: Shell, services: Services, api: TestClient, aws: Aws
) -> None:
    raise_some(services, ("gunshot", "ridge"), ("explosion", "creek"))
    listed = earshot("alerts", "list", "--json").json["alerts"]
    assert {one["label"] for one in listed} == {"gunshot", "explosion"}
    (one,) = earshot("alerts", "list", "--site", "creek", "--json").json["alerts"]
    assert one["label"] == "explosion"
    shown = earshot("alerts", "list", "--limit", 1)
    assert "explosion" in shown.out
    assert "There are more" in shown.err
    aws.published()
    sent = earshot("alerts", "test")
    (told,) = alerts_told(aws)
    assert told["alert"] in sent.out
    assert "gunshot" in earshot("alerts", "rules").out
