"""One activity planned for many organizations, and activities kept as patterns for days to come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select

from volunteer_api.activities import notices, photos, queries, references, roles, service
from volunteer_api.activities.models import Activity, ActivityState, Shift, Template
from volunteer_api.activities.problems import NothingToCome, NothingToKeep, TemplateExists
from volunteer_api.activities.recurrence import first_local_day, on_day
from volunteer_api.activities.shifts import outside_campaign
from volunteer_api.core import clock
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.settings import settings
from volunteer_api.organizations.access import require_open

MOST_SHIFTS = 100
# What a copy and a pattern take over; the team, the station and the leaders are those of one organization.
COPIED = (
    "title",
    "category",
    "radius_m",
    "place_name",
    "description",
    "sign_up_mode",
    "recipients",
    "minimum_age",
    "maximum_age",
    "members_only",
    "required_skills",
    "required_training_ids",
    "hazardous",
)
# Without these a copy would take whom the original does not: it stays a draft.
CONDITIONS = {"members_only", "required_training_ids"}


@dataclass(frozen=True)
class Copy:
    """A copy for an organization, or a plan after a pattern; `left_out` are the members that it does without."""

    id: UUID
    organization_id: UUID
    left_out: list[str]

    @property
    def has_all_conditions(self) -> bool:
        """Whether it takes nobody whom the original does not."""
        return CONDITIONS.isdisjoint(self.left_out)


def copy_to(
    activity: Activity, organization_ids: Sequence[UUID], *, by: Principal, publish: bool = False, again: bool = False
) -> dict[str, Any]:
    """A draft like this activity for each of the organizations, all or none, with its next hundred shifts to come.

    An organization that has a copy already, but for a canceled one, is named in `copied_before` and gets no other one,
    unless `again`: a second tap under a new key would plan everything twice. With `publish` the copies are public at
    once, but for those that had to leave out a condition for taking part; whether the caller may do that in each, she
    has judged. Those who publish there hear of their copies.

    The place, the campaign and the photos go with it; who holds the copy names its own team, station and leaders, and
    says whether it is for members only. The campaign and required trainings of an organization that is neither above
    nor below the copy's are left out. Raises NothingToCome (409) where every shift has begun, OrganizationClosed (409).
    """
    # A canceled activity may be planned anew; of another one, a canceled shift is not wanted.
    coming = _shifts(activity, Shift.starts_at > clock.now(), whatever=activity.state == ActivityState.CANCELED)
    if not coming:
        raise NothingToCome()
    parts = roles.patterns_of([shift.id for shift in coming])
    shifts = [
        {name: getattr(shift, name) for name in ("starts_at", "ends_at", "capacity", "minimum", "sign_up_closes_at")}
        | {"roles": parts[shift.id]}
        for shift in coming
    ]
    before = {} if again else _copied_before(activity, organization_ids)
    made = [_copy(activity, one, shifts, by=by) for one in dict.fromkeys(organization_ids) if one not in before]
    db.session.flush()
    public = [one for one in made if publish and one.has_all_conditions]
    for one in public:
        service.publish(db.session.get_one(Activity, one.id), by=by.volunteer_id)
    drafts = [one for one in made if one not in public]
    for some, published in ((public, True), (drafts, False)):
        if some:
            whose = {one.organization_id: one.id for one in some}
            notices.tell_of_copies(whose, activity, published=published, by=by.volunteer_id)
    known = [{"id": copy_id, "organization_id": organization_id} for organization_id, copy_id in before.items()]
    return {"items": made, "copied_before": known}


def _copied_before(activity: Activity, organization_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Which of the organizations have a copy that was not canceled: the first of each. Who copies it too waits."""
    db.session.execute(select(Activity.id).where(Activity.id == activity.id).with_for_update(key_share=True))
    copies = (
        select(Activity.organization_id, Activity.id)
        .where(
            Activity.copied_from_id == activity.id,
            Activity.organization_id.in_(organization_ids),
            Activity.state != ActivityState.CANCELED,
        )
        .order_by(Activity.id)
    )
    found: dict[UUID, UUID] = {}
    for row in db.session.execute(copies):
        found.setdefault(row.organization_id, row.id)
    return {one: found[one] for one in dict.fromkeys(organization_ids) if one in found}


def _copy(activity: Activity, organization_id: UUID, shifts: Sequence[Mapping[str, Any]], *, by: Principal) -> Copy:
    members = _copied({name: getattr(activity, name) for name in COPIED})
    members |= {"campaign_id": activity.campaign_id, "place": activity.place, "members_only": False}
    wanted = set(members["required_training_ids"])
    members["required_training_ids"] = theirs = references.trainings_on_one_branch(organization_id, wanted)
    left_out = ["members_only"] if activity.members_only else []
    left_out += ["required_training_ids"] if theirs != wanted else []
    # One that was planned before the campaign's days were changed is copied without it.
    outside = outside_campaign(activity.campaign_id, [shift["starts_at"] for shift in shifts])
    if outside or not references.on_one_branch(organization_id, {"campaign_id": activity.campaign_id}):
        members["campaign_id"] = None
        left_out += ["campaign_id"] if activity.campaign_id is not None else []
    made = service.create_activity(by=by, organization_id=organization_id, shifts=shifts, **members)
    made.copied_from_id = activity.id
    photos.copy(activity.id, made.id)
    return Copy(made.id, organization_id, sorted(left_out))


def keep_as_template(activity: Activity, *, organization_id: UUID, name: str) -> Template:
    """Keep an activity as a pattern of an organization.

    Raises OrganizationClosed, TemplateExists, NothingToKeep (409) where it has no shifts.
    """
    require_open(organization_id)
    there = select(Template.id).where(Template.organization_id == organization_id, Template.name == name)
    if db.session.scalar(there) is not None:
        raise TemplateExists(name=name)
    template = Template(organization_id=organization_id, name=name, plan=_plan_of(activity))
    db.session.add(template)
    db.session.flush()
    return template


def rename(template: Template, *, name: str | None = None) -> dict[str, Any]:
    """Give a pattern another name; gives it back as it is answered. Raises TemplateExists (409)."""
    name = name or template.name
    there = select(Template.id).where(Template.organization_id == template.organization_id, Template.name == name)
    if name != template.name and db.session.scalar(there) is not None:
        raise TemplateExists(name=name)
    template.name = name
    db.session.flush()
    return queries.template_view(template)


def delete_template(template: Template) -> None:
    """Delete a pattern; what was planned from it stays."""
    db.session.delete(template)


def plan_from(template: Template, *, on: date, organization_id: UUID, by: Principal, **given: Any) -> Copy:
    """A draft after a pattern whose first shift begins on that local day; what is given stands for the pattern's.

    One for members only is so where their team is given, and else says in `left_out` that it is not.
    Raises InvalidPayload (422) where the pattern asks for trainings of another branch and none are given instead: which
    of theirs count for it, and whether none are needed, is for who plans to say. Raises what `create_activity` raises.
    """
    plan = template.plan
    shifts = [
        dict(zip(("starts_at", "ends_at"), _moments(on, shift), strict=True))
        # A pattern that an earlier release kept has no roles, nor when sign-ups close.
        | {"capacity": shift["capacity"], "minimum": shift["minimum"], "roles": shift.get("roles", [])}
        | _closing(on, shift)
        for shift in plan["shifts"]
    ]
    members = _copied(plan)
    left_out = ["members_only"] if members.get("members_only") and given.get("team_id") is None else []
    members |= dict.fromkeys(left_out, False)
    if "required_training_ids" not in given:
        references.require_own_trainings(organization_id, members["required_training_ids"])
    # At another station than the pattern's it is where that one is.
    is_elsewhere = given.get("station_id") not in (None, _station_of(plan))
    place = None if is_elsewhere else plan["place"]
    made = service.create_activity(
        by=by, organization_id=organization_id, place=place, shifts=shifts, **members | given
    )
    return Copy(made.id, organization_id, left_out)


def _station_of(plan: Mapping[str, Any]) -> UUID | None:
    # A pattern that an earlier release kept names none.
    return UUID(plan["station_id"]) if plan.get("station_id") else None


def _copied(members: Mapping[str, Any]) -> dict[str, Any]:
    # A pattern that an earlier release kept has fewer members.
    found = {name: members[name] for name in COPIED if name in members}
    return found | {"required_training_ids": [UUID(one) for one in found.get("required_training_ids", ())]}


def _plan_of(activity: Activity) -> dict[str, Any]:
    shifts = _shifts(activity, whatever=True)
    if not shifts:
        raise NothingToKeep()
    first = first_local_day([{"starts_at": shift.starts_at} for shift in shifts])
    parts = roles.patterns_of([shift.id for shift in shifts])
    return {name: getattr(activity, name) for name in COPIED} | {
        "place": activity.place,
        "station_id": str(activity.station_id) if activity.station_id is not None else None,
        "shifts": [_pattern_of(shift, first) | {"roles": parts[shift.id]} for shift in shifts],
    }


def _pattern_of(shift: Shift, first: date) -> dict[str, Any]:
    local, closes = shift.starts_at.astimezone(settings().zone), shift.sign_up_closes_at
    return {
        "day": (local.date() - first).days,
        "starts": f"{local:%H:%M}",
        # What is shorter than a minute would be nothing, and no shift.
        "duration_minutes": max(1, round((shift.ends_at - shift.starts_at).total_seconds() / 60)),
        "sign_up_closes_minutes": None if closes is None else round((shift.starts_at - closes).total_seconds() / 60),
        "capacity": shift.capacity,
        "minimum": shift.minimum,
    }


def _closing(first: date, shift: Mapping[str, Any]) -> dict[str, Any]:
    minutes = shift.get("sign_up_closes_minutes")
    return {} if minutes is None else {"sign_up_closes_at": _moments(first, shift)[0] - timedelta(minutes=minutes)}


def _moments(first: date, shift: Mapping[str, Any]) -> tuple[Any, Any]:
    return on_day(
        first + timedelta(days=shift["day"]),
        time.fromisoformat(shift["starts"]),
        # One that an earlier release kept may be of none.
        timedelta(minutes=max(1, shift["duration_minutes"])),
    )


def _shifts(activity: Activity, *conditions: ColumnElement[bool], whatever: bool = False) -> list[Shift]:
    """The first hundred shifts of the activity that are not canceled; where there are none and `whatever`, of all."""
    statement = select(Shift).where(Shift.activity_id == activity.id, *conditions)
    in_order = statement.order_by(Shift.starts_at, Shift.id).limit(MOST_SHIFTS)
    alive = db.session.scalars(in_order.where(Shift.canceled_at.is_(None))).all()
    return list(db.session.scalars(in_order) if whatever and not alive else alive)
