"""Rows of the access matrix: rankings to take away."""

from tests.access_scene import PASSES, PUBLIC, SIGNED_IN, Call, Entry, Rule, World

READS_ATTENDANCE_BELOW = Rule("whoever reads the attendances of the organization", "organizer", insider=PASSES)


def offices(_world: World) -> Call:
    """All practice offices."""
    return Call(query={"subject": "organization", "level": "practice_office"})


ROWS: dict[str, Entry] = {
    "GET /me/ranking": SIGNED_IN(),
    "GET /rankings.xlsx": PUBLIC(offices),
    "GET /rankings.csv": PUBLIC(offices),
    "GET /rankings.svg": PUBLIC(offices),
    "GET /rankings.png": PUBLIC(offices),
    "GET /rankings/race.svg": PUBLIC(offices),
    "GET /rankings/weeks.svg": PUBLIC(),
    "GET /rankings/weeks.png": PUBLIC(),
    "GET /board": PUBLIC(offices),
    "GET /organizations/{organization_id}/report.pdf": READS_ATTENDANCE_BELOW(),
}
