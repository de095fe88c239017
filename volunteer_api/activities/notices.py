"""What people hear of an activity on its way to the public."""

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from sqlalchemy import select

from volunteer_api.activities.leaders import who_hears_of
from volunteer_api.activities.models import Activity
from volunteer_api.core.database import db
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.models import NotificationKind
from volunteer_api.notifications.service import Notice, notify_all, notify_each
from volunteer_api.notifications.templates import register
from volunteer_api.organizations.access import Permission, holders_near
from volunteer_api.organizations.models import Organization

SUBMITTED = register(
    "activity_submitted", "An activity waits for you", "%(activity)s waits to be published.", Group.REVIEWS
)
PUBLISHED = register("activity_published", "Your activity is public", "%(activity)s was published.", Group.ACTIVITIES)
# Of the organizations in one notice.
MOST_NAMED = 10
COPIED = register(
    "activity_copied",
    "An activity was planned for you",
    "A draft of %(activity)s was made for %(organizations)s. Change it where needed, and publish it.",
    Group.REVIEWS,
)
COPIED_AND_PUBLISHED = register(
    "activity_copied_and_published",
    "An activity of yours is public",
    "%(activity)s was planned and published for %(organizations)s.",
    Group.ACTIVITIES,
)
LEADER_NAMED = register(
    "activity_leader_named",
    "You are named as a leader",
    "You are named as a leader of %(activity)s: you are shown with it, and you see and decide who takes part. If you "
    "do not want that, take yourself off its leaders.",
    Group.ACTIVITIES,
)
PARTNER_NAMED = register(
    "co_organizer_named",
    "Your organization is named as a co-organizer",
    "%(holder)s names %(organization)s as a co-organizer of %(activity)s.",
    Group.ACTIVITIES,
)
PARTNER_DECLINED = register(
    "co_organizer_declined",
    "A co-organizer is no longer with you",
    "%(organization)s does not hold %(activity)s together with you: %(reason)s",
    Group.ACTIVITIES,
)


def tell_of_submission(activity: Activity, *, by: UUID | None) -> None:
    """Tell those of the nearest organization that has any who could publish it, but not who submitted it."""
    near = holders_near(activity.organization_id, Permission.ACTIVITY_PUBLISH, without=_those(by))
    tell(SUBMITTED, activity, near, once=f"{activity.id}:{activity.version}")


def tell_of_return(activity: Activity, *, reason: str) -> None:
    """Tell its maker why it comes back, and those who could change it where she no longer can."""
    kind = NotificationKind.ACTIVITY_RETURNED
    told = dict.fromkeys([activity.created_by, *who_hears_of(activity)])
    tell(kind, activity, told, once=f"{activity.id}:{activity.version}", reason=reason)


def tell_of_publication(activity: Activity, *, by: UUID | None) -> None:
    """Tell its maker, where somebody else published it."""
    if by not in (None, activity.created_by):
        tell(PUBLISHED, activity, [activity.created_by], once=str(activity.id))


def tell_of_copies(copies: Mapping[UUID, UUID], original: Activity, *, published: bool, by: UUID) -> None:
    """Tell those who publish for the organizations of copies of theirs; whoever answers for several, in one notice."""
    names = {
        row.id: row.name
        for row in db.session.execute(select(Organization.id, Organization.name).where(Organization.id.in_(copies)))
    }
    whose: dict[UUID, list[UUID]] = {}
    for organization_id in copies:
        for volunteer_id in holders_near(organization_id, Permission.ACTIVITY_PUBLISH, without=[by]):
            whose.setdefault(volunteer_id, []).append(organization_id)
    kind = COPIED_AND_PUBLISHED if published else COPIED
    notices = []
    for volunteer_id, places in whose.items():
        told = "、".join(names[one] for one in places[:MOST_NAMED]) + ("…" if len(places) > MOST_NAMED else "")
        first = str(copies[places[0]])
        values = {"activity": original.title, "activity_id": first, "organizations": told}
        notices.append(Notice(volunteer_id, kind, values, f"{kind}:{first}:{volunteer_id}"))
    notify_all(notices)


def tell_leaders(activity: Activity, leader_ids: Iterable[UUID], *, by: UUID | None) -> None:
    """Tell those who are named now to lead a public activity, but not who named herself."""
    tell(LEADER_NAMED, activity, sorted(set(leader_ids) - {by}), once=f"{activity.id}:{activity.version}")


def tell_partners(activity: Activity, partner_ids: Collection[UUID], *, by: UUID | None) -> None:
    """Tell those who publish for the organizations that are named now to hold it too."""
    if not partner_ids:
        return
    named = select(Organization.id, Organization.name).where(
        Organization.id.in_([activity.organization_id, *partner_ids])
    )
    names = {row.id: row.name for row in db.session.execute(named)}
    for partner_id in sorted(partner_ids):
        near = holders_near(partner_id, Permission.ACTIVITY_PUBLISH, without=_those(by))
        # Who declined and is named again hears of it again.
        once = f"{activity.id}:{partner_id}:{activity.version}"
        values = {"holder": names[activity.organization_id], "organization": names[partner_id]}
        tell(PARTNER_NAMED, activity, near, once=once, **values)


def tell_of_decline(activity: Activity, partner_id: UUID, *, reason: str, by: UUID | None) -> None:
    """Tell those who could publish it, and its maker, that an organization does not hold it with them."""
    near = holders_near(activity.organization_id, Permission.ACTIVITY_PUBLISH, without=_those(by))
    told = {*near, activity.created_by} - {by}
    name = db.session.get_one(Organization, partner_id).name
    once = f"{activity.id}:{partner_id}:{activity.version}"
    tell(PARTNER_DECLINED, activity, sorted(told), once=once, organization=name, reason=reason)


def _those(by: UUID | None) -> list[UUID]:
    return [by] if by is not None else []


def tell(kind: str, activity: Activity, volunteer_ids: Iterable[UUID], *, once: str, **values: str) -> None:
    """Tell people something of an activity, in one statement; see `notify_each`."""
    notify_each(volunteer_ids, kind, {"activity": activity.title, "activity_id": str(activity.id), **values}, once=once)
