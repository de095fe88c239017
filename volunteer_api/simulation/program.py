"""What a simulated district does: one-off activities, weekly ones and street duties of every weekday, day by day."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta
from functools import cache
from itertools import accumulate
from random import Random

import orjson

from volunteer_api.accounts.categories import Category
from volunteer_api.activities.models import THOUSANDTHS, ActivityState
from volunteer_api.activities.search_text import grams_of, names_kept, spellings_of, text_of
from volunteer_api.core.geo import cell_of
from volunteer_api.demo.program import THEMES as OF_THE_DEMO
from volunteer_api.demo.program import Theme
from volunteer_api.simulation.ground import Effort, Ground, Host, moment_of
from volunteer_api.simulation.loading import NULL, Loader
from volunteer_api.simulation.plan import Plan
from volunteer_api.simulation.texts import Kind, Moments, id_text

COLUMNS = {
    "activities": (
        *("id", "created_at", "version", "title", "category", "organization_id", "organization_path_id", "team_id"),
        *("station_id", "campaign_id", "latitude", "longitude", "cell", "place_name", "sign_up_mode", "members_only"),
        *("required_skills", "required_training_ids", "hazardous", "state", "created_by", "published_at"),
        *("completed_at", "canceled_at", "cancellation_reason", "outcomes", "recipients"),
    ),
    "activity_leaders": ("activity_id", "volunteer_id"),
    "activity_outcomes": ("activity_id", "kind", "unit", "quantity"),
    "activity_texts": ("activity_id", "text", "names"),
    "activity_grams": ("gram", "activity_id"),
    "shifts": (
        *("id", "created_at", "version", "activity_id", "starts_at", "ends_at", "capacity", "canceled_at"),
        *("confirmed_count", "waitlisted_count"),
    ),
}
# With those of the demo, every category has some.
THEMES = (
    *OF_THE_DEMO,
    Theme("{place}困难家庭走访慰问", Category.POVERTY_RELIEF, ("households_visited", 8, "household")),
    Theme("{place}助残出行陪伴", Category.DISABILITY_SUPPORT, ("people_served", 6, "person")),
    Theme("{place}四点半课堂", Category.EDUCATION_SUPPORT, ("children", 20, "person")),
    Theme("{place}广场文艺演出", Category.CULTURE_AND_SPORTS, ("audience", 200, "person")),
    Theme("{place}科普进社区", Category.SCIENCE_POPULARIZATION, ("audience", 50, "person")),
    Theme("{place}法律咨询日", Category.LEGAL_SERVICE, ("people_served", 15, "person")),
    Theme("{place}防汛值守", Category.EMERGENCY_RELIEF, ("times", 1, "time")),
    Theme("{place}健步走活动保障", Category.LARGE_EVENT, ("people_served", 300, "person")),
    Theme("{place}文明餐桌宣传", Category.CIVILITY_PROMOTION, ("leaflets", 150, "piece")),
)
STARTS = (time(8, 30), time(9), time(14, 30), time(15), time(18, 30))
LENGTHS = tuple(60 * minutes for minutes in (90, 120, 120, 150, 180, 240))
PLACES = "{title}党群服务中心"
WEEK = timedelta(days=7)
SMALLEST, LARGEST = 8, 32
# Of a hundred activities: one-off, weekly, canceled before they began; the rest is on every weekday for some weeks.
ONE_OFF, WEEKLY, CANCELED = 35, 40, 1
# Of a hundred activities, so many are held for a campaign.
FOR_CAMPAIGN = 40
PUBLISHED_BEFORE = timedelta(days=5)
# What is over so long is completed, and its outcomes are told.
COMPLETED_AFTER = timedelta(days=2)
RAIN = "气象预警，活动取消。"


@dataclass(frozen=True, slots=True)
class Held:
    """A shift of a published activity that somebody comes to; moments are seconds since 1970, ids texts."""

    shift_id: str
    activity_id: str
    host: Host
    campaign_id: str
    title: str
    place_name: str
    on: date
    starts_at: int
    ends_at: int
    number: int


@dataclass(frozen=True, slots=True)
class _Series:
    activity_id: str
    host: Host
    campaign_id: str
    title: str
    place_name: str
    at: time
    length: int
    published_at: str


class Program:
    """Plans the activities and writes them; the shifts that people come to are handed out to be filled."""

    def __init__(self, plan: Plan, ground: Ground, random: Random, loader: Loader, moments: Moments) -> None:
        self.activity_count = self.shift_count = 0
        self._plan, self._ground, self._random, self._moments = plan, ground, random, moments
        self._lines = {table: loader.lines(table) for table in COLUMNS}
        self._weights = list(accumulate(host.weight for host in ground.hosts))
        self._due: defaultdict[date, list[_Series]] = defaultdict(list)

    def shifts(self, day: date) -> Iterator[Held]:
        """The shifts of a day without end: those that were planned before, then those of new activities.

        Who takes no more calls `cancel_rest`.
        """
        due = self._due[day]
        while due:
            yield self._shift(due.pop(0), day)
        while True:
            yield self._shift(self._begin(day), day)

    def cancel_rest(self, day: date) -> None:
        """Cancel the planned shifts that nobody is left for."""
        for series in self._due.pop(day, ()):
            held = self._shift(series, day)
            self.write_shift(held, confirmed=0, canceled=True)

    def write_shift(self, held: Held, *, confirmed: int, canceled: bool = False) -> None:
        """Write a shift with the number of places that were taken."""
        stored = self._moments.stored
        published = stored(held.starts_at - int(PUBLISHED_BEFORE.total_seconds()))
        capacity = confirmed + 5 if held.number % 3 else NULL
        canceled_at = stored(held.starts_at - 7200) if canceled else NULL
        self._lines["shifts"].append(
            f"{held.shift_id}\t{published}\t1\t{held.activity_id}\t{stored(held.starts_at)}\t{stored(held.ends_at)}"
            f"\t{capacity}\t{canceled_at}\t{confirmed}\t0"
        )

    def _shift(self, series: _Series, day: date) -> Held:
        self.shift_count += 1
        starts_at = moment_of(day, series.at)
        return Held(
            shift_id=id_text(starts_at, Kind.SHIFT, self.shift_count),
            activity_id=series.activity_id,
            host=series.host,
            campaign_id=series.campaign_id,
            title=series.title,
            place_name=series.place_name,
            on=day,
            starts_at=starts_at,
            ends_at=starts_at + series.length,
            number=self.shift_count,
        )

    def _begin(self, day: date) -> _Series:
        """A new activity that is held on this day, and on later ones."""
        random = self._random
        while random.randrange(100) < CANCELED:
            self._announce(day, (), canceled=True)
        kind = random.randrange(100)
        if kind < ONE_OFF:
            later: list[date] = []
        elif kind < ONE_OFF + WEEKLY:
            later = [day + WEEK * number for number in range(1, random.randint(4, 26))]
        else:
            following = (day + timedelta(days=number) for number in range(1, random.randint(14, 35)))
            later = [one for one in following if one.weekday() < 5]
        later = [one for one in later if one <= self._plan.last_on]
        series = self._announce(day, later, canceled=False)
        for one in later:
            self._due[one].append(series)
        return series

    def _announce(self, day: date, later: list[date] | tuple[()], *, canceled: bool) -> _Series:
        """Write an activity, as it stands at the end of the plan."""
        random, stored = self._random, self._moments.stored
        self.activity_count += 1
        host = random.choices(self._ground.hosts, cum_weights=self._weights)[0]
        theme = random.choice(THEMES)
        effort = self._effort(theme, day)
        at, length = random.choice(STARTS), random.choice(LENGTHS)
        title, place_name = theme.title.format(place=host.title), PLACES.format(title=host.title)
        first, last = moment_of(day, at), moment_of(later[-1] if later else day, at) + length
        published = first - int(PUBLISHED_BEFORE.total_seconds())
        own = id_text(published, Kind.ACTIVITY, self.activity_count)
        completed = not canceled and self._plan.last_on - (later[-1] if later else day) >= COMPLETED_AFTER
        state = (
            ActivityState.CANCELED if canceled else ActivityState.COMPLETED if completed else ActivityState.PUBLISHED
        )
        point = f"{host.place[0]}\t{host.place[1]}\t{cell_of(*host.place)}" if host.place else f"{NULL}\t{NULL}\t{NULL}"
        campaign_id = effort.campaign_id if effort is not None else NULL
        kind, quantity, unit = theme.outcome
        told = [{"kind": kind, "quantity": float(quantity), "unit": unit}] if completed else []
        self._lines["activities"].append(
            f"{own}\t{stored(published)}\t1\t{title}\t{theme.category}\t{host.organization_id}\t{host.path_id}"
            f"\t{host.team_id or NULL}\t{host.station_id or NULL}\t{campaign_id}\t{point}\t{place_name}\topen\t0\t[]"
            f"\t[]\t0\t{state}\t{self._ground.administrator_id}\t{stored(published)}"
            f"\t{stored(last + 3600) if completed else NULL}\t{stored(first - 7200) if canceled else NULL}"
            f"\t{RAIN if canceled else NULL}\t{orjson.dumps(told).decode()}\t[]"
        )
        self._lines["activity_leaders"].append(f"{own}\t{host.leader_id}")
        if completed:
            self._lines["activity_outcomes"].append(f"{own}\t{kind}\t{unit}\t{quantity * THOUSANDTHS}")
        names = (host.name, host.team_name, effort.name if effort is not None else "")
        text, grams = _found_by(title, place_name, names)
        self._lines["activity_texts"].append(f"{own}\t{text}\t{_escaped(names_kept(names))}")
        self._lines["activity_grams"].extend([f"{gram}\t{own}" for gram in grams])
        series = _Series(own, host, campaign_id, title, place_name, at, length, stored(published))
        if canceled:
            self.write_shift(self._shift(series, day), confirmed=0, canceled=True)
        return series

    def _effort(self, theme: Theme, day: date) -> Effort | None:
        """The campaign that an activity of the theme serves, if it does."""
        if self._random.randrange(100) >= FOR_CAMPAIGN:
            return None
        running = [effort for effort in self._ground.efforts if effort.first_on <= day <= effort.last_on]
        whole, part = running[0], running[-1]
        return whole if theme.of_campaign else part


@cache
def _found_by(title: str, place_name: str, names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The text that a search looks at, and its grams: as `search_text.index` makes them of an activity."""
    folded = text_of(title, (place_name, *names))
    return _escaped(folded), tuple(sorted(grams_of(folded) | spellings_of(title)))


def _escaped(text: str) -> str:
    return text.replace("\n", "\\n")
