"""The life of an alert: raised once for a cause, acknowledged by somebody or sent up, closed by the ledger itself.

Nobody closes an alert by hand: it closes when a later look at the shelf does not find its cause. A cause that comes
back is another alert.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, update

from volunteer_api.catalog.queries import NamedItem
from volunteer_api.compliance import news, queries
from volunteer_api.compliance.assessment import Assessment, HeldLot
from volunteer_api.compliance.models import AlertKind, StockAlert
from volunteer_api.compliance.problems import AlertAcknowledged, AlertClosed
from volunteer_api.core import clock, ids, statements
from volunteer_api.core.database import db
from volunteer_api.core.settings import rules
from volunteer_api.organizations.models import Organization
from volunteer_api.stations.models import Station

# What a look at the shelf finds, and therefore closes; others are closed by whoever raises them.
OWN_KINDS = tuple(kind for kind in AlertKind if kind != AlertKind.LEDGER_MISMATCH)
BATCH = 500


@dataclass(frozen=True)
class Cause:
    """Something wrong at a station; `key` tells it apart from others of its kind."""

    kind: AlertKind
    key: str
    item: NamedItem | None
    details: Mapping[str, Any]


def causes_of(assessment: Assessment) -> list[Cause]:
    """Everything wrong at a station that somebody should hear of."""
    found = []
    warned_until = clock.today() + timedelta(days=rules().fail_warning_days)
    for one in (*assessment.items, *assessment.announced):
        if one.missing:
            kind = AlertKind.MISSING_CRITICAL if one.critical else AlertKind.LOW
            found.append(Cause(kind, one.item.id.hex, one.item, {"held": one.held, "minimum": one.minimum}))
        elif one.fails_on is not None and one.fails_on <= warned_until:
            details = {
                "held": one.held,
                "minimum": one.minimum,
                "fails_on": one.fails_on.isoformat(),
                "because": str(one.fails_because),
            }
            found.append(Cause(AlertKind.WILL_FAIL, one.item.id.hex, one.item, details))
    for kind, lots in ((AlertKind.NEAR_EXPIRY, assessment.near_expiry), (AlertKind.EXPIRED, assessment.expired)):
        found += [_cause_of_lot(kind, item, lot) for item, lot in lots]
    return found


def reconcile(stations: Sequence[Row[*tuple[Any, ...]]], found: Mapping[UUID, Assessment]) -> None:
    """Raise what is new at these stations, keep the figures of what goes on, close what is over.

    The caller holds the stations' assessments, so that nobody else does the same. Managers hear of what is new.
    """
    present = {
        (alert.station_id, alert.kind, alert.cause): alert
        for alert in db.session.scalars(
            select(StockAlert)
            .where(
                StockAlert.station_id.in_(found),
                StockAlert.closed_at.is_(None),
                StockAlert.kind.in_(OWN_KINDS),
            )
            .order_by(StockAlert.id)
            .with_for_update()
        )
    }
    names = {row.id: row.name for row in stations}
    raised = []
    for station_id, assessment in found.items():
        for cause in causes_of(assessment):
            alert = present.pop((station_id, cause.kind, cause.key), None)
            if alert is None:
                raised.append((station_id, cause))
            elif alert.details != cause.details:
                alert.details = dict(cause.details)
    now = clock.now()
    for alert in present.values():
        alert.closed_at = now
    db.session.flush()
    _raise(raised, names)


def raise_alert(station_id: UUID, kind: AlertKind, *, details: Mapping[str, Any], key: str = "") -> None:
    """Raise an alert of a kind that no look at the shelf finds, or keep its figures where it is raised already."""
    changed = db.session.scalar(
        update(StockAlert)
        .where(
            StockAlert.station_id == station_id,
            StockAlert.kind == kind,
            StockAlert.cause == key,
            StockAlert.closed_at.is_(None),
        )
        .values(details=dict(details))
        .returning(StockAlert.id)
        .execution_options(synchronize_session=False)
    )
    if changed is None:
        name = db.session.scalar(select(Station.name).where(Station.id == station_id)) or ""
        _raise([(station_id, Cause(kind, key, None, details))], {station_id: name})


def close(station_id: UUID, kind: AlertKind, *, key: str = "") -> None:
    """Close the alert of such a cause, where there is one."""
    db.session.execute(
        update(StockAlert)
        .where(
            StockAlert.station_id == station_id,
            StockAlert.kind == kind,
            StockAlert.cause == key,
            StockAlert.closed_at.is_(None),
        )
        .values(closed_at=clock.now())
        .execution_options(synchronize_session=False)
    )


def close_all(station_ids: Collection[UUID]) -> None:
    """Close what a look at these stations' shelves raised: they are not in service any more."""
    db.session.execute(
        update(StockAlert)
        .where(StockAlert.station_id.in_(station_ids), StockAlert.kind.in_(OWN_KINDS), StockAlert.closed_at.is_(None))
        .values(closed_at=clock.now())
        .execution_options(synchronize_session=False)
    )


def acknowledge(alert_id: UUID, *, by: UUID, note: str | None = None) -> None:
    """Say that somebody saw to an alert: it goes up no further. Raises AlertClosed, AlertAcknowledged (409)."""
    done = db.session.scalar(
        update(StockAlert)
        .where(StockAlert.id == alert_id, StockAlert.closed_at.is_(None), StockAlert.acknowledged_at.is_(None))
        .values(acknowledged_at=clock.now(), acknowledged_by=by, note=note)
        .returning(StockAlert.id)
        .execution_options(synchronize_session=False)
    )
    if done is None:
        closed_at = db.session.scalar(select(StockAlert.closed_at).where(StockAlert.id == alert_id))
        raise AlertAcknowledged() if closed_at is None else AlertClosed()


def escalate() -> int:
    """Send up what nobody acknowledged in the days that the rules give; returns how many of up to a batch.

    First to the organization that runs the station, then from one to the next above, as many days later each. What has
    come to the root stays there.
    """
    over = clock.now() - timedelta(days=rules().alert_escalation_days)
    waiting = db.session.scalars(
        select(StockAlert)
        .where(
            StockAlert.closed_at.is_(None),
            StockAlert.acknowledged_at.is_(None),
            StockAlert.created_at <= over,
            # Of those that went up before, only such as can go further.
            StockAlert.escalated_at.is_(None)
            | (
                (StockAlert.escalated_at <= over)
                & StockAlert.escalated_to_id.in_(select(Organization.id).where(Organization.parent_id.is_not(None)))
            ),
        )
        .order_by(StockAlert.created_at, StockAlert.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    if not waiting:
        return 0
    names, running = {}, {}
    for row in queries.station_facts({alert.station_id for alert in waiting}):
        names[row.id], running[row.id] = row.name, row.organization_id
    above = queries.parents_of({alert.escalated_to_id for alert in waiting if alert.escalated_to_id is not None})
    now = clock.now()
    for alert in waiting:
        alert.escalated_to_id = (
            running[alert.station_id] if alert.escalated_to_id is None else above[alert.escalated_to_id]
        )
        alert.escalated_at = now
    db.session.flush()
    news.tell_responsible(waiting, names)
    return len(waiting)


def _raise(found: Sequence[tuple[UUID, Cause]], station_names: Mapping[UUID, str]) -> None:
    """Write new alerts and tell the managers; one that another unit raised at this moment is left to it."""
    if not found:
        return
    new = []
    for start in range(0, len(found), BATCH):
        some = found[start : start + BATCH]
        made = dict(zip((ids.new_id() for _ in some), some, strict=True))
        for alert_id in _insert(made):
            station_id, cause = made[alert_id]
            new.append(
                news.News(alert_id, station_id, station_names[station_id], cause.kind, cause.item, cause.details)
            )
    news.tell_managers(new)


def _insert(made: Mapping[UUID, tuple[UUID, Cause]]) -> list[UUID]:
    """Which of the alerts by id are new."""
    now = clock.now()
    rows = [
        {
            "id": alert_id,
            "created_at": now,
            "station_id": station_id,
            "kind": cause.kind,
            "cause": cause.key,
            "item_id": cause.item.id if cause.item else None,
            "details": dict(cause.details),
        }
        for alert_id, (station_id, cause) in made.items()
    ]
    return list(
        db.session.scalars(
            statements.insert(StockAlert)
            .on_conflict_do_nothing(
                index_elements=["station_id", "kind", "cause"], index_where=StockAlert.closed_at.is_(None)
            )
            .returning(StockAlert.id),
            rows,
        )
    )


def _cause_of_lot(kind: AlertKind, item: NamedItem, lot: HeldLot) -> Cause:
    details = {
        "lot_number": lot.lot_number or None,
        "expires_on": lot.expires_on.isoformat() if lot.expires_on else None,
        "quantity": lot.quantity,
    }
    return Cause(kind, f"{item.id.hex} {lot.lot_number} {lot.portion}", item, details)
