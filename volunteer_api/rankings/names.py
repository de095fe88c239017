"""Who is named in rankings: judged when it is asked, and whose judgement may be another one than was folded.

What is folded of somebody holds while nothing is noted of her: no consent given or taken back, no erasure asked for or
taken back, no other date of birth, and no birthday since that made her an adult.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select, union

from volunteer_api.accounts import consents
from volunteer_api.accounts.ages import youngest_adult
from volunteer_api.accounts.consent_texts import ConsentKind
from volunteer_api.accounts.models import Consent, Volunteer
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.rankings.changes import all_of, once
from volunteer_api.rankings.models import RankingNameMark, RankingRule
from volunteer_api.rankings.schemas import NotListed


def adults_born_by(now: datetime) -> date:
    """The latest date of birth of an adult."""
    return youngest_adult(clock.local_date(now))


def may_be_named(born_by: date) -> ColumnElement[bool]:
    """Who consents to be named, and is known to be of age: of somebody without a date of birth nobody knows it."""
    says_so = exists().where(
        Consent.volunteer_id == Volunteer.id,
        Consent.kind == ConsentKind.RANKING_NAME,
        Consent.withdrawn_at.is_(None),
    )
    # Who has asked for erasure has taken back her consent to all of it, though she may still change her mind.
    return and_(says_so, Volunteer.birth_date <= born_by, Volunteer.erases_at.is_(None), Volunteer.erased_at.is_(None))


def why_unnamed(volunteer_id: UUID, now: datetime) -> NotListed | None:
    """What keeps a volunteer from being named, which she alone may be told; None where she is."""
    volunteer = db.session.get_one(Volunteer, volunteer_id)
    born = volunteer.birth_date
    if volunteer.erases_at is not None:
        return NotListed.ERASURE_ASKED
    if born is not None and born > adults_born_by(now):
        return NotListed.NOT_OF_AGE
    if not consents.has(volunteer_id, ConsentKind.RANKING_NAME):
        return NotListed.CONSENT_MISSING
    return NotListed.BIRTH_DATE_MISSING if born is None else None


def noted(now: datetime) -> Select[UUID]:
    """All of whom it is to be asked anew whether they are named, each a row."""
    folded = select(RankingRule.adults_born_by).scalar_subquery()
    grown = select(Volunteer.id).where(born_between(folded, adults_born_by(now)))
    people = once(union(all_of(RankingNameMark.volunteer_id), grown))
    return select(people.c[0].label("volunteer_id"))


def born_between(one: Any, other: Any) -> ColumnElement[bool]:
    """Born after the one and by the other date, whichever is later: who is an adult by one of them only."""
    born = Volunteer.birth_date
    return or_(and_(born > one, born <= other), and_(born > other, born <= one))
