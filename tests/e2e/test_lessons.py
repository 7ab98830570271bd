"""What a training tells beside its figures, on the page Train: of its reviews, and of more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from browsing import PATIENCE_MS, Site
from playwright.sync_api import expect

from predict.schemas import retrain as schemas
from predict.schemas.lessons import PROJECTION, REVIEWS

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest_plugins = ["browser_fixtures"]

expect.set_options(timeout=PATIENCE_MS)

OWL: dict[str, Any] = {
    "recordings": 7,
    "f1": 0.6,
    "curve": [{"recordings": n, "f1": 0.6} for n in (1, 2, 3, 5.6)],
    "more": [],
    "sentence": "What more owl recordings would bring cannot be told: there are only 7.",
}


def told(page: Page, site: Site) -> None:
    """A run as the manual has it, with one more label."""
    projection = {**PROJECTION, "labels": {"owl": OWL, **PROJECTION["labels"]}}
    metrics = {"reviews": REVIEWS, "projection": projection}
    example: Any = schemas.Run.model_config["json_schema_extra"]
    run = {**example["example"], "curve": [], "metrics": metrics}
    page.route("**/retrain", lambda route: route.fulfill(json={"runs": [schemas.RUN]}))
    page.route("**/retrain/*", lambda route: route.fulfill(json=run))
    page.goto(f"{site.url}/#/train")


def test_what_reviews_changed_is_told_label_by_label(page: Page, site: Site) -> None:
    told(page, site)
    reviews = page.locator("section[aria-labelledby=reviews]")
    expect(reviews).to_contain_text(REVIEWS["sentence"])
    gunshot, all_labels = reviews.locator("tbody tr").all()
    expect(gunshot).to_contain_text("gunshot3490.9%95.2%+4.3 (0.0 to +12.1)")
    expect(all_labels).to_contain_text("all labels, macro-F1")


def test_more_recordings_are_drawn_with_their_band_where_they_can_be_told(
    page: Page, site: Site
) -> None:
    told(page, site)
    outlook = page.locator("section[aria-labelledby=outlook]")
    expect(outlook).to_contain_text(PROJECTION["sentence"])
    # The first one to collect is drawn, whatever the order of the labels.
    expect(outlook.get_by_role("radio", name="siren")).to_be_checked()
    chart = outlook.locator(".chart")
    expect(chart.locator("canvas")).to_be_visible()
    expect(chart.locator("figcaption")).to_have_text(PROJECTION["labels"]["siren"]["sentence"])
    chart.get_by_text("The numbers").click()
    expected = chart.locator("tbody tr", has=page.get_by_role("rowheader", name="82", exact=True))
    expect(expected).to_contain_text("90%94%91%")
    # The keys work: an arrow chooses the next label.
    outlook.get_by_role("radio", name="siren").press("ArrowRight")
    expect(outlook.get_by_role("radio", name="owl")).to_be_checked()
    expect(chart.locator("figcaption")).to_have_text(OWL["sentence"])
    expect(chart.locator("thead th")).to_have_count(2)
