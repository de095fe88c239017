"""Tables of campaigns, activities and their shifts."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.accounts.categories import Category
from volunteer_api.core import clock
from volunteer_api.core.database import JSON_TYPE, Base, Identified, Versioned, one_of
from volunteer_api.core.geo import Place, Spot, cell_of


class SignUpMode(StrEnum):
    """How somebody comes to take part: by signing up, by a leader's approval of that, or only asked by a leader."""

    OPEN = "open"
    APPROVAL = "approval"
    INVITATION = "invitation"


class ActivityState(StrEnum):
    """Where an activity stands; `service.TRANSITIONS` is the table of its moves."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    PUBLISHED = "published"
    COMPLETED = "completed"
    CANCELED = "canceled"


LONGEST_SHIFT = timedelta(hours=24)
# So long after something began one person's word still plans it, or signs up for it. Hours of what is longer ago are a
# backfill, behind which two people stand.
LATEST_WORD = timedelta(hours=2)
# Quantities of outcomes are kept in thousandths: whole numbers add up without a rest.
THOUSANDTHS = 1000
# Public without another look; what was canceled is so where it had been published.
PUBLIC_STATES = (ActivityState.PUBLISHED, ActivityState.COMPLETED)
# Compared by code points, so that what begins with a text is one range of an index whatever the database's language is.
GRAM = String(24).with_variant(String(24, collation="C"), "postgresql")


class Recipient(StrEnum):
    """Whom an activity serves (服务对象)."""

    ELDERLY = "elderly"
    CHILDREN = "children"
    DISABLED = "disabled"
    PATIENTS = "patients"
    STUDENTS = "students"
    OUTDOOR_WORKERS = "outdoor_workers"
    MIGRANTS = "migrants"
    VETERANS = "veterans"
    RESIDENTS = "residents"
    PUBLIC = "public"


class Unit(StrEnum):
    """What outcomes are counted in: one unit for each kind of quantity, so that they add up."""

    METER = "m"
    SQUARE_METER = "m2"
    KILOGRAM = "kg"
    TRUCKLOAD = "truckload"
    PIECE = "piece"
    PERSON = "person"
    HOUSEHOLD = "household"
    TIME = "time"


class KeptFor(StrEnum):
    """Why a shift is otherwise than its rule has it."""

    SIGNED_UP = "signed_up"
    MOVED = "moved"
    CANCELED = "canceled"


class PhotoOf(StrEnum):
    """What a photo of an activity shows: what is planned, or what came of it."""

    PLAN = "plan"
    OUTCOME = "outcome"


class Campaign(Identified, Versioned, Base):
    """A named effort that many activities serve, such as 百万市民清洁家园大行动.

    Its goals are what it wants to reach, each by itself and None where there is none: activities held, people who came
    (人次), minutes served.
    """

    __tablename__ = "campaigns"
    __table_args__ = (
        CheckConstraint("starts_on IS NULL OR ends_on IS NULL OR starts_on <= ends_on", name="days_in_order"),
        CheckConstraint("goal_activities > 0 AND goal_attendances > 0 AND goal_minutes > 0", name="goals_positive"),
        Index("ix_campaigns_organization_id", "organization_id"),
    )

    name: Mapped[str]
    description: Mapped[str | None]
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    goal_activities: Mapped[int | None]
    goal_attendances: Mapped[int | None]
    goal_minutes: Mapped[int | None] = mapped_column(BigInteger)

    @property
    def goals(self) -> dict[str, int | None]:
        """What it wants to reach, None where it has no such goal."""
        return {
            "activities": self.goal_activities,
            "attendances": self.goal_attendances,
            "minutes": self.goal_minutes,
        }


def _cell(context: DefaultExecutionContext) -> int | None:
    given: dict[str, Any] = context.get_current_parameters()  # type: ignore[no-untyped-call]  # SQLAlchemy's own
    latitude, longitude = given.get("latitude"), given.get("longitude")
    return None if latitude is None or longitude is None else cell_of(latitude, longitude)


class Activity(Identified, Versioned, Base):
    """Something that volunteers do together, in one or more shifts.

    `organization_path_id` holds the ancestors that the organization had when the activity was published. Ages are full
    years on the local day on which a shift begins; who takes part has all `required_skills`, has every one of the
    trainings valid on all days of the shift, is a member of its team where it is for `members_only`, and is insured on
    all these days where it is `hazardous`.
    `recurrence` is what its shifts are made from, where they were not given one by one (see recurrence.py).
    `copied_from_id` is the activity that it was copied from. Change the place by `stand_at`: its cell follows.
    `over_at` is when the last of its shifts ends that are not canceled, None without one: triggers on these keep it.
    """

    __tablename__ = "activities"
    __table_args__ = (
        CheckConstraint(one_of("category", Category), name="category"),
        CheckConstraint(one_of("sign_up_mode", SignUpMode), name="sign_up_mode"),
        CheckConstraint(one_of("state", ActivityState), name="state"),
        CheckConstraint("(latitude IS NULL) = (longitude IS NULL)", name="place_is_whole"),
        CheckConstraint("radius_m IS NULL OR radius_m >= 1", name="radius_positive"),
        CheckConstraint("state != 'canceled' OR cancellation_reason IS NOT NULL", name="canceled_with_reason"),
        CheckConstraint("state NOT IN ('published', 'completed') OR published_at IS NOT NULL", name="published_at"),
        CheckConstraint("minimum_age >= 0 AND maximum_age >= 0 AND minimum_age <= maximum_age", name="ages_in_order"),
        Index("ix_activities_organization_path_id", "organization_path_id"),
        Index("ix_activities_organization_id", "organization_id"),
        Index("ix_activities_team_id", "team_id"),
        Index("ix_activities_station_id", "station_id"),
        Index("ix_activities_campaign_id", "campaign_id"),
        Index("ix_activities_created_by", "created_by"),
        Index("ix_activities_copied_from_id", "copied_from_id"),
        # What is looked for nearby is what is to come: years of completed ones stay out of the way. The others are read
        # from it too, so that a look around needs no row of the table.
        Index("ix_activities_state_cell", "state", "cell", "over_at", "latitude", "longitude", "id"),
    )

    title: Mapped[str]
    category: Mapped[str]
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    organization_path_id: Mapped[UUID] = mapped_column(ForeignKey("organization_paths.id"))
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("teams.id"))
    station_id: Mapped[UUID | None] = mapped_column(ForeignKey("stations.id"))
    campaign_id: Mapped[UUID | None] = mapped_column(ForeignKey("campaigns.id"))
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    cell: Mapped[int | None] = mapped_column(BigInteger, default=_cell)
    radius_m: Mapped[int | None]
    place_name: Mapped[str | None]
    description: Mapped[str | None]
    sign_up_mode: Mapped[str] = mapped_column(default=SignUpMode.OPEN)
    minimum_age: Mapped[int | None]
    maximum_age: Mapped[int | None]
    members_only: Mapped[bool] = mapped_column(default=False)
    required_skills: Mapped[list[Any]] = mapped_column(default=list)
    required_training_ids: Mapped[list[Any]] = mapped_column(default=list)
    hazardous: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(default=ActivityState.DRAFT)
    created_by: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    published_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    canceled_at: Mapped[datetime | None]
    cancellation_reason: Mapped[str | None]
    returned_at: Mapped[datetime | None]
    return_reason: Mapped[str | None]
    completion_note: Mapped[str | None]
    outcomes: Mapped[list[Any]] = mapped_column(JSON_TYPE, default=list)
    recipients: Mapped[list[Any]] = mapped_column(JSON_TYPE, default=list, server_default="[]")
    recurrence: Mapped[dict[str, Any] | None] = mapped_column(JSON_TYPE)
    copied_from_id: Mapped[UUID | None] = mapped_column(ForeignKey("activities.id"))
    over_at: Mapped[datetime | None]

    @property
    def place(self) -> dict[str, float] | None:
        """WGS-84, None where the activity has no place."""
        if self.latitude is None or self.longitude is None:
            return None
        return {"lat": self.latitude, "lng": self.longitude}

    def stand_at(self, place: Place | None) -> None:
        """Move it to a place in WGS-84 degrees, or to none."""
        self.latitude, self.longitude = place if place is not None else (None, None)
        self.cell = cell_of(*place) if place is not None else None


SPOT = Spot(Activity.latitude, Activity.longitude, Activity.cell)


class ActivityText(Base):
    """What a search looks at, folded (see search_text.py): its fields, one a line.

    `names` are those of organization, team and campaign as they were when it was made: a renaming shows in them.
    """

    __tablename__ = "activity_texts"

    activity_id: Mapped[UUID] = mapped_column(ForeignKey("activities.id"), primary_key=True)
    text: Mapped[str]
    names: Mapped[str]


class ActivityRename(Base):
    """An organization, team or campaign that has another name since `renamed_at`: its activities are indexed anew."""

    __tablename__ = "activity_renames"

    renamed_id: Mapped[UUID] = mapped_column(primary_key=True)
    renamed_at: Mapped[datetime]


class ActivityGram(Base):
    """A beginning by which an activity is found: two neighboring characters of its text, or a spelling of its title."""

    __tablename__ = "activity_grams"
    __table_args__ = (
        Index("ix_activity_grams_activity_id", "activity_id"),
        # The key is the table: in SQLite it would be stored twice.
        {"sqlite_with_rowid": False},
    )

    gram: Mapped[str] = mapped_column(GRAM, primary_key=True)
    activity_id: Mapped[UUID] = mapped_column(ForeignKey("activities.id"), primary_key=True)


class ActivityLeader(Base):
    """Somebody who leads an activity without leading its team; `named_at` is None of those of an earlier release."""

    __tablename__ = "activity_leaders"
    __table_args__ = (Index("ix_activity_leaders_volunteer_id", "volunteer_id"),)

    activity_id: Mapped[UUID] = mapped_column(ForeignKey("activities.id"), primary_key=True)
    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"), primary_key=True)
    named_at: Mapped[datetime | None] = mapped_column(default=clock.now)


class FormerLeader(Base):
    """Somebody who led a published activity until `left_at`, and is its leader no more, or was so once before.

    `named_at` is None of who planned it where nobody was named, and of whom nobody knows since when.
    """

    __tablename__ = "former_leaders"
    __table_args__ = (Index("ix_former_leaders_volunteer_id", "volunteer_id"),)

    activity_id: Mapped[UUID] = mapped_column(ForeignKey("activities.id"), primary_key=True)
    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"), primary_key=True)
    named_at: Mapped[datetime | None]
    left_at: Mapped[datetime]


class CoOrganizer(Base):
    """An organization that holds an activity together with its own; rankings count the activity for the own alone."""

    __tablename__ = "activity_co_organizers"
    __table_args__ = (Index("ix_activity_co_organizers_organization_id", "organization_id"),)

    activity_id: Mapped[UUID] = mapped_column(ForeignKey("activities.id"), primary_key=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"), primary_key=True)


class ActivityPhoto(Base):
    """A photo of an activity. `position` orders those of one kind."""

    __tablename__ = "activity_photos"
    __table_args__ = (
        CheckConstraint(one_of("shows", PhotoOf), name="shows"),
        Index("ix_activity_photos_file_id", "file_id"),
    )

    activity_id: Mapped[UUID] = mapped_column(ForeignKey("activities.id"), primary_key=True)
    shows: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    file_id: Mapped[UUID] = mapped_column(ForeignKey("files.id"))


class Outcome(Base):
    """What came of a completed activity, in one unit: 350 m of river cleaned. Sums add up over activities."""

    __tablename__ = "activity_outcomes"
    __table_args__ = (CheckConstraint("quantity >= 0", name="quantity_not_negative"),)

    activity_id: Mapped[UUID] = mapped_column(ForeignKey("activities.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    unit: Mapped[str] = mapped_column(primary_key=True)
    # In thousandths.
    quantity: Mapped[int] = mapped_column(BigInteger)


class Template(Identified, Versioned, Base):
    """An activity kept as a pattern: everything but its days. `plan` is in the form of `templates.Plan`."""

    __tablename__ = "activity_templates"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    name: Mapped[str]
    plan: Mapped[dict[str, Any]] = mapped_column(JSON_TYPE)


class Shift(Identified, Versioned, Base):
    """One stretch of time of an activity, half-open, with its places.

    The two counts are changed only together with the sign-ups that they count, under the lock of this row, by plain
    UPDATEs: `version` stands for what a leader edits, and a stranger's sign-up must not make the leader's edit stale.
    `sign_up_closes_at` is None where sign-ups are taken until the end. `cancellation_reason` is what was given to who
    signed up, None where a rule or an end canceled it. `from_recurrence` is the local start that the
    activity's recurrence gave it and `until_recurrence` the end, by the last rule that it went with, None of one that
    was given by itself (and that end of one of an earlier release); `risk_told_at` when its leaders were told that
    it has too few people, None again once it was seen with enough.
    """

    __tablename__ = "shifts"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="starts_before_it_ends"),
        CheckConstraint("capacity IS NULL OR capacity >= 1", name="capacity_positive"),
        CheckConstraint("minimum IS NULL OR minimum >= 1", name="minimum_positive"),
        CheckConstraint("minimum IS NULL OR capacity IS NULL OR minimum <= capacity", name="minimum_fits"),
        CheckConstraint("confirmed_count >= 0 AND waitlisted_count >= 0", name="counts_not_negative"),
        CheckConstraint("capacity IS NULL OR confirmed_count <= capacity", name="capacity_holds"),
        Index("ix_shifts_activity_id", "activity_id", "starts_at"),
        Index("ix_shifts_starts_at", "starts_at"),
        Index("ix_shifts_ends_at", "ends_at"),
    )

    activity_id: Mapped[UUID] = mapped_column(ForeignKey("activities.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    sign_up_closes_at: Mapped[datetime | None]
    capacity: Mapped[int | None]
    minimum: Mapped[int | None]
    canceled_at: Mapped[datetime | None]
    cancellation_reason: Mapped[str | None]
    confirmed_count: Mapped[int] = mapped_column(default=0)
    waitlisted_count: Mapped[int] = mapped_column(default=0)
    from_recurrence: Mapped[datetime | None]
    until_recurrence: Mapped[datetime | None]
    risk_told_at: Mapped[datetime | None]


class ShiftRole(Identified, Base):
    """A part that some of a shift's people play, such as guide or first-aider, with places of its own.

    Its places are among the shift's. Its counts are changed as the shift's are, under the lock of the shift. `position`
    is its place among the shift's roles as they were given; those of an earlier release have none, and stand by name.
    """

    __tablename__ = "shift_roles"
    __table_args__ = (
        CheckConstraint("capacity >= 1", name="capacity_positive"),
        CheckConstraint("confirmed_count >= 0 AND waitlisted_count >= 0", name="counts_not_negative"),
        CheckConstraint("confirmed_count <= capacity", name="capacity_holds"),
        UniqueConstraint("shift_id", "name"),
    )

    shift_id: Mapped[UUID] = mapped_column(ForeignKey("shifts.id"))
    name: Mapped[str]
    position: Mapped[int] = mapped_column(default=0, server_default="0")
    capacity: Mapped[int]
    confirmed_count: Mapped[int] = mapped_column(default=0)
    waitlisted_count: Mapped[int] = mapped_column(default=0)
