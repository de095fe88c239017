"""The version that ends consents of minors to be named: there and back, with consents in the table."""

from datetime import UTC, date, datetime

from flask import Flask

from tests.factories import make_volunteer, unit_of
from tests.servers import migrate
from volunteer_api.accounts import consents
from volunteer_api.accounts.consent_texts import ConsentKind
from volunteer_api.core import clock

BEFORE = "2026_11_28_7_stock"


def test_what_minors_said_of_their_names_does_not_count(own_app: Flask) -> None:
    unit = unit_of(own_app)
    people = [unit(lambda born=born: make_volunteer(birth_date=born)).id for born in (date(2015, 3, 8), None)]
    people.append(unit(lambda: make_volunteer(birth_date=date(1990, 3, 8))).id)

    def naming() -> list[bool]:
        return [unit(lambda one=one: consents.has(one, ConsentKind.RANKING_NAME)) for one in people]

    migrate(own_app, BEFORE, down=True)
    for one in people:
        unit(lambda one=one: consents.give(one, kind="ranking_name", version="2026-11"))
    migrate(own_app)
    assert naming() == [False, True, True]
    migrate(own_app, BEFORE, down=True)
    assert naming() == [True, True, True]
    migrate(own_app)
    assert naming() == [False, True, True]


def test_who_is_of_age_by_now_was_a_minor_when_she_said_so(own_app: Flask) -> None:
    """By local days, which begin at four in the afternoon of UTC."""
    unit = unit_of(own_app)
    told = (
        (date(2005, 3, 8), datetime(2023, 3, 7, 15, 59, tzinfo=UTC), False),
        (date(2005, 3, 8), datetime(2023, 3, 7, 16, 0, tzinfo=UTC), True),
        (date(2004, 2, 29), datetime(2022, 2, 28, 10, tzinfo=UTC), False),
        (date(2004, 2, 29), datetime(2022, 3, 1, 10, tzinfo=UTC), True),
    )
    people = [unit(lambda born=born: make_volunteer(birth_date=born)).id for born, _, _ in told]
    migrate(own_app, BEFORE, down=True)
    for one, (_, given_at, _) in zip(people, told, strict=True):
        with clock.at(given_at):
            unit(lambda one=one: consents.give(one, kind="ranking_name", version="2026-11"))
    migrate(own_app)
    assert [unit(lambda one=one: consents.has(one, ConsentKind.RANKING_NAME)) for one in people] == [
        counts for _, _, counts in told
    ]
