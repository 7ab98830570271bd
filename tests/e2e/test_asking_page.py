"""People are asked what a sound is that the API was sent: from Listen into Review, and back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from browsing import PATIENCE_MS, Site, drawn, give, grave, visit, watched
from conftest import clip, encode
from playwright.sync_api import expect
from tour import SIZES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest_plugins = ["browser_fixtures"]

expect.set_options(timeout=PATIENCE_MS)


def odd(*pitches_hz: int) -> bytes:
    """Tones of 4 s each, which are like nothing that was learnt."""
    times = np.arange(64_000) / 16_000
    return encode(
        np.concatenate([0.5 * np.sin(2 * np.pi * pitch * times) for pitch in pitches_hz]), 16_000
    )


def hear(page: Page, site: Site, name: str, content: bytes) -> None:
    page.goto(site.url)
    give(page, name, content)
    expect(page.locator(".verdict")).to_be_visible()


def test_what_is_uncertain_is_put_to_people_who_say_what_it_is(page: Page, site: Site) -> None:
    hear(page, site, "odd.wav", odd(1_000))
    verdict = page.locator(".verdict")
    verdict.get_by_role("button", name="Ask people", exact=True).click()
    expect(verdict).to_contain_text("It waits in review, where people can hear it.")
    expect(page.locator("#live")).to_have_text(re.compile("^It waits in review"))
    expect(verdict.get_by_role("button", name="Ask people")).to_have_count(0)
    # To look at why it was heard so changes nothing about that.
    verdict.get_by_role("button", name="Show why").click()
    expect(verdict.locator(".why")).to_be_visible()
    verdict.get_by_role("link", name="Review what is sent to the API").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Review")
    expect(page.locator("main")).to_contain_text("Only what was sent to the API.")
    drawn(page)
    # There is no recording to look at, nor to search by.
    expect(page.locator(".guess")).to_contain_text(
        "From a sound that was sent to the API, 0\u20134 s;"
    )
    expect(page.locator(".guess").get_by_role("link")).to_have_count(0)
    expect(page.locator(".after")).to_contain_text("1 stretch waits")
    page.locator(".choice", has_text="siren").click()
    expect(page.get_by_text("Nothing waits for you of this kind")).to_be_visible()
    # What people said of a sound is what who asks about it again is told.
    page.get_by_role("link", name="Listen", exact=True).first.click()
    give(page, "the same again.wav", odd(1_000))
    expect(page.locator(".sound .name")).to_have_text("the same again.wav")
    verdict.get_by_role("button", name="Ask people", exact=True).click()
    expect(verdict).to_contain_text("0\u20134 s: api said siren.")
    expect(verdict).not_to_contain_text("waits")
    page.goto(f"{site.url}/#/review?site=%2Fpredict")
    expect(page.get_by_text("Nothing waits for you of this kind")).to_be_visible()


def test_who_doubts_an_accepted_answer_can_ask_as_well(page: Page, site: Site) -> None:
    hear(page, site, "siren.wav", clip("siren"))
    verdict = page.locator(".verdict")
    expect(verdict.locator(".badge")).to_have_text("accepted")
    verdict.get_by_role("button", name="Not right? Ask people").click()
    expect(verdict).to_contain_text("It waits in review")
    # It is another sound's turn, about which nobody was asked yet.
    give(page, "other.wav", clip("siren", 3))
    expect(page.locator(".sound .name")).to_have_text("other.wav")
    expect(verdict.get_by_role("button", name="Not right? Ask people")).to_be_visible()
    expect(verdict).not_to_contain_text("review")


def test_nobody_is_asked_about_our_own_sketches(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.get_by_role("button", name="siren", exact=True).click()
    expect(page.locator(".verdict")).to_be_visible()
    expect(page.get_by_role("button", name="Ask people")).to_have_count(0)


def test_several_stretches_are_told_of(page: Page, site: Site) -> None:
    hear(page, site, "long.wav", odd(700, 900))
    page.get_by_role("button", name="Ask people").click()
    expect(page.locator(".verdict")).to_contain_text(
        "2 stretches of it wait in review, where people can hear them."
    )


def test_who_could_not_ask_is_told_and_can_try_again(
    page: Page, site: Site, faults: list[str]
) -> None:
    hear(page, site, "odd.wav", odd(1_300))
    page.route("**/review", lambda route: route.abort())
    page.get_by_role("button", name="Ask people").click()
    expect(page.get_by_role("alert")).to_contain_text("Earshot does not answer")
    # The answer stands all the same.
    expect(page.locator(".verdict").get_by_role("heading")).to_be_visible()
    page.unroute("**/review")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".verdict")).to_contain_text("It waits in review")
    expect(page.get_by_role("alert")).to_have_count(0)
    assert all("ERR_FAILED" in fault for fault in faults)
    faults.clear()


def test_a_token_that_may_only_listen_does_not_suffice(
    page: Page, site: Site, faults: list[str]
) -> None:
    hear(page, site, "odd.wav", odd(1_500))
    refusal = {"code": "scope_missing", "detail": "This token may only predict."}
    page.route("**/review", lambda route: route.fulfill(status=403, json=refusal))
    page.get_by_role("button", name="Ask people").click()
    dialog = page.get_by_role("dialog", name="Token")
    expect(dialog).to_contain_text("Enter one that may do this.")
    dialog.get_by_role("button", name="Not now").click()
    expect(page.get_by_role("alert")).to_contain_text("This token may only predict.")
    page.unroute("**/review")
    page.get_by_role("alert").get_by_role("button", name="Enter a token").click()
    dialog.get_by_label("Token", exact=True).fill("earshot_of_who_may")
    dialog.get_by_role("button", name="Use this token").click()
    expect(page.locator(".verdict")).to_contain_text("It waits in review")
    assert [fault for fault in faults if "403" not in fault] == []
    faults.clear()


def test_drift_of_what_is_sent_is_said_in_words(page: Page, site: Site) -> None:
    hear(page, site, "odd.wav", odd(1_900))
    page.get_by_role("button", name="Ask people").click()
    expect(page.locator(".verdict")).to_contain_text("It waits in review")
    told = page.request.get(f"{site.url}/review?site=%2Fpredict").json()
    told["reviews"][0]["doubt"]["reason"] = "drift"
    page.route("**/review?*", lambda route: route.fulfill(json=told))
    page.goto(f"{site.url}/#/review")
    expect(page.locator(".guess")).to_contain_text(
        "What is sent to the API does not sound as what the model was judged by."
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_ask(browser: Browser, site: Site, scheme: str, size: str) -> None:
    faults: list[str] = []
    with visit(browser, viewport=SIZES[size], color_scheme=scheme) as context:
        page = watched(context.new_page(), faults)
        hear(page, site, "odd.wav", odd(1_700))
        drawn(page)
        assert grave(page) == []
        page.get_by_role("button", name="Ask people").click()
        page.get_by_role("link", name="Review what is sent to the API").focus()
        assert grave(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.keyboard.press("Enter")
        expect(page.locator(".stage-card")).to_be_visible()
        drawn(page)
        assert grave(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert faults == []
