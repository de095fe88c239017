"""What an earlier release had taken among too few to hide among stays hidden."""

from datetime import UTC, datetime
from uuid import UUID

from flask import Flask
from sqlalchemy import delete, update

from tests.factories import unit_of
from tests.feedback.factories import Past, make_past
from tests.servers import migrate
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.feedback.models import Feedback, FeedbackReport, WordsState
from volunteer_api.sign_ups.models import SignUp

BEFORE = "2026_12_01_1_grown_in_part"
LATE = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)


def say(past: Past, who: int, **values: object) -> UUID:
    made = Feedback(activity_id=past.activity_id, volunteer_id=past.people[who], stars=3, **values)
    db.session.add(made)
    db.session.flush()
    return made.id


def test_who_was_among_too_few_stays_hidden(own_app: Flask) -> None:
    unit = unit_of(own_app)

    def build() -> tuple[UUID, UUID, UUID]:
        few, enough, shown = (make_past(people=number) for number in (4, 4, 4))
        for past, signed in ((few, (1, 2)), (enough, (1,)), (shown, (1, 2))):
            for who in signed:
                say(past, who)
        approved = {"words": "好", "words_state": WordsState.APPROVED, "moderated_by": shown.scene.organizer_id}
        hidden = say(few, 0, anonymous=True)
        db.session.add(FeedbackReport(feedback_id=hidden, reported_by=few.people[3], reason="骂人"))
        return hidden, say(enough, 0, anonymous=True), say(shown, 0, anonymous=True, **approved)

    with clock.at(LATE):
        made = unit(build)
    migrate(own_app, BEFORE, down=True)
    migrate(own_app)

    def found() -> list[tuple[bool, str]]:
        rows = [db.session.get_one(Feedback, one) for one in made]
        return [(row.kept_back, row.given_on.isoformat()) for row in rows]

    # The local day: it was one in the morning.
    assert unit(found) == [(True, "2026-11-21"), (False, "2026-11-21"), (False, "2026-11-21")]
    assert unit(lambda: db.session.query(FeedbackReport).filter_by(settled_at=None).count()) == 0


def test_who_was_not_known_to_be_there_hides_nobody(own_app: Flask) -> None:
    """Held without a sign-up, they could give no feedback: whose it is was clear."""
    unit = unit_of(own_app)

    def build() -> UUID:
        past = make_past(people=5)
        for who in (1, 2):
            say(past, who)
        strangers = [past.people[who] for who in (3, 4)]
        held = update(Attendance).where(Attendance.volunteer_id.in_(strangers)).values(state=State.HELD)
        db.session.execute(held.execution_options(synchronize_session=False))
        db.session.execute(delete(SignUp).where(SignUp.volunteer_id.in_(strangers)))
        return say(past, 0, anonymous=True)

    with clock.at(LATE):
        made = unit(build)
    migrate(own_app, BEFORE, down=True)
    migrate(own_app)
    assert unit(lambda: db.session.get_one(Feedback, made).kept_back)
