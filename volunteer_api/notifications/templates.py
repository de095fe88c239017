"""What each kind of notification says. English sources; the catalogs translate them when the inbox is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from volunteer_api.core import listing, texts
from volunteer_api.core.told_times import told_span
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.models import NotificationKind


@dataclass(frozen=True)
class Template:
    """A title, and a body which the notification's values fill.

    `%(name)s` is the name of the person `person_id`; `%(activity)s` is told with its shift's time, and with that of
    before where the shift was moved: `starts_at`, `ends_at`, and the same after `before_`, which are those of the first
    of `shift_count` shifts where it is of several. `%(reason_sentence)s` is the `reason` with a stop, for more to
    follow. `without` has the bodies of values that lack a member.
    """

    title: str
    body: str
    group: Group
    without: Mapping[str, str] = field(default_factory=dict)


TEMPLATES: dict[str, Template] = {
    NotificationKind.SIGN_UP_CONFIRMED: Template(
        "Your place is confirmed", "You are signed up for %(activity)s.", Group.SIGN_UPS
    ),
    NotificationKind.SIGN_UP_WAITLISTED: Template(
        "You are on the waitlist", "%(activity)s is full. You move up as soon as a place is free.", Group.SIGN_UPS
    ),
    NotificationKind.SIGN_UP_PROMOTED: Template(
        "A place is yours", "A place in %(activity)s became free, and it is yours.", Group.SIGN_UPS
    ),
    NotificationKind.ACTIVITY_CANCELED: Template(
        "Activity canceled",
        "%(activity)s is canceled: %(reason)s",
        Group.SIGN_UPS,
        {"reason": "%(activity)s is canceled."},
    ),
    NotificationKind.ACTIVITY_RETURNED: Template(
        "Activity returned", "%(activity)s came back to you to be changed: %(reason)s", Group.ACTIVITIES
    ),
    NotificationKind.HOURS_CREDITED: Template(
        "Service time credited", "%(minutes)s minutes were credited to you for %(activity)s.", Group.HOURS
    ),
    NotificationKind.MEMBERSHIP_ACCEPTED: Template(
        "Welcome to the team", "You are now a member of %(team)s.", Group.TEAMS
    ),
    NotificationKind.MEMBERSHIP_INVITED: Template(
        "You are invited to a team", "%(team)s asks you to join. Accept it or turn it down.", Group.TEAMS
    ),
    NotificationKind.MEMBERSHIP_REQUESTED: Template(
        "Somebody asks to join", "%(name)s asks to join %(team)s. Accept it or turn it down.", Group.TEAMS
    ),
    NotificationKind.LEADERSHIP_CHANGED: Template(
        "The team has a new leader", "%(name)s now leads %(team)s.", Group.TEAMS
    ),
    NotificationKind.GRANT_GIVEN: Template(
        "You have a new role", "You now hold the role of %(role)s at %(scope)s.", Group.ROLES
    ),
    NotificationKind.GRANT_REVOKED: Template(
        "A role of yours has ended", "You no longer hold the role of %(role)s at %(scope)s.", Group.ROLES
    ),
    NotificationKind.ERASURE_REQUESTED: Template(
        "Your account will be erased", "It is erased on %(day)s. Until then you can take this back.", Group.SECURITY
    ),
    NotificationKind.ERASURE_NEAR: Template(
        "Your account is erased soon",
        "It is erased on %(day)s, and with it what we know of you. This is the last chance to take it back.",
        Group.SECURITY,
    ),
    NotificationKind.ERASURE_TAKEN_BACK: Template(
        "Your account stays", "It is not erased: that was taken back.", Group.SECURITY
    ),
    NotificationKind.TOKEN_REUSED: Template(
        "A device was signed out",
        "Somebody may have copied its key. If it was not your own phone, restored from a backup, end the other "
        "sessions and set a new password.",
        Group.SECURITY,
    ),
    NotificationKind.PHONE_CHANGED: Template(
        "Your number was changed",
        "You now sign in with %(phone)s. If that was not you, set a new password and end the other sessions at once.",
        Group.SECURITY,
    ),
    NotificationKind.PHONE_RELEASED: Template(
        "Your number belongs to somebody else now",
        "The owner of %(phone)s opened an account. Give us your new number; your account keeps all else.",
        Group.SECURITY,
    ),
    NotificationKind.PASSWORD_CHANGED: Template(
        "Your password was changed",
        "If that was not you, reset it with a code to your phone and end the other sessions at once.",
        Group.SECURITY,
    ),
    NotificationKind.GUARDIAN_WITHDREW: Template(
        "Your guardian withdrew the consent",
        "A guardian has to consent again, or somebody has to be named to call.",
        Group.SECURITY,
    ),
    NotificationKind.GUARDIAN_NEEDED: Template(
        "Your guardian withdrew the consent",
        "Your account is erased on %(day)s unless a guardian consents before, when you sign in.",
        Group.SECURITY,
    ),
    NotificationKind.SIGNED_IN_ELSEWHERE: Template(
        "Somebody signed in on a new device",
        "Your account was opened on a device that it did not know. If that was not you, end its session and set a new "
        "password at once.",
        Group.SECURITY,
    ),
}


WORDS: dict[str, Mapping[str, texts.Word]] = {}


def register(kind: str, title: str, body: str, group: Group, *, without: Mapping[str, str] | None = None) -> str:
    """Add a kind of notification of a feature to the right, with English sources; returns the kind."""
    TEMPLATES[kind] = Template(title, body, group, without or {})
    return kind


@listing.listed(
    "Kinds of notifications",
    "The kind of a notification, by its title and body; it says which screen to open.",
    "notifications",
)
def kinds() -> list[listing.Entry]:
    """All kinds that there are, of features to the right too."""
    return [listing.Entry(kind, (template.title, template.body)) for kind, template in TEMPLATES.items()]


def tell_in_words(member: str, words: Mapping[str, texts.Word]) -> None:
    """Let the codes that this member of values has be told in words; what is none of them is told as it is."""
    WORDS[member] = words


def render(kind: str, values: Mapping[str, str]) -> tuple[str, str]:
    """The title and the body in the reader's language. Raises KeyError for an unknown kind or a missing value."""
    template = TEMPLATES[kind]
    body = next((body for member, body in template.without.items() if member not in values), template.body)
    return texts.translate(template.title), texts.translate(body) % _told(values)


def group_of(kind: str) -> Group:
    """The group of a kind, under which its reader switches it on and off. Raises KeyError for an unknown kind."""
    return TEMPLATES[kind].group


def _told(values: Mapping[str, str]) -> dict[str, str]:
    """The values as a sentence has them."""
    # Some older rows name nobody.
    told = {"name": texts.translate("A volunteer"), **values}
    told |= {name: texts.translate(words[told[name]]) for name, words in WORDS.items() if told.get(name) in words}
    if "reason" in told:
        told["reason_sentence"] = texts.as_sentence(told["reason"])
    times = [_span(values, prefix) for prefix in ("before_", "") if prefix + "starts_at" in values]
    if "activity" in values and times:
        told["activity"] = _told_activity(values, " → ".join(times))
    return told


def _told_activity(values: Mapping[str, str], when: str) -> str:
    activity, count = values["activity"], values.get("shift_count")
    if count is None:
        return texts.translate("%(activity)s (%(when)s)", activity=activity, when=when)
    return texts.translate(
        "%(activity)s (%(when)s, the first of %(count)s shifts)", activity=activity, when=when, count=count
    )


def _span(values: Mapping[str, str], prefix: str) -> str:
    # Older rows don't tell the end.
    ends_at = values.get(prefix + "ends_at")
    starts_at = datetime.fromisoformat(values[prefix + "starts_at"])
    return told_span(starts_at, datetime.fromisoformat(ends_at) if ends_at is not None else None)
