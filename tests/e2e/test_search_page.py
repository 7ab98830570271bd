"""The page Search: more like a sound is found, listened to and labelled."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from browsing import PATIENCE_MS, Site
from conftest import clip, tape
from onemachine import until
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest_plugins = ["browser_fixtures"]

expect.set_options(timeout=PATIENCE_MS)

NAME = "20261121_060000.WAV"


def ask(site: Site, path: str) -> Any:
    with urllib.request.urlopen(site.url + path, timeout=60) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def heard(site: Site) -> str:
    """A recording with a siren, a shot and two doubts, and a sample of a siren."""
    site.s3.put_object(Bucket="earshot-recordings", Key=f"recordings/cliff/{NAME}", Body=tape())
    site.s3.put_object(
        Bucket="earshot-recordings", Key="samples/siren/s.wav", Body=clip("siren", 5)
    )

    def look() -> Any:
        found = ask(site, "/recordings?site=cliff")["recordings"]
        there = ask(site, "/samples")["labels"].get("siren")
        return there and found and found[0]["state"] == "analysed" and found[0]["recording"]

    return str(until(look, "the analysis"))


def test_a_dropped_sound_finds_its_like_which_becomes_a_sample(
    page: Page, site: Site, heard: str
) -> None:
    page.goto(f"{site.url}/#/search")
    page.locator("input[type=file]").set_input_files(
        {"name": "mine.wav", "mimeType": "audio/wav", "buffer": clip("siren", 7)}
    )
    expect(page.get_by_role("heading", name="Like mine.wav")).to_be_visible()
    rows = page.get_by_role("list", name="Matches").get_by_role("listitem")
    expect(rows.first).to_contain_text("siren")
    page.get_by_label("Among").select_option("recordings")
    expect(page.get_by_text("samples/siren/s.wav")).to_have_count(0)
    row = rows.filter(has_text="20\u201324 s")
    row.get_by_role("button", name="Listen to gunshot").click()
    row.get_by_role("group", name="What is it?").get_by_role("button", name="gunshot").click()
    expect(row.get_by_role("status")).to_contain_text("taught as gunshot")
    # It stays told when the row is closed, and when another is opened.
    row.get_by_role("button", name="Listen to gunshot").click()
    expect(row.locator(".badge")).to_have_text("taught as gunshot")
    # And where another search finds it again.
    rows.first.get_by_role("link", name="More like this").click()
    expect(page.get_by_role("heading", name="Like this stretch")).to_be_visible()
    expect(row.locator(".badge")).to_have_text("taught as gunshot")

    def taught() -> Any:
        return ask(site, "/samples")["labels"].get("gunshot")

    assert until(taught, "the sample") == 1


def test_more_like_a_detection_and_like_what_is_found(page: Page, site: Site, heard: str) -> None:
    page.goto(f"{site.url}/#/recordings/{heard}")
    page.get_by_role("button", name="Listen to siren").click()
    page.get_by_role("link", name="Find more like this").click()
    expect(page.get_by_role("heading", name="Like this stretch, from 8 s on")).to_be_visible()
    rows = page.get_by_role("list", name="Matches").get_by_role("listitem")
    expect(rows.first).to_contain_text("siren")
    expect(rows.filter(has_text="8\u201312 s")).to_have_count(0)
    sample = rows.filter(has_text="samples/siren/s.wav")
    # It has its label: it is listened to, and not asked about.
    sample.get_by_role("button", name="Listen to siren, 0\u20134 s of s.wav").click()
    expect(sample.get_by_role("button", name="Pause")).to_be_visible()
    expect(sample.get_by_text("The first")).to_have_count(0)
    expect(sample.get_by_role("group", name="What is it?")).to_have_count(0)
    sample.get_by_role("link", name="More like this").click()
    expect(page.get_by_role("heading", name="Like this sample")).to_be_visible()
    expect(rows.filter(has_text="8\u201312 s")).to_have_count(1)


def test_of_a_long_sample_it_is_told_how_much_is_heard(page: Page, site: Site, heard: str) -> None:
    def long(route: Any) -> None:
        answer = route.fetch()
        found = answer.json()
        for match in found["matches"]:
            match["end_s"] += 500
        route.fulfill(response=answer, json=found)

    page.route("**/search?*", long)
    page.goto(f"{site.url}/#/search?recording={heard}&start_s=8")
    row = page.get_by_role("listitem").filter(has_text="samples/siren/s.wav")
    row.get_by_role("button", name="Listen to siren").click()
    expect(row.get_by_text("The first 4 s of 8:24.")).to_be_visible()


def test_what_is_asked_about_in_review_is_answered_here_and_taken_back(
    page: Page, site: Site, heard: str
) -> None:
    page.goto(f"{site.url}/#/review")
    page.get_by_role("link", name="Find more like this").click()
    expect(page.get_by_role("heading", name="Like this stretch")).to_be_visible()
    before = ask(site, "/review")
    asked = next(one for one in before["reviews"] if one["recording"] == heard)
    page.goto(f"{site.url}/#/search?recording={heard}&start_s=8")
    at = f"{asked['doubt']['start_s']:g}\u2013{asked['doubt']['end_s']:g} s"
    row = page.get_by_role("list", name="Matches").get_by_role("listitem").filter(has_text=at)
    row.get_by_role("button", name="Listen to").click()
    row.get_by_role("group", name="What is it?").get_by_role("button", name="explosion").click()
    expect(row.get_by_role("status")).to_contain_text("taught as explosion")
    after = ask(site, "/review")
    assert sum(after["reviewed"].values()) == sum(before["reviewed"].values()) + 1
    assert asked["review"] not in [one["review"] for one in after["reviews"]]
    row.get_by_role("button", name="Take it back").click()
    question = row.get_by_role("group", name="What is it?")
    question.get_by_role("button", name="gunshot").click()
    expect(row.get_by_role("status")).to_contain_text("taught as gunshot")
    row.get_by_role("button", name="Take it back").click()
    expect(question).to_be_visible()
    expect(row.locator(".badge")).to_have_count(0)
    assert ask(site, "/review")["reviewed"] == before["reviewed"]
    assert asked["review"] in [one["review"] for one in ask(site, "/review")["reviews"]]


def test_where_labels_are_open_what_is_found_can_have_a_new_one(
    page: Page, site: Site, heard: str, faults: list[str]
) -> None:
    def opened(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "open_labels": True})

    page.route("**/samples", opened)
    page.goto(f"{site.url}/#/search?recording={heard}&start_s=8")
    row = (
        page.get_by_role("list", name="Matches")
        .get_by_role("listitem")
        .filter(has_text="20\u201324 s")
    )
    row.get_by_role("button", name="Listen to").click()
    row.get_by_label("Another label").fill("barn owl")
    row.get_by_role("button", name="It is this").click()
    # This application's are not: the API has the last word, and it is told here.
    expect(row.get_by_role("alert")).to_contain_text("'barn owl' is not a label of surveillance")
    expect(row.locator(".badge")).to_have_count(0)
    assert [fault for fault in faults if "422" not in fault] == []
    faults.clear()


def test_much_that_is_found_is_shown_by_and_by(page: Page, site: Site, heard: str) -> None:
    def many(route: Any) -> None:
        answer = route.fetch()
        first, found = answer.json()["matches"][0], answer.json()
        matches = [{**first, "start_s": n, "end_s": n + 4} for n in range(50)]
        route.fulfill(response=answer, json={**found, "matches": matches})

    page.route("**/search?*", many)
    page.goto(f"{site.url}/#/search?recording={heard}&start_s=8")
    rows = page.get_by_role("list", name="Matches").get_by_role("listitem")
    expect(rows).to_have_count(20)
    page.get_by_role("button", name="Show 20 more of 30").click()
    page.get_by_role("button", name="Show 10 more of 10").click()
    expect(rows).to_have_count(50)


def test_an_empty_page_says_what_is_searched(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/#/search")
    expect(page.locator(".empty")).to_contain_text("Searched are the stretches of all recordings")


def test_what_cannot_be_searched_by_is_told(
    page: Page, site: Site, heard: str, faults: list[str]
) -> None:
    told = {"code": "nothing_to_search_by", "detail": "Nothing at 99 s was kept. Send its sound."}
    page.route("**/search?*", lambda route: route.fulfill(status=404, json=told))
    page.goto(f"{site.url}/#/search?recording={heard}&start_s=99")
    expect(page.get_by_role("alert")).to_contain_text("Send its sound")
    # The browser says that a call was refused.
    faults.clear()
