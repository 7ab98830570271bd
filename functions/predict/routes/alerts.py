"""Alerts: those that were raised, the rules they are raised by, and a way to try them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from predict.lists import Cursor, Limit, Moment, OfLabel, OfSite, in_reach
from predict.requests import UseCases
from predict.schemas import alerts as schemas

router = APIRouter(tags=["alerts"])


@router.get("/alerts")
def alerts(
    services: UseCases,
    since: Annotated[
        Moment | None, Query(description="Only those raised then or later; ISO 8601.")
    ] = None,
    label: OfLabel = None,
    site: OfSite = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> schemas.Alerts:
    """Alerts, the latest raised first: one for each incident, however long it lasted."""
    earliest = in_reach(since.timestamp()) if since else ""
    found, rest = services.alerts.latest(label, site, earliest, limit, cursor or "")
    return schemas.Alerts(
        alerts=[schemas.Alert.model_validate(alert, from_attributes=True) for alert in found],
        next=rest,
    )


@router.get("/alerts/rules")
def rules(services: UseCases) -> schemas.Rules:
    """What alerts are raised by, as the application's file has it."""
    return schemas.Rules(
        rules=[
            schemas.Rule.model_validate(rule, from_attributes=True)
            for rule in services.application.rules
        ]
    )


@router.post("/alerts/test", status_code=202)
def test(services: UseCases) -> schemas.DetectionAlert:
    """Send an alert that says it is a test, by mail and webhook as any other; it is not listed."""
    return schemas.DetectionAlert.model_validate(services.alerts.test(), from_attributes=True)
