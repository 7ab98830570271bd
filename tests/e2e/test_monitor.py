"""The page Monitor: what came and how it was answered, alerts to listen to, and the loop."""

from __future__ import annotations

import csv
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import tour
from browsing import PATIENCE_MS, Site, drawn
from conftest import emulated
from earshot.drift.comparison import Shift
from earshot.drift.log import DriftLog, DriftReport, SiteDrift
from earshot.moments import moment
from onemachine import until
from past import make_past
from playwright.sync_api import expect

from predict.schemas.alerts import ALERT

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page, Route

pytest_plugins = ["browser_fixtures"]

expect.set_options(timeout=PATIENCE_MS)


# The colours that are painted in a canvas, fully.
COLOURS = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const found = new Set();
  for (let n = 0; n < data.length; n += 4) {
    if (data[n + 3] === 255) found.add(`rgb(${data.slice(n, n + 3).join(", ")})`);
  }
  return [...found];
}"""
RESOLVED = """(name) => {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(${name})`;
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}"""


@pytest.fixture(scope="module", autouse=True)
def past(site: Site) -> None:
    make_past(site, each_day=20)


@pytest.fixture
def monitor(page: Page, site: Site) -> Page:
    page.goto(f"{site.url}/#/monitor")
    expect(page.get_by_role("heading", name="Over time")).to_be_visible()
    return page


def chart(page: Page, title: str) -> Locator:
    return page.locator(".chart").filter(has=page.get_by_role("heading", name=title, exact=True))


def numbers(page: Page, title: str) -> list[list[str]]:
    """What a chart shows, by its table."""
    found = chart(page, title)
    if not found.locator("table").is_visible():
        found.get_by_text("The numbers").click()
    rows = found.locator("tbody tr")
    return [rows.nth(n).locator("th, td").all_inner_texts() for n in range(rows.count())]


def test_the_charts_show_and_say_what_was_counted(monitor: Page, site: Site) -> None:
    found = monitor.request.get(f"{site.url}/metrics").json()
    hours = [hour["predictions"] for hour in found["by_hour"]]
    sentence = chart(monitor, "Predictions by hour").locator("figcaption")
    expect(sentence).to_contain_text(f"{sum(hours[:24])} predictions in the last 24 hours")
    shown = numbers(monitor, "Predictions by hour")
    assert [int(row[1]) for row in shown] == hours[::-1]
    monitor.get_by_role("button", name="30 days").click()
    shown = numbers(monitor, "Predictions by day (UTC)")
    assert [int(row[1]) for row in shown] == [day["predictions"] for day in found["by_day"]][::-1]
    shown = numbers(monitor, "Without a sure answer, by day (UTC)")
    assert [row[1:] for row in shown] == [
        [str(day[name]) for name in ("uncertain", "refused", "failed")]
        for day in reversed(found["by_day"])
    ]
    shown = numbers(monitor, "Confidence of all answers")
    counted = [sum(int(n) for n in row[1:] if n.isdigit()) for row in shown]
    assert counted == found["confidence"]["histogram"]["counts"]
    split = monitor.locator(".split").first
    expect(split).to_contain_text(f"{found['confidence']['high']:.1%}")
    took = monitor.locator(".split").nth(1)
    expect(took).to_contain_text(re.compile(r"p50\s*\d+(\.\d)? ms"))
    for label, n in found["by_label"].items():
        row = monitor.locator(".figures .bars li", has_text=label)
        expect(row.locator(".figure")).to_have_text(str(n))


def test_what_comes_in_shows_by_itself(monitor: Page, site: Site) -> None:
    latest = monitor.locator(".latest tbody tr")
    before = monitor.request.get(f"{site.url}/metrics").json()
    sent = monitor.request.post(f"{site.url}/predict", data=tour.clip("siren"), headers=tour.WAV)
    expect(latest.first).to_contain_text(f"{100 * sent.json()['confidence']:.1f}%")
    of_24_h = sum(hour["predictions"] for hour in before["by_hour"][:24])
    tile = monitor.locator(".glance > div", has_text="Predictions in 24 h")
    expect(tile.locator("b")).to_have_text(re.compile(rf"{of_24_h}|{of_24_h + 1}"))
    monitor.request.post(f"{site.url}/predict", data=b"text", headers=tour.WAV)
    expect(monitor.locator(".reasons")).to_contain_text("unsupported format")


def test_the_latest_predictions_can_be_kept_as_csv(monitor: Page, site: Site) -> None:
    monitor.request.post(f"{site.url}/predict", data=tour.clip("siren"), headers=tour.WAV)
    found = monitor.request.get(f"{site.url}/metrics").json()["recent"]

    def kept() -> list[dict[str, str]]:
        latest = monitor.get_by_role("region", name="The latest predictions").first
        with monitor.expect_download() as download:
            latest.get_by_role("button", name="Download as CSV").click()
        name = download.value.suggested_filename
        assert re.fullmatch(r"earshot-predictions-[\dT-]+\.csv", name)
        with Path(download.value.path()).open(newline="") as file:
            return list(csv.DictReader(file))

    def all_of_them() -> list[dict[str, str]] | None:
        rows = kept()
        alike = [row["request_id"] for row in rows] == [one["request_id"] for one in found]
        return rows if alike else None

    # The page looks every few seconds.
    rows = until(all_of_them, "the latest prediction on the page")
    assert float(rows[0]["confidence"]) == pytest.approx(found[0]["confidence"])


def test_an_alert_can_be_listened_to_and_tried(monitor: Page) -> None:
    rules = monitor.locator(".rules")
    expect(rules).to_contain_text("gunshot")
    expect(rules).to_contain_text("from its own threshold, at any site; within 5 min")
    tour.record(monitor, "ridge", "20261121_061500.wav", tour.tape())
    raised = monitor.locator(".raised > li")
    expect(raised).to_have_count(1)
    expect(raised).to_contain_text("ridge")
    expect(raised).to_contain_text("21 Nov, 06:15")
    tile = monitor.locator(".glance > div", has_text="Alerts in 24 h")
    expect(tile.locator("b")).to_have_text("1")
    raised.get_by_role("button", name="Hear gunshot at ridge").click()
    drawn(monitor)
    # It plays at once.
    expect(raised.get_by_role("button", name="Pause gunshot at ridge")).to_be_visible()
    raised.get_by_role("button", name="Close gunshot at ridge").click()
    expect(raised.locator(".sound")).to_have_count(0)
    monitor.get_by_role("button", name="Send a test").click()
    expect(monitor.get_by_text("Sent.", exact=True)).to_be_visible()
    expect(monitor.get_by_text("This is a test, nothing was heard.")).to_be_visible()
    expect(raised).to_have_count(1)


def test_of_many_alerts_one_finds_those_of_a_label_and_a_site(page: Page, site: Site) -> None:
    asked: list[dict[str, list[str]]] = []

    def many(route: Route) -> None:
        wish = parse_qs(urlsplit(route.request.url).query)
        asked.append(wish)
        start = int(wish.get("cursor", ["0"])[0])
        alert = {**ALERT, "label": wish.get("label", ["gunshot"])[0], "clip": None}
        rows = [{**alert, "alert": f"{n:016x}"} for n in range(start, min(start + 100, 250))]
        more = str(start + 100) if start < 200 else None
        route.fulfill(json={"alerts": rows, "next": more})

    page.route("**/alerts?*", many)
    page.goto(f"{site.url}/#/monitor")
    raised = page.locator(".raised > li")
    expect(raised).to_have_count(100)
    page.get_by_role("button", name="Earlier ones").click()
    expect(raised).to_have_count(200)
    page.get_by_role("button", name="Earlier ones").click()
    expect(raised).to_have_count(250)
    expect(page.get_by_role("button", name="Earlier ones")).to_have_count(0)
    alerts = page.get_by_role("region", name="Alerts", exact=True)
    with page.expect_download() as download:
        alerts.get_by_role("button", name="Download as CSV").click()
    assert download.value.suggested_filename == "earshot-alerts-2026-11-21T10-15-01.csv"
    with Path(download.value.path()).open(newline="") as file:
        kept = list(csv.DictReader(file))
    assert (len(kept), kept[0]["site"], kept[0]["clip"]) == (250, "ridge", "")
    which = page.get_by_role("form", name="Which alerts")
    which.get_by_label("Label").select_option("explosion")
    expect(raised).to_have_count(100)
    expect(raised.first).to_contain_text("explosion")
    which.get_by_label("Site").fill("ridge")
    with page.expect_request(re.compile(r"/alerts\?.*site=ridge")):
        which.get_by_label("Site").press("Enter")
    assert asked[-1]["label"] == ["explosion"]
    # What is told at a glance is told of all.
    assert any("label" not in wish for wish in asked)


def test_a_line_of_one_day_is_seen(page: Page, site: Site) -> None:
    def one_day(route: Route) -> None:
        answer = route.fetch()
        found = answer.json()
        today = {**found["by_day"][0], "uncertain": 7, "refused": 3, "failed": 1}
        route.fulfill(response=answer, json={**found, "by_day": [today]})

    page.route("**/metrics", one_day)
    page.goto(f"{site.url}/#/monitor")
    canvas = chart(page, "Without a sure answer, by day (UTC)").locator("canvas")
    expect(canvas).to_be_visible()
    colours = canvas.evaluate(COLOURS)
    for name in ("--warn", "--tone-5", "--bad"):
        wanted = page.evaluate(RESOLVED, name)
        assert wanted in colours, name


def test_the_loop_says_whether_somebody_should_look(monitor: Page, faults: list[str]) -> None:
    loop = monitor.locator("section", has=monitor.get_by_role("heading", name="The loop"))
    expect(loop).to_contain_text("nothing is stuck")
    expect(loop).to_contain_text("0 new samples of 25")

    def worse(route: Any) -> None:
        status = route.fetch().json()
        status["refused_bundles"] = {"20260101-000000-bad": "its digest is another"}
        status["last_sweep"] = {
            "at": "2020-01-01T00:00:00.000Z",
            "repaired": 1,
            "done": ["Run r is published again."],
            "failed": ["Recording x cannot be read."],
        }
        route.fulfill(json=status)

    monitor.route("**/status", worse)
    monitor.reload()
    expect(loop).to_contain_text("Somebody should look: a bundle does not verify")
    expect(loop).to_contain_text("20260101-000000-bad: its digest is another")
    expect(loop).to_contain_text("Recording x cannot be read.")
    expect(loop).to_contain_text("1 thing put right")


def test_each_part_fails_and_comes_back_by_itself(monitor: Page, faults: list[str]) -> None:
    monitor.route("**/alerts?*", lambda route: route.abort())
    monitor.route("**/metrics", lambda route: route.abort())
    monitor.reload()
    expect(monitor.get_by_role("alert")).to_have_count(2)
    expect(monitor.get_by_role("heading", name="The loop")).to_be_visible()
    monitor.unroute("**/alerts?*")
    monitor.unroute("**/metrics")
    expect(monitor.get_by_role("heading", name="Over time")).to_be_visible()
    expect(monitor.get_by_role("alert")).to_have_count(0)
    assert all("ERR_FAILED" in fault for fault in faults)
    faults.clear()


@pytest.fixture
def told(page: Page, site: Site) -> Callable[..., str]:
    """A sentence of the module that tells what figures mean."""
    page.goto(site.url)

    def tell(name: str, *arguments: Any) -> str:
        call = f"(await import('/web/0/told.js')).{name}(...{json.dumps(arguments)})"
        return str(page.evaluate(f"(async () => {call})()"))

    return tell


def test_sentences_say_what_the_numbers_do(told: Callable[..., str]) -> None:
    for now, before, said in [
        (4, 3, "a third more than"),
        (3, 4, "a quarter fewer than"),
        (3, 6, "half as many as"),
        (101, 100, "about as many as"),
        (7, 7, "as many as"),
        (6, 3, "twice as many as"),
        (25, 10, "2.5 times as many as"),
        (300, 10, "30 times as many as"),
        (112, 100, "12% more than"),
    ]:
        assert told("compared", now, before) == said
    none = {"p50": None, "p95": None, "p99": None}
    assert told("ofLatency", none) == "Nothing was predicted yet."
    slow = {"p50": 3.75, "p95": 840, "p99": 1234}
    assert "less than 3.8 ms, 95 of 100 less than 840 ms, 99 of 100 less than 1.2 s" in told(
        "ofLatency", slow
    )
    assert "none is below 50%" in told("ofConfidence", {"high": 0.9, "low": 0}, 10)
    assert "it often guesses" in told("ofConfidence", {"high": 0.1, "low": 0.5}, 10)
    trend = told("ofTrend", 0.8, 0.9, "today", "before")
    assert trend == (
        "80.0% sure on average today, 10.0 points less than before. "
        "A fall that lasts means sounds that it has not learnt."
    )
    assert told("ofTrend", None, 0.9, "today", "before") == "Nothing was heard today."
    assert [told("forHowLong", s) for s in (5, 300, 4000, 200_000)] == [
        *("< 1 min", "5 min", "1 h 6 min", "2 days 7 h"),
    ]
    totals = {"requests": 0, "uncertain": 0, "refused": 0, "failed": 0}
    assert told("ofFaults", totals, {}) == "Nothing was sent yet."


def test_a_table_for_spreadsheets_holds_no_formula(page: Page, site: Site) -> None:
    page.goto(site.url)
    row = {"label": "=1+1", "request_id": 'a "b", c', "confidence": 0.5}
    text = page.evaluate(
        "async (row) => (await import('/web/0/csv.js')).csv(Object.keys(row), [row])", row
    )
    (found,) = csv.DictReader(text.splitlines())
    assert (found["label"], found["request_id"]) == ("'=1+1", 'a "b", c')


def test_drift_is_told_site_by_site(monitor: Page, site: Site) -> None:
    section = monitor.get_by_role("region", name="Drift", exact=True)
    # Every hour the sweep looks whether a day is over.
    expect(section).to_contain_text(re.compile(r"Nothing was compared yet\.|Looked at"))
    shift = Shift(live=96, reference=80, p=0.0002, more_novel=0.87, surer=0.38)
    first, last = "2026-11-14T05:00:00.000Z", "2026-11-20T21:00:00.000Z"
    # The latest there is: the site's own sweep may have kept one today.
    report = DriftReport(
        moment(time.time())[:10], moment(time.time()), "compared", "v", 7, 0.01, 20,
        (
            SiteDrift("ridge", "drifting", 96, first, last, 0.4, 0.41, 0.05,
                      last, shift, {"siren": shift}, ("siren",)),
            SiteDrift("/predict", "too_few", 3, first, last, 0.04, 0.4, 0.05),
        ),
    )  # fmt: skip
    DriftLog(emulated(site.s3.meta.endpoint_url, "dynamodb"), "earshot").keep(report)
    monitor.reload()
    row = section.locator("tbody tr", has_text="ridge")
    expect(row).to_contain_text("drifts")
    expect(row).to_contain_text("87%")
    expect(row).to_contain_text("<0.1%")
    expect(row).to_contain_text("siren")
    expect(row).to_contain_text("another mix of labels")
    few = section.locator("tbody tr", has_text="What is sent to the API")
    expect(few).to_contain_text("too few answers")
    expect(section).to_contain_text("ridge does not sound as what the model was judged by")
    expect(section).to_contain_text("1 site had fewer than 20 independent answers.")
    row.get_by_role("link", name="Review what was heard").click()
    expect(monitor).to_have_url(re.compile(r"#/review\?site=ridge$"))
