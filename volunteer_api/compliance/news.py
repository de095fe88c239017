"""Who hears of alerts: a station's managers when one is raised, those above when nobody saw to it. Each once."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from volunteer_api.catalog.queries import NamedItem
from volunteer_api.compliance import queries
from volunteer_api.compliance.models import AlertKind, StockAlert
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.service import notify
from volunteer_api.notifications.templates import register

RAISED = {
    AlertKind.MISSING_CRITICAL: register(
        "stock_missing_critical",
        "Something critical is missing",
        "%(station)s has %(held)s of the %(minimum)s %(item)s that it must hold.",
        Group.STOCK,
    ),
    AlertKind.LOW: register(
        "stock_low",
        "Stock is low",
        "%(station)s has %(held)s of the %(minimum)s %(item)s that it must hold.",
        Group.STOCK,
    ),
    AlertKind.EXPIRED: register(
        "stock_expired",
        "Stock has expired",
        "%(item)s at %(station)s expired on %(expires_on)s: write it off.",
        Group.STOCK,
    ),
    AlertKind.NEAR_EXPIRY: register(
        "stock_near_expiry", "Stock expires soon", "%(item)s at %(station)s expires on %(expires_on)s.", Group.STOCK
    ),
    AlertKind.WILL_FAIL: register(
        "stock_will_fail",
        "Stock will not last",
        "%(station)s will have too little %(item)s on %(fails_on)s.",
        Group.STOCK,
    ),
    AlertKind.LEDGER_MISMATCH: register(
        "stock_ledger_mismatch",
        "Ledger and stock differ",
        "The ledger of %(station)s does not add up to its stock. Count what is there.",
        Group.STOCK,
    ),
}
MANY = register(
    "stock_alerts_raised", "New stock alerts", "%(station)s has %(count)s new stock alerts. Look at them.", Group.STOCK
)
# More new alerts of one station than this are told in one message.
MOST_SINGLY = 3
ESCALATED = register(
    "stock_alert_escalated",
    "A stock alert waits for you",
    "Nobody has seen to an alert at %(station)s. Look at its stock alerts.",
    Group.STOCK,
)


@dataclass(frozen=True)
class News:
    """An alert that was just raised."""

    alert_id: UUID
    station_id: UUID
    station_name: str
    kind: AlertKind
    item: NamedItem | None
    details: Mapping[str, Any]


def tell_managers(found: Sequence[News]) -> None:
    """Let the managers of the stations hear of new alerts; of many at one station in one message."""
    if not found:
        return
    managers = queries.managers_of({one.station_id for one in found})
    by_station: dict[UUID, list[News]] = defaultdict(list)
    for one in found:
        by_station[one.station_id].append(one)
    for station_id, new in by_station.items():
        for volunteer_id in managers.get(station_id, ()):
            _tell(volunteer_id, new)


def _tell(volunteer_id: UUID, new: Sequence[News]) -> None:
    first = new[0]
    if len(new) > MOST_SINGLY:
        values = _values(first.station_id, first.station_name, first.alert_id) | {"count": str(len(new))}
        notify(volunteer_id=volunteer_id, kind=MANY, values=values, dedup_key=_key(first.alert_id, volunteer_id))
        return
    for one in new:
        figures = {name: "" if value is None else str(value) for name, value in one.details.items()}
        values = _values(one.station_id, one.station_name, one.alert_id)
        notify(
            volunteer_id=volunteer_id,
            kind=RAISED[one.kind],
            values=values | figures | {"item": one.item.name if one.item else ""},
            dedup_key=_key(one.alert_id, volunteer_id),
        )


def _values(station_id: UUID, station_name: str, alert_id: UUID) -> dict[str, str]:
    return {"station": station_name, "station_id": str(station_id), "alert_id": str(alert_id)}


def _key(alert_id: UUID, volunteer_id: UUID, place: UUID | None = None) -> str:
    return f"stock_alert:{alert_id}:{place or 'raised'}:{volunteer_id}"


def tell_responsible(alerts: Sequence[StockAlert], station_names: Mapping[UUID, str]) -> None:
    """Let those hear of alerts to whose organization they went up."""
    places = {alert.escalated_to_id for alert in alerts if alert.escalated_to_id is not None}
    responsible = queries.responsible_for(places)
    for alert in alerts:
        if alert.escalated_to_id is None:
            continue
        for volunteer_id in responsible.get(alert.escalated_to_id, ()):
            notify(
                volunteer_id=volunteer_id,
                kind=ESCALATED,
                values=_values(alert.station_id, station_names[alert.station_id], alert.id),
                dedup_key=_key(alert.id, volunteer_id, alert.escalated_to_id),
            )
