"""Reading campaigns, activities and shifts, and the locks under which these change."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Date,
    Select,
    String,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities import recurrence
from volunteer_api.activities.leaders import leader_view
from volunteer_api.activities.models import (
    Activity,
    ActivityLeader,
    ActivityPhoto,
    ActivityState,
    Campaign,
    CoOrganizer,
    PhotoOf,
    Shift,
    ShiftRole,
    SignUpMode,
    Template,
)
from volunteer_api.activities.next_shifts import SHIFT_MEMBERS, ListedShift, shifts_for_list
from volunteer_api.activities.prospects import Planned, Prospect, prospects
from volunteer_api.activities.roles import roles_of
from volunteer_api.activities.search_text import says
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.problems import Problem
from volunteer_api.core.settings import rules
from volunteer_api.core.statements import among, among_given
from volunteer_api.files import queries as files
from volunteer_api.organizations.models import Organization
from volunteer_api.organizations.queries import ancestor_ids
from volunteer_api.teams.models import Membership, MembershipRole, MembershipState, Team

SHIFTS_OF_ONE = 100
RISKS_AT_ONCE = 500
ACTIVITY_MEMBERS = [
    "id",
    "version",
    "created_at",
    "state",
    "title",
    "category",
    "organization_id",
    "team_id",
    "station_id",
    "campaign_id",
    "radius_m",
    "place_name",
    "description",
    "sign_up_mode",
    "minimum_age",
    "maximum_age",
    "members_only",
    "required_skills",
    "required_training_ids",
    "hazardous",
    "published_at",
    "completed_at",
    "canceled_at",
    "cancellation_reason",
    "completion_note",
    "outcomes",
    "recipients",
    "copied_from_id",
    "returned_at",
    "return_reason",
]
ROLE_MEMBERS = ["id", "name", "capacity", "confirmed_count", "waitlisted_count"]


_VERSION = select(Activity.version).where(Activity.id == bindparam("activity_id", type_=Uuid()))
_shift_members = attrgetter(*SHIFT_MEMBERS)


def lock_shifts(shift_ids: Sequence[UUID]) -> list[Shift]:
    """Hold the shifts, always in the order of their ids, and read them as they are now."""
    return list(db.session.scalars(_locked_shifts(db.engine.dialect.name), {"shift_ids": [*shift_ids]}))


@cache
def _locked_shifts(dialect: str) -> Select[Shift]:
    # Built once, as `_fresh_activity`: sign-ups queue behind these.
    return (
        select(Shift)
        .where(among_given(Shift.id, "shift_ids", dialect))
        .order_by(Shift.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def bar_check_ins(activity_id: UUID) -> None:
    """Hold the shifts so that whoever is checking in to one is waited for, and whoever comes waits in turn.

    More than `lock_shifts`, which lets others refer to them. The activity is held before, as everywhere, and not read
    anew: its version tells whether somebody else changed it.
    """
    db.session.execute(select(Activity.id).where(Activity.id == activity_id).with_for_update(key_share=True))
    db.session.execute(select(Shift.id).where(Shift.activity_id == activity_id).order_by(Shift.id).with_for_update())


def shift_ids_of(activity_id: UUID) -> list[UUID]:
    """The ids of an activity's shifts."""
    return list(db.session.scalars(select(Shift.id).where(Shift.activity_id == activity_id).order_by(Shift.id)))


def shift_counts(activity_id: UUID) -> tuple[int, int]:
    """How many shifts an activity has that are not canceled, and how many at all."""
    alive = func.count().filter(Shift.canceled_at.is_(None))
    row = db.session.execute(select(alive, func.count()).where(Shift.activity_id == activity_id)).one()
    return row[0], row[1]


def lock_activity(activity_id: UUID) -> Activity:
    """Hold the activity and read it as it is now."""
    return db.session.scalars(
        select(Activity)
        .where(Activity.id == activity_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()


def fresh_activity(activity_id: UUID) -> Activity:
    """The activity as it is now: what was read before a lock was granted may be old."""
    return db.session.scalars(_fresh_activity(), {"activity_id": activity_id}).one()


def version_of(activity_id: UUID) -> int:
    """The version of the activity as it is now."""
    return db.session.connection().execute(_VERSION, {"activity_id": activity_id}).scalar_one()


@cache
def _fresh_activity() -> Select[Activity]:
    asked = select(Activity).where(Activity.id == bindparam("activity_id", type_=Uuid()))
    return asked.execution_options(populate_existing=True)


def page_of_campaigns(query: Mapping[str, Any]) -> Page:
    """Campaigns, the newest first."""
    statement = select(Campaign)
    if query.get("organization_id"):
        statement = statement.where(Campaign.organization_id == query["organization_id"])
    if query.get("q"):
        # There are some dozens a year: the names are read, as no database folds as a search does.
        named = db.session.execute(statement.with_only_columns(Campaign.id, Campaign.name))
        ids = [campaign_id for campaign_id, name in named if says(name, query["q"])]
        statement = statement.where(among(Campaign.id, ids))
    return page(statement, [Key(Campaign.id, read=lambda item: item.id, descending=True)], query)


def read_activity(activity_id: UUID, caller_id: UUID | None) -> dict[str, Any]:
    """One activity with its shifts as they are for the caller."""
    now = clock.now()
    shift_count = select(func.count()).where(Shift.activity_id == activity_id).scalar_subquery()
    row = db.session.execute(
        activities_with_names().add_columns(shift_count.label("shift_count")).where(Activity.id == activity_id)
    ).one()
    shifts, facts = shifts_for_list([activity_id], caller_id, now, SHIFTS_OF_ONE)
    rows = _related(activity_id)
    related = {what: [one.id for one in rows if one.what == what] for what in ("leader", "partner", *PhotoOf)}
    # Somebody is to be asked where the activity itself names nobody.
    leaders = [one for one in rows if one.what == "leader"] or [one for one in rows if one.what == "leads the team"]
    shown = files.views_of([*related[PhotoOf.PLAN], *related[PhotoOf.OUTCOME]])
    views = _shift_views_with_roles([(row, shift) for shift in shifts[activity_id]], caller_id, now, facts)
    return activity_view(row, views) | {
        "shift_count": row.shift_count,
        "leader_ids": related["leader"],
        "leaders": [leader_view(one, caller_id, is_public=row.published_at is not None) for one in leaders],
        "co_organizer_ids": related["partner"],
        "photos": [shown[one] for one in related[PhotoOf.PLAN] if one in shown],
        "outcome_photos": [shown[one] for one in related[PhotoOf.OUTCOME] if one in shown],
    }


def _related(activity_id: UUID) -> list[Any]:
    """Leaders, its team's too, partners and photos of an activity, each in its order; one statement for all of them."""
    nobody = cast(null(), String), cast(null(), Date)
    found = union_all(
        select(
            literal("leader").label("what"),
            Volunteer.id.label("id"),
            literal(0).label("position"),
            Volunteer.name.label("name"),
            Volunteer.birth_date.label("birth_date"),
        )
        .join(ActivityLeader, ActivityLeader.volunteer_id == Volunteer.id)
        .where(ActivityLeader.activity_id == activity_id),
        select(literal("leads the team"), Volunteer.id, literal(0), Volunteer.name, Volunteer.birth_date)
        .join(Membership, Membership.volunteer_id == Volunteer.id)
        .join(Activity, Activity.team_id == Membership.team_id)
        .where(
            Activity.id == activity_id,
            Membership.state == MembershipState.ACTIVE,
            Membership.role == MembershipRole.LEADER,
        ),
        select(literal("partner"), CoOrganizer.organization_id, literal(0), *nobody).where(
            CoOrganizer.activity_id == activity_id
        ),
        select(ActivityPhoto.shows, ActivityPhoto.file_id, ActivityPhoto.position, *nobody).where(
            ActivityPhoto.activity_id == activity_id
        ),
    ).subquery()
    return list(db.session.execute(select(found).order_by(found.c.what, found.c.position, found.c.id)))


def partner_ids_of(activity_id: UUID) -> set[UUID]:
    """The organizations that hold the activity beside its own."""
    return set(db.session.scalars(select(CoOrganizer.organization_id).where(CoOrganizer.activity_id == activity_id)))


def open_organizations(organization_ids: Collection[UUID]) -> list[UUID]:
    """Those of the organizations that are there and not closed."""
    return list(
        db.session.scalars(
            select(Organization.id).where(Organization.id.in_(organization_ids), Organization.closed_at.is_(None))
        )
    )


def shifts_at_risk(now: datetime, until: datetime) -> Select[Shift, Activity]:
    """Shifts of published activities that begin until then with fewer people than they need, not told of yet."""
    return (
        select(Shift, Activity)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(
            Activity.state == ActivityState.PUBLISHED,
            Shift.canceled_at.is_(None),
            Shift.starts_at > now,
            Shift.starts_at <= until,
            Shift.confirmed_count < Shift.minimum,
            Shift.risk_told_at.is_(None),
        )
        .order_by(Shift.id)
        .limit(RISKS_AT_ONCE)
        .with_for_update(of=Shift, key_share=True)
    )


def shifts_out_of_risk(now: datetime, until: datetime) -> Select[UUID]:
    """The ids of shifts that begin until then, were told of and have as many people as they need. One that somebody
    holds is left for the next time: nobody waits for it, who holds others.
    """
    return (
        select(Shift.id)
        .where(
            Shift.starts_at > now,
            Shift.starts_at <= until,
            Shift.confirmed_count >= func.coalesce(Shift.minimum, 0),
            Shift.risk_told_at.is_not(None),
        )
        .order_by(Shift.id)
        .limit(RISKS_AT_ONCE)
        .with_for_update(key_share=True, skip_locked=True)
    )


def shifts_by_old_calendars(now: datetime, known_through: date) -> Select[Shift, Activity]:
    """Coming shifts that a rule gave which leaves out holidays, as far as they were known before these were."""
    known: ColumnElement[str] = Activity.recurrence["holidays_known_through"].as_string()
    return (
        select(Shift, Activity)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(
            Activity.state.not_in((ActivityState.COMPLETED, ActivityState.CANCELED)),
            known < known_through.isoformat(),
            Shift.from_recurrence.is_not(None),
            Shift.canceled_at.is_(None),
            Shift.starts_at > now,
        )
        .order_by(Shift.activity_id, Shift.starts_at)
    )


def page_of_templates(query: Mapping[str, Any]) -> Page:
    """The patterns of an organization and of those above it, by name."""
    statement = select(Template).where(Template.organization_id.in_(ancestor_ids(query["organization_id"])))
    keys = [Key(Template.name, read=lambda item: item.name), Key(Template.id, read=lambda item: item.id)]
    found = page(statement, keys, query)
    return Page([template_view(template) for template in found.items], found.next_cursor)


def template_view(template: Template) -> dict[str, Any]:
    """A pattern as it is answered."""
    members = {name: getattr(template, name) for name in ("id", "version", "organization_id", "name")}
    return members | {
        name: template.plan[name] for name in ("title", "category", "place_name", "description", "shifts")
    }


def page_of_shifts(activity: Activity, query: Mapping[str, Any], caller_id: UUID | None) -> Page:
    """An activity's shifts by their start."""
    now = clock.now()
    found = page(
        select(Shift).where(Shift.activity_id == activity.id),
        [Key(Shift.starts_at, read=lambda item: item.starts_at), Key(Shift.id, read=lambda item: item.id)],
        query,
        scope=str(activity.id),
    )
    views = _shift_views_with_roles([(activity, shift) for shift in found.items], caller_id, now)
    return Page(views, found.next_cursor)


def read_shift(shift: Shift, caller_id: UUID | None) -> dict[str, Any]:
    """One shift as it is for the caller."""
    now = clock.now()
    return _shift_views_with_roles([(fresh_activity(shift.activity_id), shift)], caller_id, now)[0]


@cache
def activities_with_names() -> Select[*tuple[Any, ...]]:
    """The columns of Activity, `organization_name` and `team_name`: rows, which cost a list less than objects."""
    # Looked up for each row of the answer, not joined: a search that has yet to find these reads the activities alone.
    organization_name = select(Organization.name).where(Organization.id == Activity.organization_id).correlate(Activity)
    team_name = select(Team.name).where(Team.id == Activity.team_id).correlate(Activity)
    names = organization_name.label("organization_name"), team_name.label("team_name")
    return select(*Activity.__table__.c, *names).select_from(Activity)


def last_promotion(now: datetime) -> datetime:
    """Shifts that start later than this still take people on their waitlists."""
    return now + timedelta(minutes=rules().promotion_closes_minutes)


def takes_somebody(now: Any, closes: Any, *, in_free_place: bool = False) -> list[ColumnElement[bool]]:
    """The judgment of a sign-up in SQL, as far as it does not depend on who asks; `closes` is `last_promotion`.

    Both may be parameters that will hold these moments. `in_free_place`: not on the waitlist alone.
    """
    # While free places promote, whoever still waits beside one can't have it.
    free = [Shift.confirmed_count < Shift.capacity] if in_free_place else []
    return [
        Activity.sign_up_mode != SignUpMode.INVITATION,
        Shift.activity_id == Activity.id,
        Shift.canceled_at.is_(None),
        Shift.ends_at > now,
        or_(Shift.sign_up_closes_at.is_(None), Shift.sign_up_closes_at > now),
        or_(
            Shift.capacity.is_(None),
            and_(Shift.starts_at > closes, *free),
            Shift.confirmed_count + Shift.waitlisted_count - _cannot_have_one() < Shift.capacity,
        ),
    ]


def _cannot_have_one() -> ColumnElement[int]:
    """How many of those who wait for a shift can't have a free place of it, as their role is full."""
    free = ShiftRole.capacity - ShiftRole.confirmed_count
    beyond = case((ShiftRole.waitlisted_count > free, ShiftRole.waitlisted_count - free), else_=0)
    return (
        select(func.coalesce(func.sum(beyond), 0))
        .where(ShiftRole.shift_id == Shift.id, ShiftRole.waitlisted_count > 0)
        .correlate(Shift)
        .scalar_subquery()
    )


def activity_view(row: Any, shifts: list[dict[str, Any]]) -> dict[str, Any]:
    """An activity as it is answered; a row of `activities_with_names`."""
    return {
        **{name: getattr(row, name) for name in ACTIVITY_MEMBERS},
        "place": place_of(row),
        "recurrence": recurrence.loaded(row.recurrence),
        "organization_name": row.organization_name,
        "team_name": row.team_name,
        "shifts": shifts,
    }


def place_of(row: Any) -> dict[str, float] | None:
    """WGS-84, None where the row's activity has no place."""
    return None if row.latitude is None else {"lat": row.latitude, "lng": row.longitude}


def shift_views(
    planned: Sequence[tuple[Any, ListedShift]], caller_id: UUID | None, now: datetime, facts: Any
) -> list[dict[str, Any]]:
    """Shifts as they are answered to the caller, in their order; `facts` are what was read of `caller_facts`."""
    found = prospects(caller_id, planned, now, facts=facts)
    views = [shift._asdict() for _, shift in planned]
    for view, prospect in zip(views, found, strict=True):
        view.update(_prospect_view(prospect))
    return views


def _shift_views_with_roles(
    planned: Planned, caller_id: UUID | None, now: datetime, facts: Any = None
) -> list[dict[str, Any]]:
    """Shifts with their roles as they are answered, all of them judged together."""
    parts = roles_of([shift.id for _, shift in planned])
    asked = [(activity, shift, role) for activity, shift in planned for role in (None, *parts[shift.id])]
    found = prospects(
        caller_id, [(activity, shift) for activity, shift, _ in asked], now, [role for _, _, role in asked], facts
    )
    views: list[dict[str, Any]] = []
    for (_, shift, role), prospect in zip(asked, found, strict=True):
        if role is None:
            views.append(_shift_view(shift, prospect) | {"roles": []})
        else:
            members = {name: getattr(role, name) for name in ROLE_MEMBERS}
            views[-1]["roles"].append(members | _prospect_view(prospect))
    return views


def refusal_view(refusal: Problem) -> dict[str, Any]:
    """A refusal as it is answered beforehand, with what the problem's body would name."""
    return {
        "code": refusal.code,
        "detail": refusal.sentence(),
        "reasons": refusal.members.get("reasons", []),
        **{name: refusal.members.get(name) for name in ("sign_up_id", "sign_up_state", "shift_id")},
    }


def _shift_view(shift: Shift, prospect: Prospect) -> dict[str, Any]:
    return dict(zip(SHIFT_MEMBERS, _shift_members(shift), strict=True)) | _prospect_view(prospect)


def _prospect_view(prospect: Prospect) -> dict[str, Any]:
    refusal = prospect.refusal
    return {
        "can_sign_up": refusal is None,
        "would_be": prospect.would_be,
        "refusal": refusal_view(refusal) if refusal is not None else None,
    }
