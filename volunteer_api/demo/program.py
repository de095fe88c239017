"""What is done in the demo: the activities of the past four weeks and of the week to come."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from random import Random

from volunteer_api.accounts.categories import Category
from volunteer_api.demo.stage import HOME_OFFICE, Place, Stage

CAMPAIGN = "百万市民清洁家园大行动"


@dataclass(frozen=True)
class Theme:
    """A kind of activity; `title` takes the name of the place."""

    title: str
    category: Category
    outcome: tuple[str, int, str]
    of_campaign: bool = False


@dataclass(frozen=True)
class Planned:
    """One activity of an office, or of one of its stations (`station`), with one or two days of shifts."""

    theme: Theme
    office: Place
    station: Place | None
    shifts: tuple[tuple[datetime, datetime], ...]
    people: int
    capacity: int | None
    # Whether somebody shows a code; where not, only a place proves anything.
    shows_code: bool = True

    @property
    def title(self) -> str:
        """The theme at its place."""
        return self.theme.title.format(place=(self.station or self.office).title)


CLEANING = Theme("清洁家园：{place}楼道与小广告清理", Category.ENVIRONMENT_PROTECTION, ("waste", 2, "truckload"), True)
RIVER = Theme("清洁家园：{place}河道垃圾清理", Category.ENVIRONMENT_PROTECTION, ("river_cleaned", 350, "m"), True)
GREEN = Theme("清洁家园：{place}绿化带捡拾白色垃圾", Category.ENVIRONMENT_PROTECTION, ("waste", 40, "kg"), True)
THEMES = (
    CLEANING,
    Theme("{place}文明交通劝导", Category.TRAFFIC_GUIDANCE, ("people_guided", 300, "time")),
    Theme("{place}独居老人上门探访", Category.ELDERLY_CARE, ("households_visited", 12, "household")),
    RIVER,
    Theme("{place}便民服务日：理发、磨刀、量血压", Category.COMMUNITY_SERVICE, ("people_served", 80, "time")),
    Theme("{place}反诈与消防安全宣传", Category.PUBLIC_SAFETY, ("leaflets", 200, "piece")),
    GREEN,
    Theme("{place}少儿阅读陪伴", Category.CHILD_CARE, ("children", 25, "person")),
    Theme("{place}心肺复苏知识讲堂", Category.HEALTH_CARE, ("audience", 60, "person")),
)
# One number for each office in the order of their codes, so that the ranking has winners, ties and a last place.
PAST_ACTIVITIES = (3, 4, 4, 2, 3, 5, 2, 4, 3, 2, 4, 3)
STARTS = (time(8, 30), time(9), time(15), time(19))
LENGTHS = (timedelta(minutes=90), timedelta(hours=2), timedelta(hours=3))
PAST_DAYS = range(-28, -1)
COMING_DAYS = range(1, 8)


def past(stage: Stage) -> list[Planned]:
    """Each office's activities of the past four weeks, the earliest first. The home office's last shows no code."""
    found = [
        _plan(stage, office, number, stage.random.choice(PAST_DAYS), days=2 if number == 1 else 1)
        for office, count in zip(stage.offices, PAST_ACTIVITIES, strict=True)
        for number in range(count)
    ]
    found.sort(key=lambda planned: planned.shifts[0])
    last = max(number for number, planned in enumerate(found) if planned.office.division_code == HOME_OFFICE)
    found[last] = replace(found[last], shows_code=False)
    return found


def coming(stage: Stage) -> Iterator[Planned]:
    """One activity of each office in the week to come, two of the home office: wide open, nearly full and full."""
    for position, office in enumerate(stage.offices):
        day = COMING_DAYS[position % len(COMING_DAYS)]
        capacity = (12, 6, 4)[position % 3]
        people = 5 if office.division_code == HOME_OFFICE else (3, 5, 3)[position % 3]
        yield _plan(stage, office, position, day, people=people, capacity=capacity)
        if office.division_code == HOME_OFFICE:
            yield _plan(stage, office, position + 1, day + 2, people=2, capacity=20)


def _plan(
    stage: Stage,
    office: Place,
    number: int,
    day: int,
    *,
    days: int = 1,
    people: int | None = None,
    capacity: int | None = None,
) -> Planned:
    random: Random = stage.random
    theme = THEMES[(number * 2 + random.randrange(2) + int(office.division_code[-2:])) % len(THEMES)]
    station = random.choice(stage.stations_of(office)) if number % 2 else None
    at, length = random.choice(STARTS), random.choice(LENGTHS)
    starts = [stage.local(day + later, at) for later in range(days)]
    return Planned(
        theme=theme,
        office=office,
        station=station,
        shifts=tuple((start, start + length) for start in starts),
        people=random.randint(3, 6) if people is None else people,
        capacity=capacity,
    )
