"""The page Models: versions side by side, put into service and back, with reasons that are kept."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from browsing import PATIENCE_MS, Site, grave
from conftest import DEFAULT_BUNDLE, clip
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Locator, Page

pytest_plugins = ["browser_fixtures"]

expect.set_options(timeout=PATIENCE_MS)

BUCKET = "earshot-artifacts"
# Older than what a training makes meanwhile.
GOOD, DAMAGED, ODD = "20261101-000001-good", "20261101-000002-damaged", "20261101-000003-odd"


def ask(site: Site, path: str, wish: dict[str, Any] | None = None) -> Any:
    body = None if wish is None else json.dumps(wish).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(site.url + path, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def serving(site: Site) -> str:
    (version,) = [one["version"] for one in ask(site, "/models")["models"] if one["champion"]]
    return str(version)


@pytest.fixture
def versions(site: Site) -> Iterator[None]:
    """Beside what there is: one that hears a little worse, one that is cut, one that is none."""
    card = json.loads((DEFAULT_BUNDLE / "card.json").read_bytes())
    worse = json.loads(json.dumps(card))
    worse["metrics"]["confusion"][0] = [30, 1, 0, 4]
    worse["metrics"]["per_label"]["casual"]["recall"] = 0.8571
    worse["metrics"] |= {"accuracy": 0.9277, "accuracy_interval": [0.8701, 0.9765]}
    answers = (DEFAULT_BUNDLE / "evaluation.json").read_bytes()
    objects = {
        f"{GOOD}/card.json": json.dumps({**worse, "version": GOOD}).encode(),
        f"{GOOD}/model.onnx": (DEFAULT_BUNDLE / "model.onnx").read_bytes(),
        f"{GOOD}/evaluation.json": answers,
        f"{DAMAGED}/card.json": json.dumps({**card, "version": DAMAGED}).encode(),
        f"{DAMAGED}/model.onnx": b"cut",
        f"{DAMAGED}/evaluation.json": answers,
        f"{ODD}/card.json": b"{}",
    }
    for name, content in objects.items():
        site.s3.put_object(Bucket=BUCKET, Key=f"models/{name}", Body=content)
    yield
    if serving(site) == GOOD:
        ask(site, "/models/rollback", {"reason": "a test is over"})
    for name in objects:
        site.s3.delete_object(Bucket=BUCKET, Key=f"models/{name}")


@pytest.fixture
def models(page: Page, site: Site, versions: None) -> Page:
    page.goto(f"{site.url}/#/models")
    expect(page.get_by_role("heading", level=1)).to_have_text("Models")
    return page


def line(page: Page, version: str) -> Locator:
    return page.locator(".versions tbody tr", has_text=version)


def sheet(page: Page, title: str, version: str) -> Locator:
    return page.get_by_role("group", name=f"{title}: {version}")


def test_versions_are_compared_by_what_their_cards_say(models: Page, site: Site) -> None:
    default = ask(site, "/models")["models"][-1]["version"]
    models.goto(f"{site.url}/#/models?compare={default},{GOOD}")
    for version in (default, GOOD):
        card = ask(site, f"/models/{version}")
        metrics = card["metrics"]
        cells = sheet(models, "Taken for each other", version).locator(".confusion tbody td")
        expect(cells).to_have_count(len(card["labels"]) ** 2)
        shown = [text.replace("·", "0") for text in cells.all_inner_texts()]
        assert [int(text) for text in shown] == [n for row in metrics["confusion"] for n in row]
        figures = sheet(models, "Figures", version)
        expect(figures).to_contain_text(f"{100 * metrics['accuracy']:.1f}%")
        expect(figures).to_contain_text(f"{metrics['clips']} clips")
        learnt = sheet(models, "Learnt from", version)
        for label, clips in card["data"]["labels"].items():
            expect(learnt.locator("tbody tr", has_text=label)).to_contain_text(
                f"{clips['training']}{clips['held_out']}"
            )
        expect(learnt).to_contain_text(card["data"]["manifest_sha256"][:16])
        expect(
            sheet(models, "Would more recordings help?", version).locator("canvas")
        ).to_be_visible()
    # Recall of one label differs, and nothing else of it.
    casual = models.locator(".per-label tbody tr", has_text="casual")
    expect(casual).to_contain_text("91.4%")
    expect(casual).to_contain_text("85.7%")
    expect(models.locator(".compare")).to_contain_text("Their 95% intervals overlap")


def test_calibration_is_drawn_from_the_held_out_answers(models: Page, site: Site) -> None:
    models.goto(f"{site.url}/#/models?compare={GOOD}")
    said = ask(site, f"/models/{GOOD}/evaluation")
    found = sheet(models, "Does confidence keep its word?", GOOD)
    bars = found.locator("svg rect.right")
    expect(bars).to_have_count(len(said["reliability"]))
    heights = [float(bar.get_attribute("height") or 0) for bar in bars.all()]
    assert heights == pytest.approx(
        [max(1, 200 * one["accuracy"]) for one in said["reliability"]], abs=0.01
    )
    found.get_by_text("surest mistakes").click()
    expect(found.locator(".mistakes li")).to_have_count(len(said["mistakes"]))


def test_one_ticks_what_is_compared(models: Page, site: Site) -> None:
    models.get_by_role("checkbox", name=f"Compare {GOOD}").check()
    expect(sheet(models, "Figures", GOOD)).to_be_visible()
    ticked = models.locator(".versions input:checked")
    for left in reversed(range(ticked.count())):
        ticked.first.uncheck()
        expect(ticked).to_have_count(left)
    expect(models.get_by_text("Tick versions to see them side by side.")).to_be_visible()
    # The choice is in the address.
    models.go_back()
    expect(ticked).to_have_count(1)


def test_a_version_comes_into_service_and_goes_again(models: Page, site: Site) -> None:
    before = serving(site)
    models.get_by_role("button", name=f"Promote {GOOD}").click()
    dialog = models.get_by_role("dialog", name="Promote")
    expect(dialog).to_contain_text(before)
    reason = dialog.get_by_label("Reason, which the trail keeps")
    expect(reason).to_be_focused()
    # None without a reason.
    dialog.get_by_role("button", name="Promote").click()
    expect(dialog).to_be_visible()
    assert serving(site) == before
    reason.fill("hears the new sirens")
    dialog.get_by_label("Your name").fill("Ada")
    dialog.get_by_role("button", name="Promote").click()
    expect(dialog).to_be_hidden()
    expect(line(models, GOOD)).to_contain_text("in service")
    latest = models.locator(".trail tbody tr").first
    expect(latest).to_contain_text("Ada")
    expect(latest).to_contain_text("hears the new sirens")
    assert serving(site) == GOOD
    expect(models.locator(".serving")).to_contain_text(GOOD)

    models.get_by_role("button", name="Roll back").click()
    dialog = models.get_by_role("dialog", name="Roll back")
    expect(dialog).to_contain_text("Back comes")
    dialog.get_by_label("Reason, which the trail keeps").fill("deaf in the rain")
    dialog.get_by_role("button", name="Roll back").click()
    expect(dialog).to_be_hidden()
    expect(line(models, before)).to_contain_text("in service")
    expect(latest).to_contain_text("rollback")
    expect(latest).to_contain_text("deaf in the rain")
    assert serving(site) == before


def test_a_promotion_can_be_left(models: Page, site: Site) -> None:
    before = serving(site)
    models.get_by_role("button", name=f"Promote {GOOD}").click()
    models.keyboard.press("Escape")
    expect(models.get_by_role("dialog")).to_have_count(0)
    models.get_by_role("button", name=f"Promote {GOOD}").click()
    models.get_by_role("button", name="Leave it").click()
    expect(models.get_by_role("dialog")).to_have_count(0)
    assert serving(site) == before


def test_who_has_not_seen_the_latest_changes_nothing(
    models: Page, site: Site, faults: list[str]
) -> None:
    models.get_by_role("button", name=f"Promote {GOOD}").click()
    ask(site, f"/models/{GOOD}/promote", {"reason": "faster"})
    dialog = models.get_by_role("dialog", name="Promote")
    dialog.get_by_label("Reason, which the trail keeps").fill("mine")
    dialog.get_by_role("button", name="Promote").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Nothing was changed")
    assert [fault for fault in faults if "409" not in fault] == []
    faults.clear()


def test_a_version_that_cannot_serve_is_told(models: Page, site: Site, faults: list[str]) -> None:
    before = serving(site)
    expect(models.locator(".unreadable")).to_contain_text(ODD)
    models.get_by_role("button", name=f"Promote {DAMAGED}").click()
    dialog = models.get_by_role("dialog", name="Promote")
    dialog.get_by_label("Reason, which the trail keeps").fill("it looks good")
    dialog.get_by_role("button", name="Promote").click()
    expect(dialog.get_by_role("alert")).to_contain_text(
        re.compile("could not serve.*altered or cut")
    )
    assert serving(site) == before
    assert [fault for fault in faults if "422" not in fault] == []
    faults.clear()


def hear(site: Site, name: str) -> None:
    """Have a sound predicted."""
    request = urllib.request.Request(
        f"{site.url}/predict", data=clip(name), headers={"Content-Type": "audio/wav"}
    )
    urllib.request.urlopen(request, timeout=60).close()


def test_a_version_hears_along_and_stops_again(models: Page, site: Site) -> None:
    before = serving(site)
    models.get_by_role("button", name=f"Let {GOOD} hear along").click()
    dialog = models.get_by_role("dialog", name="Hear along")
    dialog.get_by_label("Reason, which the trail keeps").fill("is it as sure?")
    dialog.get_by_label("Promote it after so many comparisons").fill("5000")
    dialog.get_by_label("Your name").fill("Ada")
    dialog.get_by_role("button", name="Hear along").click()
    expect(dialog).to_be_hidden()
    section = models.locator(".shadow")
    expect(section).to_contain_text(f"{GOOD} hears 100% of what {before} hears")
    expect(section).to_contain_text("“is it as sure?”.")
    expect(section).to_contain_text("5000 to go until it is promoted")
    expect(line(models, GOOD)).to_contain_text("hears along")

    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not ask(site, "/models")["shadow"]["compared"]:
        assert time.monotonic() < deadline
        hear(site, "siren")
    expect(section.locator(".confusion .hit").first).to_be_visible()
    expect(section).to_contain_text("100%")
    assert grave(models) == []

    section.get_by_role("button", name="Stop").click()
    dialog = models.get_by_role("dialog", name="Stop")
    dialog.get_by_label("Reason, which the trail keeps").fill("it was compared enough")
    dialog.get_by_role("button", name="Stop").click()
    expect(section).to_have_count(0)
    expect(models.get_by_role("region", name="What heard along").first).to_contain_text(
        "it was compared enough"
    )
    assert serving(site) == before
