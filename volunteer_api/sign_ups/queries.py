"""Reading sign-ups, and the locks under which they change."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Table,
    Uuid,
    bindparam,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.orm import aliased
from sqlalchemy.sql.selectable import ExecutableReturnsRows

from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import Activity, ActivityState, Shift, ShiftRole
from volunteer_api.activities.prospects import Planned
from volunteer_api.core import clock
from volunteer_api.core.codes import fold
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.settings import rules
from volunteer_api.core.statements import among, among_given
from volunteer_api.sign_ups.models import ACTIVE_SIGN_UPS, PLACELESS, SignUp, SignUpState
from volunteer_api.teams.models import Membership, MembershipState

# Made once, for every place that is given back.
Left = aliased(SignUp)


def lock_volunteer(volunteer_id: UUID) -> None:
    """Hold the volunteer until the unit ends."""
    lock_volunteers({volunteer_id})


def lock_volunteers(volunteer_ids: Collection[UUID], *, wait: bool = True) -> bool:
    """Hold the volunteers, in the order of their ids, until the unit ends; whether all of them are held now.

    Without `wait`, those whom somebody else holds are left out. The lock is PostgreSQL's FOR NO KEY UPDATE, which lets
    others refer to the row; SQLite has one writer anyway.
    """
    connection = db.session.connection()
    locked = connection.execute(_volunteers(connection.dialect.name, wait), {"volunteer_ids": [*volunteer_ids]}).all()
    return len(locked) == len(set(volunteer_ids))


@cache
def _volunteers(dialect: str, wait: bool) -> Select[UUID]:
    # Built once: nearly all that is written begins with it.
    return (
        select(Volunteer.id)
        .where(among_given(Volunteer.id, "volunteer_ids", dialect))
        .order_by(Volunteer.id)
        .with_for_update(key_share=True, skip_locked=not wait)
    )


def line(shift: Shift, after: int, limit: int) -> list[SignUp]:
    """Who waits for the shift behind the position `after`, free at its time and with a place in the role they named."""
    rest = timedelta(minutes=rules().rest_minutes)
    other, other_shift = aliased(SignUp), aliased(Shift)
    busy = exists().where(
        other.volunteer_id == SignUp.volunteer_id,
        other.state == SignUpState.CONFIRMED,
        other_shift.id == other.shift_id,
        other_shift.canceled_at.is_(None),
        other_shift.starts_at < shift.ends_at + rest,
        other_shift.ends_at > shift.starts_at - rest,
    )
    role_is_full = exists().where(ShiftRole.id == SignUp.role_id, ShiftRole.confirmed_count >= ShiftRole.capacity)
    return list(
        db.session.scalars(
            select(SignUp)
            .where(
                SignUp.shift_id == shift.id,
                SignUp.state == SignUpState.WAITLISTED,
                SignUp.position > after,
                ~busy,
                ~role_is_full,
            )
            .order_by(SignUp.position)
            .limit(limit)
            .execution_options(populate_existing=True)
        )
    )


def lines(shift_ids: Collection[UUID], after: int, limit: int) -> Sequence[Row[Any]]:
    """Who waits for each of the shifts, in order: the next `limit` of each behind the first `after`, busy or not."""
    place = func.row_number().over(partition_by=SignUp.shift_id, order_by=SignUp.position).label("place")
    waiting = (
        select(SignUp.id, SignUp.shift_id, SignUp.volunteer_id, SignUp.role_id, place)
        .where(SignUp.shift_id.in_(shift_ids), SignUp.state == SignUpState.WAITLISTED)
        .subquery()
    )
    here = (waiting.c.place > after, waiting.c.place <= after + limit)
    return db.session.execute(select(waiting).where(*here).order_by(waiting.c.shift_id, waiting.c.place)).all()


def open_offer(sign_up_id: UUID) -> SignUp | None:
    """The sign-up of the stand-in who was asked to take this one's place and has not answered for good."""
    return db.session.scalars(
        select(SignUp)
        .where(
            SignUp.stands_in_for_id == sign_up_id,
            SignUp.state.in_([SignUpState.PENDING, SignUpState.INVITED]),
        )
        .execution_options(populate_existing=True)
    ).one_or_none()


def coming_shifts(activity_id: UUID, now: datetime) -> Sequence[Shift]:
    """The shifts of an activity that are neither over nor canceled, by their start."""
    statement = select(Shift).where(Shift.activity_id == activity_id, Shift.ends_at > now, Shift.canceled_at.is_(None))
    return db.session.scalars(statement.order_by(Shift.starts_at, Shift.id)).all()


def coming_shifts_with_people() -> Sequence[UUID]:
    """The shifts of published activities that have not begun and in which somebody has a place, by activity."""
    statement = _shifts_to_come().where(Shift.confirmed_count > 0)
    return db.session.scalars(statement.order_by(Shift.activity_id, Shift.starts_at, Shift.id)).all()


def shifts_to_fill(after: UUID | None, limit: int) -> Sequence[UUID]:
    """The shifts to come of published activities for which somebody waits beside a free place, behind `after`."""
    has_place = or_(Shift.capacity.is_(None), Shift.confirmed_count < Shift.capacity)
    statement = _shifts_to_come().where(Shift.waitlisted_count > 0, has_place).order_by(Shift.id).limit(limit)
    return db.session.scalars(statement if after is None else statement.where(Shift.id > after)).all()


def _shifts_to_come() -> Select[UUID]:
    is_public = Activity.state == ActivityState.PUBLISHED
    published = select(Shift.id).join(Activity, Activity.id == Shift.activity_id).where(is_public)
    return published.where(Shift.starts_at > clock.now(), Shift.canceled_at.is_(None))


def planned(shift_ids: Collection[UUID]) -> Planned:
    """The shifts, each with its activity."""
    statement = select(Activity, Shift).join(Shift, Shift.activity_id == Activity.id).where(Shift.id.in_(shift_ids))
    return [(row.Activity, row.Shift) for row in db.session.execute(statement)]


def active_in(shift_ids: Collection[UUID]) -> list[SignUp]:
    """The sign-ups for these shifts of everybody who counts on them."""
    return list(
        db.session.scalars(
            select(SignUp)
            .where(SignUp.shift_id.in_(shift_ids), SignUp.state.in_(ACTIVE_SIGN_UPS))
            .order_by(SignUp.id)
            .execution_options(populate_existing=True)
        )
    )


def people_of(shift_ids: Collection[UUID], *states: SignUpState) -> set[UUID]:
    """Who has a sign-up in one of the states for one of these shifts that is not over."""
    statement = (
        select(SignUp.volunteer_id)
        .join(Shift, Shift.id == SignUp.shift_id)
        .where(
            among(SignUp.shift_id, shift_ids),
            SignUp.state.in_(states),
            Shift.ends_at > clock.now(),
            Shift.canceled_at.is_(None),
        )
    )
    return set(db.session.scalars(statement))


def own_active(volunteer_id: UUID, now: datetime, *, activity_id: UUID | None = None) -> list[SignUp]:
    """A volunteer's active sign-ups for shifts, all or an activity's, that are neither over nor canceled."""
    return list(
        db.session.scalars(
            select(SignUp)
            .join(Shift, Shift.id == SignUp.shift_id)
            .where(
                SignUp.volunteer_id == volunteer_id,
                SignUp.state.in_(ACTIVE_SIGN_UPS),
                Shift.activity_id == activity_id if activity_id is not None else true(),
                Shift.ends_at > now,
                Shift.canceled_at.is_(None),
            )
            .order_by(SignUp.id)
            .execution_options(populate_existing=True)
        )
    )


def in_roles(role_ids: Collection[UUID]) -> list[SignUp]:
    """The active sign-ups for roles of held shifts."""
    active = SignUp.state.in_(ACTIVE_SIGN_UPS)
    statement = select(SignUp).where(SignUp.role_id.in_(role_ids), active).order_by(SignUp.id)
    return list(db.session.scalars(statement)) if role_ids else []


def let_go_of_roles(role_ids: Collection[UUID]) -> None:
    """Let sign-ups that are over name these roles no more."""
    if role_ids:
        db.session.execute(
            update(SignUp)
            .where(SignUp.role_id.in_(role_ids))
            .values(role_id=None)
            .execution_options(synchronize_session=False)
        )


def by_number(volunteer_number: str) -> UUID | None:
    """The volunteer of this number, however it was typed; None where there is none."""
    number = Volunteer.volunteer_number == fold(volunteer_number)
    return db.session.scalar(select(Volunteer.id).where(number, Volunteer.erased_at.is_(None)))


def named_in(body: Mapping[str, Any], oneself: UUID) -> UUID | None:
    """Whom a body names by id or by number, else oneself; None where the number is nobody's."""
    if "volunteer_number" in body:
        return by_number(body["volunteer_number"])
    return body.get("volunteer_id") or oneself


def names_of(volunteer_ids: Collection[UUID]) -> dict[UUID, str]:
    """The names of these volunteers."""
    found = db.session.execute(select(Volunteer.id, Volunteer.name).where(Volunteer.id.in_(volunteer_ids)))
    return {row.id: row.name for row in found}


def active_members(team_id: UUID, limit: int) -> list[UUID]:
    """The active members of a team, at most so many."""
    statement = (
        select(Membership.volunteer_id)
        .where(
            Membership.team_id == team_id,
            Membership.state == MembershipState.ACTIVE,
            Membership.volunteer_id.is_not(None),
        )
        .order_by(Membership.volunteer_id)
        .limit(limit)
    )
    return [one for one in db.session.scalars(statement) if one is not None]


def waits_freed_by(shift_ids: Sequence[UUID], volunteer_id: UUID | None = None) -> list[UUID]:
    """The shifts for which somebody waits who has a place in one of `shift_ids`; of `volunteer_id` alone where given.

    Also those that are full, or at another time: another unit may be giving a place back, or moving the shift, and had
    seen this volunteer as busy. More are held than must be, and each of them is looked at again.
    """
    statement = (
        select(Shift.id)
        .distinct()
        .join(SignUp, SignUp.shift_id == Shift.id)
        .join(Left, Left.volunteer_id == SignUp.volunteer_id)
        .where(
            Left.shift_id.in_(shift_ids),
            Left.state == SignUpState.CONFIRMED,
            SignUp.state == SignUpState.WAITLISTED,
            Shift.canceled_at.is_(None),
            Shift.starts_at > clock.now(),
        )
    )
    if volunteer_id is not None:
        statement = statement.where(SignUp.volunteer_id == volunteer_id)
    return list(db.session.scalars(statement))


def taken_among(shift_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the shifts that have an active sign-up, in any state."""
    active = SignUp.state.in_(ACTIVE_SIGN_UPS)
    return set(db.session.scalars(select(SignUp.shift_id).where(SignUp.shift_id.in_(shift_ids), active).distinct()))


def next_position(shift_id: UUID) -> int:
    """The end of the waitlist; unique as long as the shift is held."""
    return db.session.scalars(select(_end_of_line(shift_id))).one()


def _end_of_line(shift_id: Any) -> ColumnElement[int]:
    last = select(func.max(SignUp.position)).where(SignUp.shift_id == shift_id)
    return func.coalesce(last.scalar_subquery(), 0) + 1


def add_sign_up(values: Mapping[str, Any]) -> SignUp:
    """Add a sign-up for a held shift, at the end of the waitlist where its state is that."""
    waits_for = values["shift_id"] if values["state"] == SignUpState.WAITLISTED else None
    made: SignUp = db.session.scalars(_added(), {**values, "waits_for": waits_for}).one()
    return made


@cache
def _added() -> ExecutableReturnsRows:
    # Built once, and one statement with the position: while it runs, a crowd waits for the shift.
    waits_for = bindparam("waits_for", type_=Uuid())
    position = case((waits_for.is_not(None), _end_of_line(waits_for)))
    table: Table = SignUp.__table__  # type: ignore[assignment]  # SQLAlchemy types it as any FROM clause
    return select(SignUp).from_statement(insert(table).values(position=position).returning(table))


def read_sign_up(sign_up_id: UUID) -> dict[str, Any]:
    """One sign-up with its shift, activity and volunteer."""
    return _sign_up_view(db.session.execute(_one_sign_up(), {"sign_up_id": sign_up_id}).one())


def read_made(made: SignUp, shift: Shift, activity: Activity) -> dict[str, Any]:
    """The same of one that was made a moment ago, with its shift and activity as they are held."""
    told = db.session.connection().execute(_told_of_one(), {"sign_up_id": made.id}).one()
    return _view(made, shift, activity, told)


def page_of_shift_sign_ups(shift: Shift, query: Mapping[str, Any]) -> Page:
    """Everybody who signed up for a shift, in that order, those who withdrew included."""
    statement = _sign_ups().where(SignUp.shift_id == shift.id, *_sign_up_filters(query))
    return _sign_up_page(
        page(statement, [Key(SignUp.id, read=lambda row: row.SignUp.id)], query, scope=f"shift {shift.id}")
    )


def page_of_own_sign_ups(volunteer_id: UUID, query: Mapping[str, Any]) -> Page:
    """A volunteer's sign-ups, the latest shift first.

    Asked for what is pending, invited or waitlisted, those alone whose shift is not over: the others wait for nothing.
    """
    statement = _sign_ups().where(SignUp.volunteer_id == volunteer_id, *_sign_up_filters(query))
    if query.get("state") in PLACELESS:
        statement = statement.where(Shift.ends_at > clock.now())
    keys = [
        Key(Shift.starts_at, read=lambda row: row.Shift.starts_at, descending=True),
        Key(SignUp.id, read=lambda row: row.SignUp.id, descending=True),
    ]
    return _sign_up_page(page(statement, keys, query, scope=f"volunteer {volunteer_id}"))


def own_sign_ups(volunteer_id: UUID, *those: ColumnElement[bool], limit: int) -> list[dict[str, Any]]:
    """The first of a volunteer's sign-ups, by their ids, that meet conditions on SignUp, Shift and Activity."""
    statement = _sign_ups().where(SignUp.volunteer_id == volunteer_id, *those).order_by(SignUp.id).limit(limit)
    return [_sign_up_view(row) for row in db.session.execute(statement)]


@cache
def _one_sign_up() -> Select[Any]:
    return _sign_ups().where(SignUp.id == bindparam("sign_up_id", type_=Uuid()))


@cache
def _told_of_one() -> Select[Any]:
    # To load again what is held would cost more than the statement.
    told = select(*_told()).select_from(SignUp).join(Volunteer, Volunteer.id == SignUp.volunteer_id)
    return told.outerjoin(ShiftRole, ShiftRole.id == SignUp.role_id).where(
        SignUp.id == bindparam("sign_up_id", type_=Uuid())
    )


def _told() -> list[ColumnElement[Any]]:
    """What a sign-up's view tells beside its own columns, its shift's and its activity's."""
    ahead = aliased(SignUp)
    place = (
        select(func.count())
        .select_from(ahead)
        .where(
            ahead.shift_id == SignUp.shift_id,
            ahead.state == SignUpState.WAITLISTED,
            ahead.position <= SignUp.position,
        )
        .scalar_subquery()
    )
    return [
        Volunteer.name.label("volunteer_name"),
        ShiftRole.name.label("role_name"),
        case((SignUp.state == SignUpState.WAITLISTED, place)).label("waitlist_position"),
    ]


@cache
def _sign_ups() -> Select[Any]:
    return (
        select(SignUp, Shift, Activity, *_told())
        .join(Shift, Shift.id == SignUp.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .join(Volunteer, Volunteer.id == SignUp.volunteer_id)
        .outerjoin(ShiftRole, ShiftRole.id == SignUp.role_id)
    )


def _sign_up_filters(query: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    return [SignUp.state == query["state"]] if query.get("state") else []


def _sign_up_page(found: Page) -> Page:
    return Page([_sign_up_view(row) for row in found.items], found.next_cursor)


def _sign_up_view(row: Any) -> dict[str, Any]:
    return _view(row.SignUp, row.Shift, row.Activity, row)


def _view(sign_up: SignUp, shift: Shift, activity: Activity, told: Any) -> dict[str, Any]:
    return {
        "id": sign_up.id,
        "created_at": sign_up.created_at,
        "shift": shift,
        "activity": activity,
        "volunteer": {"id": sign_up.volunteer_id, "name": told.volunteer_name},
        "team_id": sign_up.team_id,
        "role": {"id": sign_up.role_id, "name": told.role_name} if sign_up.role_id is not None else None,
        "stands_in_for_id": sign_up.stands_in_for_id,
        "state": sign_up.state,
        "waitlist_position": told.waitlist_position,
        "late": sign_up.late,
        "asked_at": sign_up.asked_at,
        "absent_at": sign_up.absent_at,
        "decided_at": sign_up.decided_at,
        "decision_reason": sign_up.decision_reason,
        "withdrawn_at": sign_up.withdrawn_at,
        "withdrawal_reason": sign_up.withdrawal_reason,
    }
