"""The tallies of a simulated district: what folds of two years would have left, in a few statements."""

from volunteer_api.core.database import db
from volunteer_api.hours.tallies import BEGINNING

# Minutes by day before they fan out, each volunteer's and each place's: a hundredth of the ledger's rows.
MINUTES = """
SELECT volunteer_id, team_id, station_id, campaign_id, organization_id, organization_path_id, "on",
    minutes AS credited, 0 AS held FROM service_records
UNION ALL SELECT first.volunteer_id, first.team_id, first.station_id, first.campaign_id, first.organization_id,
    first.organization_path_id, first."on", 0, attendances.held_minutes
FROM held_attributions AS first JOIN attendances ON attendances.id = first.attendance_id
"""
PLACES = f"""
CREATE TEMPORARY TABLE simulated_places AS SELECT team_id, station_id, campaign_id, organization_id,
    organization_path_id, "on", CAST(sum(credited) AS BIGINT) AS credited, CAST(sum(held) AS BIGINT) AS held
FROM ({MINUTES}) AS minutes GROUP BY team_id, station_id, campaign_id, organization_id, organization_path_id, "on"
"""  # noqa: S608  # our own names
INTO = "INSERT INTO tally_totals (subject_kind, subject_id, unit, starts_on, credited_minutes, held_minutes) "
VOLUNTEERS = f"""{INTO}
SELECT 'volunteer', volunteer_id, 'day', "on", sum(credited), sum(held) FROM ({MINUTES}) AS minutes
GROUP BY volunteer_id, "on"
"""  # noqa: S608  # our own names
OTHERS = {
    "team": "team_id",
    "station": "station_id",
    "campaign": "campaign_id",
    "organization_own": "organization_id",
}
OF_PLACES = (
    f"{INTO} SELECT '{{kind}}', {{column}}, 'day', \"on\", sum(credited), sum(held) FROM simulated_places "  # noqa: S608  # our own names
    'WHERE {column} IS NOT NULL GROUP BY {column}, "on"'
)
ORGANIZATIONS = f"""{INTO}
SELECT 'organization', ancestor_id, 'day', "on", sum(credited), sum(held) FROM simulated_places
JOIN path_members ON path_members.path_id = simulated_places.organization_path_id GROUP BY ancestor_id, "on"
"""  # noqa: S608  # our own names
OF_SPANS = (
    INTO + "SELECT subject_kind, subject_id, '{unit}', {start} AS span, sum(credited_minutes), sum(held_minutes) "
    "FROM tally_totals WHERE unit = '{narrower}' GROUP BY subject_kind, subject_id, span"
)
# Each span is summed from the next narrower one.
WIDER = {"month": "day", "year": "month", "all": "year"}


def sum_up() -> None:
    """Write every total; there are none yet."""
    run = db.session.connection().exec_driver_sql
    run(PLACES)
    run(VOLUNTEERS)
    for kind, column in OTHERS.items():
        run(OF_PLACES.format(kind=kind, column=column))
    run(ORGANIZATIONS)
    run("DROP TABLE simulated_places")
    for unit, narrower in WIDER.items():
        run(OF_SPANS.format(unit=unit, narrower=narrower, start=_start_of(unit)))


def _start_of(unit: str) -> str:
    """The first day of the span that `starts_on` is in."""
    if unit == "all":
        return f"DATE '{BEGINNING}'" if db.engine.dialect.name == "postgresql" else f"'{BEGINNING}'"
    if db.engine.dialect.name == "postgresql":
        return f"CAST(date_trunc('{unit}', starts_on) AS date)"
    return f"date(starts_on, 'start of {unit}')"
