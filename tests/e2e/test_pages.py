"""What all pages have in common: they can be reached, read, listened to and used by keys alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from browsing import PATIENCE_MS, Site, drawn, grave, local_site, visit, watched
from playwright.sync_api import expect
from tour import SIZES, TOUR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Response

pytest_plugins = ["browser_fixtures"]

expect.set_options(timeout=PATIENCE_MS)

MAX_PAGE_BYTES = 500_000
MAX_STEPS = 400
# What the key Tab did not come to; of radio buttons of one name the arrows reach the others.
MISSED = """() => [...document.querySelectorAll(
    'a[href], button, input, select, textarea, summary, [tabindex="0"]'
  )]
  .filter((one) => one.checkVisibility() && !one.disabled && !one.dataset.reached)
  .filter((one) => one.type !== 'radio'
    || !document.querySelector(`[name="${one.name}"][data-reached]`))
  .map((one) => one.outerHTML.slice(0, 120))"""
STEP = """() => {
  const one = document.activeElement;
  if (one === document.body) return 'outside';
  if (one.dataset.reached) return 'round';
  one.dataset.reached = 'yes';
  for (let at = one; at; at = at.parentElement) {
    const { outlineStyle, outlineWidth } = getComputedStyle(at);
    if (outlineStyle !== 'none' && parseFloat(outlineWidth) > 0) return 'seen';
  }
  return `unseen: ${one.outerHTML.slice(0, 120)}`;
}"""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", TOUR)
def test_everybody_can_use_it(
    browser: Browser, site: Site, name: str, scheme: str, size: str
) -> None:
    faults: list[str] = []
    with visit(browser, viewport=SIZES[size], color_scheme=scheme) as context:
        page = watched(context.new_page(), faults)
        page.goto(f"{site.url}/#/{name}")
        TOUR[name](page)
        assert grave(page) == []
        # Nothing is wider than the screen, and the way to each page is on it.
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        navigation = page.get_by_role("navigation", name="Pages")
        assert navigation.evaluate("one => one.scrollWidth <= one.clientWidth")
    assert faults == []


@pytest.mark.parametrize("name", TOUR)
def test_keys_reach_everything_and_show_where_they_are(page: Page, site: Site, name: str) -> None:
    page.goto(f"{site.url}/#/{name}")
    TOUR[name](page)
    unseen = []
    for _ in range(MAX_STEPS):
        page.keyboard.press("Tab")
        found = page.evaluate(STEP)
        if found == "round":
            break
        if found not in ("seen", "outside"):
            unseen.append(found)
    assert unseen == []
    assert page.evaluate(MISSED) == []


def test_every_page_has_its_address_and_its_heading(page: Page, site: Site) -> None:
    page.goto(site.url)
    names = page.get_by_role("navigation").get_by_role("link").all_inner_texts()
    assert [name.lower() for name in names] == list(TOUR)
    for name in names:
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        expect(page).to_have_title(f"{name} · Earshot")
        expect(page.locator("a[aria-current=page]")).to_have_text(name)
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.go_back()
    page.goto(f"{site.url}/#/nowhere")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")


def test_keys_alone_lead_everywhere(page: Page, site: Site) -> None:
    page.goto(site.url)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.get_by_role("link", name="Labels").focus()
    page.keyboard.press("Enter")
    # The focus goes with the reader.
    expect(page.locator("main")).to_be_focused()
    expect(page.locator("#live")).to_have_text("Labels")


def test_light_and_dark_can_be_chosen_and_are_kept(page: Page, site: Site) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(site.url)
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_role("button", name="Go dark").click()
    dark = page.evaluate(paper)
    assert dark != light
    page.reload()
    expect(page.get_by_role("button", name="Go light")).to_be_visible()
    assert page.evaluate(paper) == dark


def test_labels_are_described_with_sound_and_threshold(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/#/labels")
    drawn(page, 4)
    cards = page.locator(".labels > li")
    expect(cards).to_have_count(4)
    shot = cards.filter(has=page.get_by_role("heading", name="gunshot"))
    expect(shot).to_contain_text("One sharp crack or several, with their echoes.")
    expect(shot).to_contain_text(re.compile(r"Accepted from \d\d\.\d%"))
    expect(shot.locator(".flag")).to_have_text("alert")
    expect(cards.filter(has_text="siren").locator(".flag")).to_have_count(0)
    shot.get_by_role("button", name="Play our gunshot").click()
    expect(shot.get_by_role("button", name="Pause our gunshot")).to_be_visible()
    # One sound at a time.
    cards.first.get_by_role("button", name="Play our casual").click()
    expect(shot.get_by_role("button", name="Play our gunshot")).to_be_visible()
    shot.get_by_role("link", name="What does the model hear in it?").click()
    expect(page.locator(".verdict").get_by_role("heading")).to_have_text("gunshot")


def test_the_manual_needs_nobody_else(page: Page, site: Site, faults: list[str]) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site.url}/docs")
    expect(page.get_by_text("/predict", exact=True).first).to_be_visible()
    assert all(url.startswith((site.url, "data:")) for url in asked)
    assert faults == []


def test_nobody_is_asked_while_the_page_is_hidden(page: Page, site: Site) -> None:
    page.clock.install()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    hidden = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
    tell = "document.dispatchEvent(new Event('visibilitychange'))"
    page.goto(site.url)
    expect(page.locator(".serving")).to_contain_text("surveillance")
    page.evaluate(hidden % "true" + tell)
    page.clock.run_for(60_000)
    asked.clear()
    page.clock.run_for(600_000)
    assert asked == []
    with page.expect_request("**/status"):
        page.evaluate(hidden % "false" + tell)


@pytest.mark.parametrize("name", TOUR)
def test_a_page_is_light(browser: Browser, site: Site, name: str) -> None:
    """All that comes before it is there, compressed; the first paint's time is only told."""
    sizes: dict[str, int] = {}

    def note(answer: Response) -> None:
        address = answer.url.removeprefix(site.url)
        if address == "/" or address.startswith("/web/"):
            sizes[address] = int(answer.headers["content-length"])

    with visit(browser, viewport=SIZES["desktop"]) as context:
        page = context.new_page()
        page.on("response", note)
        page.goto(f"{site.url}/#/{name}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.wait_for_load_state("networkidle")
        paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        print(
            f"{name}: {sum(sizes.values()) / 1000:.0f} kB in {len(sizes)} files, "
            f"first paint after {page.evaluate(paint):.0f} ms"
        )
    assert len(sizes) > 10
    assert sum(sizes.values()) < MAX_PAGE_BYTES


# --- tokens --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A local stack that asks for tokens."""
    with local_site(tmp_path_factory.mktemp("guarded") / "data", "--auth") as found:
        yield found


def test_a_token_is_asked_for_and_kept_in_its_tab_only(
    browser: Browser, guarded: Site, faults: list[str]
) -> None:
    assert guarded.token
    with visit(browser, viewport=SIZES["desktop"]) as context:
        page = watched(context.new_page(), faults)
        page.goto(guarded.url)
        dialog = page.get_by_role("dialog", name="Token")
        expect(dialog).to_contain_text("lets in who has a token")
        expect(dialog.get_by_label("Token", exact=True)).to_be_focused()
        assert grave(page) == []
        dialog.get_by_label("Token", exact=True).fill("earshot_wrong")
        dialog.get_by_label("Token", exact=True).press("Enter")
        expect(dialog).to_contain_text("not known here")
        dialog.get_by_label("Token", exact=True).fill(guarded.token)
        dialog.get_by_role("button", name="Use this token").click()
        expect(dialog).to_be_hidden()
        page.get_by_role("button", name="siren", exact=True).click()
        expect(page.locator(".verdict").get_by_role("heading")).to_have_text("siren")
        page.reload()
        expect(page.get_by_role("button", name="siren", exact=True)).to_be_visible()
        assert page.evaluate("Object.values(localStorage).join()") == ""
        assert context.cookies() == []
        other = context.new_page()
        other.goto(guarded.url)
        expect(other.get_by_role("dialog", name="Token")).to_be_visible()
    # The console tells of each refusal, and of nothing else.
    assert [fault for fault in faults if "401" not in fault] == []


def test_who_has_no_token_can_go_on_and_come_back(
    browser: Browser, guarded: Site, faults: list[str]
) -> None:
    assert guarded.token
    with visit(browser, viewport=SIZES["desktop"]) as context:
        page = watched(context.new_page(), faults)
        page.goto(guarded.url)
        dialog = page.get_by_role("dialog", name="Token")
        dialog.get_by_role("button", name="Not now").click()
        expect(dialog).to_be_hidden()
        expect(page.get_by_role("alert")).to_contain_text("token")
        page.get_by_role("alert").get_by_role("button", name="Enter a token").click()
        dialog.get_by_label("Token", exact=True).fill(guarded.token)
        dialog.get_by_role("button", name="Use this token").click()
        expect(page.get_by_role("button", name="siren", exact=True)).to_be_visible()
        page.get_by_role("button", name="Token").click()
        dialog.get_by_role("button", name="Forget it").click()
        page.get_by_role("link", name="Labels").click()
        # Who has put it away is not asked again, but may.
        expect(page.get_by_role("alert").get_by_role("button")).to_have_text("Enter a token")
        expect(dialog).to_be_hidden()
    assert [fault for fault in faults if "401" not in fault] == []


@pytest.mark.parametrize("name", TOUR)
def test_each_page_asks_for_one_token_and_goes_on_with_it(
    browser: Browser, guarded: Site, name: str
) -> None:
    assert guarded.token
    faults: list[str] = []
    with visit(browser, viewport=SIZES["desktop"]) as context:
        page = watched(context.new_page(), faults)
        page.goto(f"{guarded.url}/#/{name}")
        dialog = page.get_by_role("dialog", name="Token")
        dialog.get_by_label("Token", exact=True).fill(guarded.token)
        dialog.get_by_role("button", name="Use this token").click()
        expect(dialog).to_be_hidden()
        expect(page.locator(".waiting")).to_have_count(0)
        expect(page.locator(".trouble")).to_have_count(0)
        expect(page.locator(".serving")).to_contain_text("surveillance")
    assert [fault for fault in faults if "401" not in fault] == []
