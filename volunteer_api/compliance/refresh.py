"""Keeping the assessments, and with them the alerts, up with the shelves.

A movement marks its station and nudges; the sweep comes every minute. Stations are taken in batches of their own units.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, delete, update

from volunteer_api.catalog.standards import standards_on
from volunteer_api.compliance import alerts, queries
from volunteer_api.compliance.assessment import Assessment, assess
from volunteer_api.compliance.models import StationAssessment
from volunteer_api.compliance.service import lot_counts
from volunteer_api.core import clock, statements
from volunteer_api.core.database import db
from volunteer_api.core.unit_of_work import run_unit

REFRESH = "compliance.refresh"
BATCH = 200


def refresh_all() -> int:
    """Assess every station that is due, batch by batch; returns how many. In no transaction."""
    done = 0
    while True:
        count = run_unit(refresh_batch, writes=True)
        done += count
        if count == 0:
            return done


def refresh_batch() -> int:
    """Assess up to a batch of stations that are due, and raise and close their alerts; returns how many."""
    due = queries.due_station_ids(BATCH)
    if due:
        assess_stations(due)
    return len(due)


def assess_stations(station_ids: Sequence[UUID]) -> None:
    """Assess stations whose assessment rows this unit holds."""
    facts = queries.station_facts(station_ids)
    standards, chains = standards_on({row.path_id for row in facts})
    held = queries.holdings(station_ids)
    today = clock.today()
    found: dict[UUID, Assessment] = {}
    values = []
    for row in facts:
        assessment = assess(
            standards.required(chains[row.path_id], row.kind),
            held.get(row.id, {}),
            today=today,
            coming=standards.coming(chains[row.path_id], row.kind),
        )
        found[row.id] = assessment
        first = assessment.first_failure
        near, expired = lot_counts(assessment)
        values.append(
            {
                "station_id": row.id,
                "stale": False,
                "assessed_on": today,
                "valid_through": assessment.valid_through,
                "path_id": row.path_id,
                "station_kind": row.kind,
                "score": assessment.score,
                "missing_count": len(assessment.missing),
                "critical_missing_count": assessment.critical_missing_count,
                "near_expiry_count": near,
                "expired_count": expired,
                "fails_on": first.fails_on if first else None,
                "fails_because": first.fails_because if first else None,
                "failing_item_id": first.item.id if first else None,
            }
        )
    # Their rows are there and held: by primary key, many at once.
    db.session.execute(update(StationAssessment), values)
    alerts.reconcile(facts, found)


def mark(station_id: UUID) -> None:
    """Say that a station's shelf is not what its assessment says. Its row is made where there is none."""
    db.session.execute(
        statements.insert(StationAssessment)
        .values(station_id=station_id, stale=True)
        .on_conflict_do_update(
            index_elements=["station_id"], set_={"stale": True}, where=StationAssessment.stale.is_(False)
        )
    )


def mark_subtree(organization_id: UUID) -> None:
    """Say it of all stations of an organization and of those below it."""
    _mark(StationAssessment.station_id.in_(queries.stations_below(organization_id)))


def mark_all() -> None:
    """Say it of every station."""
    _mark(StationAssessment.stale.is_(False))


def discover() -> None:
    """Make rows for stations that came into service, mark those that moved, and forget those out of service."""
    found = db.session.scalars(queries.undiscovered()).all()
    _mark(StationAssessment.station_id.in_(queries.undiscovered()))
    if found:
        db.session.execute(
            statements.insert(StationAssessment).on_conflict_do_nothing(index_elements=["station_id"]),
            [{"station_id": station_id, "stale": True} for station_id in found],
        )
    gone = db.session.scalars(queries.assessed_out_of_service()).all()
    if gone:
        alerts.close_all(gone)
        db.session.execute(delete(StationAssessment).where(StationAssessment.station_id.in_(gone)))


def _mark(condition: ColumnElement[bool]) -> None:
    db.session.execute(
        update(StationAssessment)
        .where(condition, StationAssessment.stale.is_(False))
        .values(stale=True)
        .execution_options(synchronize_session=False)
    )
