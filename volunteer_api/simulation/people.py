"""The volunteers of a simulated district, with their consents and teams.

They have invented names and no phone at all: no number can be somebody's, and no message can go out to one. Who wants
to sign in has the demo's accounts, which are among them.
"""

from collections.abc import Callable
from datetime import date, time, timedelta
from random import Random
from uuid import UUID

from volunteer_api.accounts import contacts
from volunteer_api.accounts.consent_texts import ConsentKind, current_texts
from volunteer_api.core.ids import READABLE
from volunteer_api.demo.people import GIVEN_NAMES, SURNAMES
from volunteer_api.simulation.ground import Ground, moment_of
from volunteer_api.simulation.loading import BYTES, NULL, Loader
from volunteer_api.simulation.plan import Plan
from volunteer_api.simulation.texts import Kind, Moments, id_text

COLUMNS = {
    "volunteers": (
        *("id", "created_at", "version", "volunteer_number", "name", "birth_date", "home_division"),
        *("skills", "service_categories", "guardian_contact"),
    ),
    "consents": ("id", "created_at", "volunteer_id", "kind", "version", "given_at"),
    "memberships": (
        "id",
        "created_at",
        "version",
        "team_id",
        "volunteer_id",
        "role",
        "state",
        "joined_at",
        "is_primary",
    ),
}
# Of a hundred: who may be named in rankings, is a member of a team, tells no date of birth, is a minor of 14 or more.
NAMED, MEMBERS, AGELESS, MINORS = 45, 30, 4, 3
OLDEST, YOUNGEST = 85, 21
# Odd and no multiple of 31: numbers in the order of registration look like none, and no two are equal.
STRIDE = 361_414_903_271_413
NUMBER_LENGTH = 10
# They registered within so many seconds, one after the other.
REGISTERED_WITHIN = 40 * 24 * 3600
# Invented, like all of the demo's.
GUARDIAN_PHONE = "+8613800000190"
REPORTED_EACH = 5_000


def register(
    plan: Plan, ground: Ground, random: Random, loader: Loader, moments: Moments, report: Callable[[int], None]
) -> list[str]:
    """Write all volunteers but those of the ground; returns the ids of who may come, by their number.

    Number modulo the count of communities is where somebody lives. `report` is told how many are written.
    """
    texts = current_texts()
    days = (plan.last_on - timedelta(days=365 * OLDEST)).toordinal(), (plan.last_on.year - YOUNGEST)
    last_birth = date(days[1], 1, 1).toordinal()
    opens = moment_of(plan.first_on - timedelta(days=50), time(9))
    consents = [(kind, texts[kind].version) for kind in (ConsentKind.TERMS, ConsentKind.PRIVACY)]
    named = (ConsentKind.RANKING_NAME, texts[ConsentKind.RANKING_NAME].version)
    team_of = {number: team for number, (team, _) in enumerate(ground.teams)}
    volunteers, given, members = (loader.lines(table) for table in ("volunteers", "consents", "memberships"))
    count = plan.volunteers - ground.people
    each = max(1, REGISTERED_WITHIN // count)
    found: list[str] = []
    for number in range(count):
        second = opens + number * each
        at = moments.stored(second)
        own = id_text(second, Kind.VOLUNTEER, number)
        found.append(own)
        home = number % len(ground.communities)
        chance = random.randrange(100)
        contact = NULL
        if chance < MINORS:
            # Sixteen or seventeen on the last day, fourteen at least when they registered.
            birth = (plan.last_on - timedelta(days=365 * 17 - random.randrange(200))).isoformat()
            contact = BYTES + contacts.seal({"name": "家长", "phone": GUARDIAN_PHONE}, UUID(own)).hex()
        elif chance < MINORS + AGELESS:
            birth = NULL
        else:
            birth = date.fromordinal(random.randrange(days[0], last_birth)).isoformat()
        name = random.choice(SURNAMES) + random.choice(GIVEN_NAMES)
        volunteers.append(
            f"{own}\t{at}\t1\t{number_text(number)}\t{name}\t{birth}\t{ground.communities[home]}\t[]\t[]\t{contact}"
        )
        for position, (kind, version) in enumerate((*consents, named) if random.randrange(100) < NAMED else consents):
            given.append(
                f"{id_text(second, Kind.CONSENT, number * 4 + position)}\t{at}\t{own}\t{kind}\t{version}\t{at}"
            )
        if random.randrange(100) < MEMBERS:
            members.append(
                f"{id_text(second, Kind.MEMBERSHIP, number)}\t{at}\t1\t{team_of[home]}\t{own}\tmember\tactive\t{at}\t1"
            )
        if number % REPORTED_EACH == 0:
            loader.write_some()
            report(number)
    # The demo's volunteer is one of the regulars, so that her own screens show something.
    found[ground.volunteer_home] = ground.volunteer_id.hex
    loader.write_all()
    return found


def number_text(number: int) -> str:
    """A volunteer number, in the letters of all of them."""
    base = len(READABLE)
    rest = (number + 1) * STRIDE % base**NUMBER_LENGTH
    letters = []
    for _ in range(NUMBER_LENGTH):
        rest, place = divmod(rest, base)
        letters.append(READABLE[place])
    return "".join(letters)
