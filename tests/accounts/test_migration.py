"""The version that ends consents of minors to be named: there and back, with consents in the table."""

from datetime import date

from flask import Flask

from tests.factories import make_volunteer, unit_of
from tests.servers import migrate
from volunteer_api.accounts import consents
from volunteer_api.accounts.consent_texts import ConsentKind

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
