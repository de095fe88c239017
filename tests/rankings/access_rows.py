"""Rows of the access matrix: rankings to take away."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import count
from uuid import UUID

from tests.access_scene import PASSES, PUBLIC, SIGNED_IN, Call, Entry, Rule, World
from volunteer_api.core.database import db
from volunteer_api.core.periods import Period
from volunteer_api.rankings import snapshots

READS_ATTENDANCE_BELOW = Rule("whoever reads the attendances of the organization", "organizer", insider=PASSES)
CLOSES_RANKINGS = Rule("the organizers of the organization", "organizer")
# Before all days that are closed here: each needs one that nobody closed.
FOUNDED = datetime(1930, 1, 1, tzinfo=UTC)
_days = (date(1940, 1, 1) + timedelta(days=number) for number in count())


def offices(_world: World) -> Call:
    """All practice offices."""
    return Call(query={"subject": "organization", "level": "practice_office"})


def closing(world: World) -> Call:
    """A day that is over and that nobody closed yet."""
    day = next(_days)
    db.session.merge(world.office).created_at = FOUNDED
    return Call(body={"scope": str(world.office.id), "period": day.isoformat()})


@lru_cache(maxsize=2)
def closed_day(world: World, _which: int) -> UUID:
    """A closed day's snapshot: the same for all who call, because to close one takes half a second."""
    day = next(_days)
    world.office.created_at = FOUNDED
    period = Period(day, day, day.isoformat())
    return snapshots.close_period(scope=world.office, period=period, by=world.district.organizer.id).id


def closed(world: World) -> Call:
    """A closed day, its offices."""
    return Call(at={"snapshot_id": closed_day(world, 1)}, query={"subject": "organization", "level": "practice_office"})


def compared(world: World) -> Call:
    """Two closed days."""
    first = closed(world)
    return Call(at=first.at, query={**first.query, "with": str(closed_day(world, 2))})


ROWS: dict[str, Entry] = {
    "GET /statistics": PUBLIC(),
    "GET /me/ranking": SIGNED_IN(),
    "GET /activity-outcomes": PUBLIC(),
    "GET /rankings.xlsx": PUBLIC(offices),
    "GET /rankings.csv": PUBLIC(offices),
    "GET /rankings.svg": PUBLIC(offices),
    "GET /rankings.png": PUBLIC(offices),
    "GET /rankings/race.svg": PUBLIC(offices),
    "GET /rankings/weeks.svg": PUBLIC(),
    "GET /rankings/weeks.png": PUBLIC(),
    "POST /ranking-snapshots": CLOSES_RANKINGS(closing),
    "GET /ranking-snapshots": PUBLIC(),
    "GET /ranking-snapshots/{snapshot_id}": PUBLIC(closed),
    "GET /ranking-snapshots/{snapshot_id}.xlsx": PUBLIC(closed),
    "GET /ranking-snapshots/{snapshot_id}/comparison": PUBLIC(compared),
    "GET /ranking-snapshots/{snapshot_id}/comparison.xlsx": PUBLIC(compared),
    "GET /board": PUBLIC(offices),
    "GET /organizations/{organization_id}/report.pdf": READS_ATTENDANCE_BELOW(),
}
