"""The page Review: judged by keys, taken back, and counted for the next training."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from browsing import PATIENCE_MS, Site, drawn
from conftest import encode, pcm
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytest_plugins = ["browser_fixtures"]

expect.set_options(timeout=PATIENCE_MS)


def ask(site: Site, path: str, body: dict[str, Any] | None = None) -> Any:
    request = urllib.request.Request(site.url + path)
    if body:
        request = urllib.request.Request(
            site.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def counted(site: Site, number: int) -> dict[str, int]:
    """The samples of each label once they are so many."""
    until = time.monotonic() + PATIENCE_MS / 1000
    while True:
        standing = ask(site, "/samples")
        if standing["total"] == number:
            return {label: n for label, n in standing["labels"].items() if n}
        assert time.monotonic() < until, standing
        time.sleep(0.2)


@pytest.fixture(scope="module")
def asked(site: Site) -> list[str]:
    """What is asked, the least certain first: each of these sounds is doubtful."""
    for name, seeds in {"20261121_060000": (1, 2, 4), "20261121_070000": (9, 177, 259)}.items():
        site.s3.put_object(
            Bucket="earshot-recordings",
            Key=f"recordings/ridge/{name}.WAV",
            Body=encode(np.concatenate([pcm("casual", seed) for seed in seeds])),
        )
    until = time.monotonic() + PATIENCE_MS / 1000
    while len(found := ask(site, "/review")["reviews"]) < 6:
        assert time.monotonic() < until
        time.sleep(0.2)
    return [one["review"] for one in found]


@pytest.fixture
def review(page: Page, site: Site, asked: list[str]) -> Page:
    assert asked
    page.goto(f"{site.url}/#/review")
    drawn(page)
    return page


def first(site: Site) -> Any:
    return ask(site, "/review")["reviews"][0]


def judged(page: Page, site: Site, review: str) -> None:
    """Wait until a verdict has come to the API, and another one is shown."""
    drawn(page)
    until = time.monotonic() + PATIENCE_MS / 1000
    while review in [one["review"] for one in ask(site, "/review")["reviews"]]:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_key_says_what_it_is_and_the_next_plays_at_once(review: Page, site: Site) -> None:
    before = first(site)
    expect(review.locator(".choice kbd")).to_have_text(["1", "2", "3", "4"])
    expect(review.locator(".guess h2")).to_contain_text(before["doubt"]["label"])
    expect(review.locator(".choice.guessed")).to_contain_text(before["doubt"]["label"])
    waits = len(ask(site, "/review")["reviews"])
    expect(review.locator(".after")).to_contain_text(f"{waits} stretches wait")
    review.keyboard.press("1")
    expect(review.locator("#live")).to_have_text("casual.")
    # Nobody touched it: it plays by itself.
    expect(review.get_by_role("button", name="Pause")).to_be_visible()
    judged(review, site, before["review"])
    expect(review.locator(".after")).to_contain_text(f"{waits - 1} stretches wait")
    assert counted(site, 1) == {"casual": 1}
    expect(review.locator(".standing")).to_contain_text("Your 1 review is 24 short of the next")
    expect(review.locator(".standing")).to_contain_text("1 of 25 new samples")


@pytest.mark.parametrize("by", ["u", "Control+z", "button"])
def test_what_was_said_is_taken_back(review: Page, site: Site, by: str) -> None:
    before = first(site)
    kept = counted(site, ask(site, "/samples")["total"])
    told = review.locator(".standing p").first
    stands = told.inner_text()
    review.keyboard.press("4")
    judged(review, site, before["review"])
    counted(site, sum(kept.values()) + 1)
    if by == "button":
        review.get_by_role("button", name="Take the last one back").click()
    else:
        review.keyboard.press(by)
    expect(review.locator("#live")).to_have_text("Taken back.")
    expect(review.locator(".stage-card")).to_contain_text("took \u201csiren\u201d back")
    assert counted(site, sum(kept.values())) == kept
    assert first(site)["review"] == before["review"]
    assert first(site)["history"][-1]["reviewed_label"] == "siren"
    expect(told).to_have_text(stands, use_inner_text=True)


def test_a_rejection_teaches_nothing(review: Page, site: Site) -> None:
    before = first(site)
    total = ask(site, "/samples")["total"]
    review.keyboard.press("r")
    judged(review, site, before["review"])
    assert ask(site, "/review")["reviewed"]["reject"] == 1
    assert ask(site, "/samples")["total"] == total
    expect(review.locator(".standing")).to_contain_text("1 rejected")
    review.keyboard.press("u")
    expect(review.locator(".stage-card")).to_contain_text("took a rejection back")


def test_space_plays_unless_a_control_wants_it(review: Page) -> None:
    at_once = review.get_by_label("Play each at once")
    at_once.focus()
    review.keyboard.press("Space")
    expect(at_once).not_to_be_checked()
    review.reload()
    drawn(review)
    expect(at_once).not_to_be_checked()
    expect(review.get_by_role("button", name="Play 2026")).to_be_visible()
    review.locator("main").focus()
    review.keyboard.press("Space")
    expect(review.get_by_role("button", name="Pause")).to_be_visible()
    review.keyboard.press("Space")
    expect(review.get_by_role("button", name="Play 2026")).to_be_visible()


def test_the_next_ones_are_fetched_before_they_are_wanted(review: Page, site: Site) -> None:
    upcoming = [one["review"] for one in ask(site, "/review")["reviews"][:3]]
    fetched: list[str] = []
    review.on("request", lambda request: fetched.append(request.url))
    review.keyboard.press("2")
    judged(review, site, upcoming[0])
    assert f"{site.url}/review/{upcoming[1]}/clip" not in fetched
    review.keyboard.press("u")
    expect(review.locator(".stage-card")).to_contain_text("took \u201cexplosion\u201d back")
    assert f"{site.url}/review/{upcoming[0]}/clip" not in fetched


def test_who_was_faster_is_told_of(review: Page, site: Site, faults: list[str]) -> None:
    before = first(site)
    ask(site, f"/review/{before['review']}", {"verdict": "reject", "by": "Bob"})
    review.keyboard.press("1")
    expect(review.get_by_role("alert")).to_contain_text("was reviewed by Bob")
    judged(review, site, before["review"])
    assert [fault for fault in faults if "409" not in fault] == []
    faults.clear()


def test_of_many_labels_the_likeliest_have_keys_and_new_ones_can_be_named(
    page: Page, site: Site, asked: list[str]
) -> None:
    assert asked
    samples = ask(site, "/samples")
    many = [*(f"bird {number:02}" for number in range(12)), *samples["known_labels"]]
    told = {**samples, "known_labels": many, "open_labels": True}
    page.route("**/samples", lambda route: route.fulfill(json=told))
    said: list[Any] = []

    def take(route: Route) -> None:
        said.append(route.request.post_data_json)
        route.fulfill(json=first(site))

    page.route("**/review/*", take)
    page.goto(f"{site.url}/#/review")
    drawn(page)
    guess = first(site)["doubt"]["label"]
    choices = page.locator(".choice")
    expect(choices).to_have_count(9)
    expect(choices.first).to_contain_text(guess)
    page.get_by_label("Another label").fill("wood owl")
    page.get_by_label("Another label").press("1")
    expect(page.get_by_label("Another label")).to_have_value("wood owl1")
    page.get_by_label("Another label").fill("wood owl")
    page.get_by_role("button", name="It is this").click()
    expect(page.locator("#live")).to_have_text("wood owl.")
    assert said == [{"verdict": "correct", "label": "wood owl"}]


def test_what_cannot_be_heard_any_more_can_only_be_rejected(
    page: Page, site: Site, asked: list[str], faults: list[str]
) -> None:
    assert asked
    gone = {"code": "clip_not_found", "detail": "There is no clip any more."}
    page.route("**/review/*/clip", lambda route: route.fulfill(status=404, json=gone))
    page.goto(f"{site.url}/#/review")
    expect(page.get_by_role("alert")).to_contain_text("There is no clip any more.")
    expect(page.locator(".choice").first).to_be_disabled()
    expect(page.get_by_role("button", name="Reject")).to_be_enabled()
    page.keyboard.press("1")
    assert len(ask(site, "/review")["reviews"]) > 0
    expect(page.locator("#live")).to_have_text("")
    # What the page still asks for would be missed as well.
    page.goto("about:blank")
    assert [fault for fault in faults if "404" not in fault] == []
    faults.clear()


@pytest.mark.parametrize(
    ("doubt", "said"),
    [
        ({"reason": "uncertain", "margin": 0.02, "novelty": 0.4}, "is nearly as likely"),
        ({"reason": "uncertain", "margin": 0.4, "novelty": 0.9}, "not sure enough"),
        ({"reason": "novel", "margin": 0.9, "novelty": 1.4}, "never heard the like"),
        ({"reason": "disagreement", "margin": 0.9, "novelty": 0.4}, "Two models hear different"),
        ({"reason": "drift", "margin": 0.9, "novelty": 0}, "ridge does not sound as what"),
    ],
)
def test_why_it_is_asked_is_said_in_words(
    page: Page, site: Site, asked: list[str], doubt: dict[str, Any], said: str
) -> None:
    assert asked
    told = ask(site, "/review")
    told["reviews"][0]["doubt"] |= doubt
    page.route("**/review?*", lambda route: route.fulfill(json=told))
    page.goto(f"{site.url}/#/review")
    drawn(page)
    guess = page.locator(".guess")
    expect(guess).to_contain_text(said)
    sounds = {0: None, 0.4: "sounds like what", 0.9: "at the edge of", 1.4: "like nothing"}
    known = sounds[doubt["novelty"]]
    if known:
        expect(guess).to_contain_text(known)
    else:
        expect(guess).not_to_contain_text("learnt from")


def test_a_list_is_worked_through_in_its_order(page: Page, site: Site, asked: list[str]) -> None:
    assert asked
    first, second, third, *_ = (told := ask(site, "/review"))["reviews"]
    first["doubt"]["label"], second["doubt"]["label"], third["doubt"]["label"] = "abc"
    lists = [{**told, "reviews": [first, second, third]}]
    page.route("**/review?*", lambda route: route.fulfill(json=lists[-1]))

    def take(route: Route) -> None:
        # Asked again, the best of the noisy site would come before the next in turn.
        lists.append({**told, "reviews": [third, second]})
        route.fulfill(json=first)

    page.route("**/review/*", take)
    page.goto(f"{site.url}/#/review")
    drawn(page)
    expect(page.locator(".guess h2")).to_contain_text("guess: a")
    with page.expect_response("**/review?*"):
        page.keyboard.press("r")
    expect(page.locator(".after")).to_contain_text("2 stretches wait")
    expect(page.locator(".guess h2")).to_contain_text("guess: b")


def test_one_can_look_at_what_waits_of_one_site(page: Page, site: Site, asked: list[str]) -> None:
    page.goto(f"{site.url}/#/review?site=valley")
    expect(page.locator("main")).to_contain_text("Only what comes from valley")
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    page.get_by_role("link", name="All that waits").click()
    expect(page.locator(".stage-card")).to_be_visible()
    assert asked


def test_one_can_look_at_what_was_guessed_to_be_a_label(
    page: Page, site: Site, asked: list[str]
) -> None:
    page.goto(f"{site.url}/#/review?site=ridge")
    expect(page.locator(".stage-card")).to_be_visible()
    shown = page.locator(".guess h2 .label").inner_text()
    guessed = {one["doubt"]["label"] for one in ask(site, "/review?site=ridge")["reviews"]}
    label = max(guessed - {shown})
    page.get_by_label("Guessed to be").select_option(label)
    expect(page.locator("main")).to_contain_text(f"was guessed to be {label} and comes from ridge")
    expect(page.locator(".guess h2")).to_contain_text(f"guess: {label}")
    assert re.search(f"site=ridge&label={label}$", page.url)
    page.get_by_label("Guessed to be").select_option("anything")
    expect(page.locator("main")).to_contain_text("Only what comes from ridge")


def test_when_all_is_said_nothing_waits_and_the_last_can_come_back(
    review: Page, site: Site
) -> None:
    for number in range(len(ask(site, "/review")["reviews"]), 0, -1):
        expect(review.locator(".after")).to_contain_text(f"{number} stretch")
        review.get_by_role("button", name="Reject").click()
    expect(review.get_by_text("Nothing waits for you")).to_be_visible()
    review.get_by_role("button", name="Take the last one back").click()
    drawn(review)
    expect(review.locator(".after")).to_contain_text("1 stretch waits")
