"""Who comes to the shifts of a simulated district, and what the hours ledger gets of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from volunteer_api.simulation.ground import Ground
from volunteer_api.simulation.loading import NULL, Loader
from volunteer_api.simulation.plan import Plan
from volunteer_api.simulation.program import LARGEST, SMALLEST, Held, Program
from volunteer_api.simulation.texts import SECONDS_A_DAY, Kind, Moments, id_text

ATTRIBUTION = (
    *("volunteer_id", "team_id", "station_id", "campaign_id", "organization_id", "organization_path_id", "on"),
)
COLUMNS = {
    "sign_ups": (
        *("id", "created_at", "shift_id", "volunteer_id", "state", "late", "withdrawn_at", "withdrawal_reason"),
        *("absent_at", "place_changes", "asked_by_team"),
    ),
    "attendances": (
        *("id", "created_at", "volunteer_id", "shift_id", "state", "grade", "check_in_grade", "check_out_grade"),
        *("checked_in_at", "checked_out_at", "credited_minutes", "held_minutes", "reasons", "check_in_evidence"),
        *("check_out_evidence", "check_in_remarks", "check_out_remarks", "flagged", "check_in_reasons"),
        *("check_out_reasons", "check_out_tapped_at", "reviewed_by", "reviewed_at", "decision_reason"),
    ),
    "service_records": (
        *("id", "created_at", "volunteer_id", "minutes", "source", "attendance_id", "starts_at", "ends_at"),
        *("recorder_id", "reason", "reverses_id", "follows_id", "recorded_at", "activity_id", "shift_id", "station_id"),
        *("team_id", "campaign_id", "organization_id", "organization_path_id", "on", "place_name", "content"),
        "leader_id",
    ),
    "held_attributions": ("attendance_id", *ATTRIBUTION),
}
# Of the volunteers, those who may come, the regulars and the frequent among them; and of a thousand turns, whose they
# are. The rest registered and never came.
COMING, REGULAR, FREQUENT = 0.8, 0.02, 0.18
REGULARS_TURNS, FREQUENT_TURNS = 200, 600
# Of a thousand turns at an organization, so many are of people who live there.
NEAR = 700
# Of ten thousand who signed up: did not come, withdrew; of those who came: rejected, reversed, corrected. And of those
# of the last weeks, held.
ABSENT, WITHDRAWN = 500, 400
REJECTED, REVERSED, CORRECTED = 150, 60, 40
HELD, HELD_WITHIN = 400, timedelta(days=21)
TRIES = 8
REVIEWED_AFTER = 40 * 60
EARLY, LATE = 15 * 60, 8 * 60
LEFT_EARLY, LEFT_LATE = 6 * 60, 15 * 60
ABSENT_AFTER = 73 * 3600
SIGNED_UP_BEFORE = 4 * 24 * 3600
# What does not simply count.
ODD = REJECTED + REVERSED + CORRECTED + HELD
# The minutes that a correction takes away.
CORRECTION = 30
CODE = "simulated"
UNDECIDED = f"{NULL}\t{NULL}\t{NULL}"
# As plain texts: an enumeration's member is slower to write, and these are written millions of times.
_SIGN_UP, _ATTENDANCE, _RECORD = Kind.SIGN_UP.value, Kind.ATTENDANCE.value, Kind.RECORD.value
DOUBTS = '["weak_evidence"]'
SICK, NOBODY_THERE, MISTAKEN, LEFT_BEFORE = "身体不适", "负责人核实未到岗", "重复计时，予以撤销", "提前离岗，更正时长"


class Crowd:
    """Draws who comes: some often, most seldom, mostly from near, and nobody twice on a day."""

    def __init__(self, ids: list[str], communities: int, random: Random) -> None:
        self.ids = ids
        self._draw = random.random
        self._communities = communities
        self._coming = int(len(ids) * COMING)
        self._regular = max(1, int(self._coming * REGULAR))
        self._frequent = max(2, int(self._coming * (REGULAR + FREQUENT)))
        self._busy: set[int] = set()

    def begin_day(self) -> None:
        """Everybody is free."""
        self._busy.clear()

    def next(self, near: tuple[int, ...]) -> str:
        """Somebody who is free, for an organization of these communities."""
        draw, busy = self._draw, self._busy
        for _ in range(TRIES):
            number = self._some(draw(), near)
            if number not in busy:
                break
        while number in busy:
            number = (number + 1) % self._coming
        busy.add(number)
        return self.ids[number]

    def _some(self, chance: float, near: tuple[int, ...]) -> int:
        chance *= 1000
        if chance < REGULARS_TURNS:
            number = int(chance / REGULARS_TURNS * self._regular)
        elif chance < FREQUENT_TURNS:
            share = (chance - REGULARS_TURNS) / (FREQUENT_TURNS - REGULARS_TURNS)
            number = self._regular + int(share * (self._frequent - self._regular))
        else:
            share = (chance - FREQUENT_TURNS) / (1000 - FREQUENT_TURNS)
            number = self._frequent + int(share * (self._coming - self._frequent))
        place = self._draw() * 1000
        if place < NEAR:
            # The number's neighbor who lives there.
            there = near[int(place * len(near) / NEAR)]
            neighbor = number - number % self._communities + there
            return neighbor if neighbor < self._coming else number
        return number


@dataclass(frozen=True, slots=True)
class _Frozen:
    """What all lines of a shift have in common, as they end."""

    record: str
    attribution: str
    may_be_held: bool


class _Record(NamedTuple):
    """What the rows of the ledger of one attendance have in common; `second` and `at` are the check-out."""

    second: int
    at: str
    volunteer_id: str
    attendance_id: str
    span: str
    frozen: str


class Service:
    """Fills shifts: sign-ups, attendances, rows of the ledger. `records` is how many of the latter there are."""

    def __init__(
        self, plan: Plan, ground: Ground, crowd: Crowd, random: Random, loader: Loader, moments: Moments
    ) -> None:
        self.records = 0
        self._plan, self._ground, self._crowd = plan, ground, crowd
        self._draw, self._stored = random.random, moments.stored
        self._randint = random.randint
        self._days, self._times, self._first = moments.days, moments.times, moments.first
        self._sign_ups, self._attendances, self._records, self._held = (loader.lines(table) for table in COLUMNS)
        self._turns = 0
        self._last_second = moments.last_second

    def fill(self, held: Held, most: int) -> int:
        """Let people come until there are some records, at most `most`; returns how many places were taken."""
        end, confirmed = self.records + min(most, self._randint(SMALLEST, LARGEST)), 0
        frozen = self._freeze(held)
        draw, person, near = self._draw, self._crowd.next, held.host.communities
        days, times, first = self._days, self._times, self._first
        sign_ups, shift_id, begins = self._sign_ups, held.shift_id, held.starts_at - 10_800
        while self.records < end:
            volunteer = person(near)
            self._turns += 1
            second = begins - int(draw() * SIGNED_UP_BEFORE)
            head = (
                f"{second * 1000:012x}{_SIGN_UP}{self._turns:015x}\t{days[second // SECONDS_A_DAY - first]}"
                f"{times[second % SECONDS_A_DAY]}\t{shift_id}\t{volunteer}"
            )
            chance = int(draw() * 10_000)
            if chance >= ABSENT + WITHDRAWN:
                sign_ups.append(f"{head}\tconfirmed\t0\t\\N\t\\N\t\\N\t0\t0")
                self._come(held, volunteer, frozen, end - self.records)
                confirmed += 1
            elif chance < ABSENT:
                sign_ups.append(f"{head}\tconfirmed\t0\t\\N\t\\N\t{self._marked_absent(held)}\t0\t0")
                confirmed += 1
            else:
                sign_ups.append(f"{head}\twithdrawn\t0\t{self._stored(held.starts_at - 7200)}\t{SICK}\t\\N\t0\t0")
        return confirmed

    def _freeze(self, held: Held) -> _Frozen:
        host = held.host
        station, team = host.station_id or NULL, host.team_id or NULL
        rest = f"{held.campaign_id}\t{host.organization_id}\t{host.path_id}\t{held.on}"
        return _Frozen(
            record=(
                f"{held.activity_id}\t{held.shift_id}\t{station}\t{team}\t{rest}\t{held.place_name}\t{held.title}"
                f"\t{host.leader_id}"
            ),
            attribution=f"{team}\t{station}\t{rest}",
            may_be_held=self._plan.last_on - held.on <= HELD_WITHIN,
        )

    def _marked_absent(self, held: Held) -> str:
        marked_at = held.ends_at + ABSENT_AFTER
        return self._stored(marked_at) if marked_at <= self._last_second else NULL

    def _come(self, held: Held, volunteer: str, frozen: _Frozen, room: int) -> None:
        """One attendance from check-in to what came of it; `room` is how many records it may have."""
        draw, days, times, first = self._draw, self._days, self._times, self._first
        starts_at, ends_at = held.starts_at, held.ends_at
        came = starts_at - EARLY + int(draw() * (EARLY + LATE))
        left = ends_at - LEFT_EARLY + int(draw() * (LEFT_EARLY + LEFT_LATE))
        begun, over = (came if came > starts_at else starts_at), (left if left < ends_at else ends_at)
        minutes = (over - begun) // 60
        own = f"{came * 1000:012x}{_ATTENDANCE}{self._turns:015x}"
        at = days[came // SECONDS_A_DAY - first] + times[came % SECONDS_A_DAY]
        gone = days[left // SECONDS_A_DAY - first] + times[left % SECONDS_A_DAY]
        record = _Record(
            left,
            gone,
            volunteer,
            own,
            f"{days[begun // SECONDS_A_DAY - first]}{times[begun % SECONDS_A_DAY]}"
            f"\t{days[over // SECONDS_A_DAY - first]}{times[over % SECONDS_A_DAY]}",
            frozen.record,
        )
        evidence = (
            f'{{"client_time":"{at[:10]}T{at[11:19]}+00:00","code":"{CODE}"}}'
            f'\t{{"client_time":"{gone[:10]}T{gone[11:19]}+00:00","code":"{CODE}"}}'
        )
        chance = int(draw() * 10_000)
        if chance >= ODD:
            self._credit(record, minutes)
            self._attendances.append(
                f"{own}\t{at}\t{volunteer}\t{held.shift_id}\tcredited\tstrong\tstrong\tstrong\t{at}\t{gone}\t{minutes}"
                f"\t0\t[]\t{evidence}\t[]\t[]\t0\t[]\t[]\t{gone}\t\\N\t\\N\t\\N"
            )
            return
        state, credited, waiting, decided = self._settle(held, record, frozen, minutes, chance, room)
        grade, doubts = "strong", "[]"
        if chance < REJECTED or waiting:
            grade, doubts, evidence = "weak", DOUBTS, evidence.replace(f',"code":"{CODE}"', "")
        self._attendances.append(
            f"{own}\t{at}\t{volunteer}\t{held.shift_id}\t{state}\t{grade}\t{grade}\t{grade}\t{at}\t{gone}\t{credited}"
            f"\t{waiting}\t{doubts}\t{evidence}\t[]\t[]\t0\t{doubts}\t{doubts}\t{gone}\t{decided}"
        )

    def _settle(
        self, held: Held, record: _Record, frozen: _Frozen, minutes: int, chance: int, room: int
    ) -> tuple[str, int, int, str]:
        """What came of an attendance that did not simply count: state, credited and held minutes, and the decision."""
        administrator = self._ground.administrator_id
        if chance < REJECTED:
            return "rejected", 0, 0, self._decided(record.second, held.host.leader_id, NOBODY_THERE)
        if chance < REJECTED + REVERSED and room >= 2:
            self._reverse(record, minutes, MISTAKEN)
            return "rejected", 0, 0, self._decided(record.second, administrator, MISTAKEN)
        if REJECTED + REVERSED <= chance < REJECTED + REVERSED + CORRECTED and room >= 3 and minutes > CORRECTION:
            reversal = self._reverse(record, minutes, LEFT_BEFORE)
            self._follow(record, minutes - CORRECTION, reversal)
            return "credited", minutes - CORRECTION, 0, self._decided(record.second, administrator, LEFT_BEFORE)
        if chance >= REJECTED + REVERSED + CORRECTED and frozen.may_be_held:
            self._held.append(f"{record.attendance_id}\t{record.volunteer_id}\t{frozen.attribution}")
            return "held", 0, minutes, UNDECIDED
        self._credit(record, minutes)
        return "credited", minutes, 0, UNDECIDED

    def _credit(self, record: _Record, minutes: int) -> str:
        """A credit, as the check-out writes it; returns its id."""
        self.records += 1
        own = f"{record.second * 1000:012x}{_RECORD}{self.records:015x}"
        self._records.append(
            f"{own}\t{record.at}\t{record.volunteer_id}\t{minutes}\tattended\t{record.attendance_id}\t{record.span}"
            f"\t\\N\t\\N\t\\N\t\\N\t{record.at}\t{record.frozen}"
        )
        return own

    def _reverse(self, record: _Record, minutes: int, reason: str) -> str:
        """A credit, and the reversal that an administrator made of it on the same evening; returns the latter's id."""
        credit = self._credit(record, minutes)
        return self._correct(record, -minutes, self._ground.administrator_id, reason, f"{credit}\t{NULL}")

    def _follow(self, record: _Record, minutes: int, reversal: str) -> None:
        """The credit that follows a reversal."""
        self._correct(record, minutes, NULL, LEFT_BEFORE, f"{NULL}\t{reversal}")

    def _correct(self, record: _Record, minutes: int, recorder_id: str, reason: str, links: str) -> str:
        self.records += 1
        second = record.second + REVIEWED_AFTER
        own, at = id_text(second, Kind.RECORD, self.records), self._stored(second)
        self._records.append(
            f"{own}\t{at}\t{record.volunteer_id}\t{minutes}\tattended\t{record.attendance_id}\t{record.span}"
            f"\t{recorder_id}\t{reason}\t{links}\t{at}\t{record.frozen}"
        )
        return own

    def _decided(self, second: int, by: str, reason: str) -> str:
        return f"{by}\t{self._stored(second + REVIEWED_AFTER)}\t{reason}"


def fill_days(plan: Plan, program: Program, crowd: Crowd, service: Service, report: Callable[[date], None]) -> None:
    """Fill every day of the plan up to its number of records; `report` hears of each that is done."""
    for day, target in plan.days():
        crowd.begin_day()
        if service.records < target:
            for held in program.shifts(day):
                confirmed = service.fill(held, target - service.records)
                program.write_shift(held, confirmed=confirmed)
                if service.records >= target:
                    break
        program.cancel_rest(day)
        report(day)
