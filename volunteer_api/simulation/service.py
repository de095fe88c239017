"""Who comes to the shifts of a simulated district, and what the hours ledger gets of it."""

from collections.abc import Callable
from datetime import date, timedelta
from random import Random

from volunteer_api.simulation.ground import Ground
from volunteer_api.simulation.loading import NULL, Loader
from volunteer_api.simulation.plan import Plan
from volunteer_api.simulation.program import LARGEST, SMALLEST, Held, Program
from volunteer_api.simulation.texts import Moments, id_text

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
SIGN_UP, ATTENDANCE, RECORD = 6, 7, 8
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
CODE = '"code":"simulated"'
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


class Service:
    """Fills shifts: sign-ups, attendances, rows of the ledger. `records` is how many of the latter there are."""

    def __init__(
        self, plan: Plan, ground: Ground, crowd: Crowd, random: Random, loader: Loader, moments: Moments
    ) -> None:
        self.records = 0
        self._plan, self._ground, self._crowd = plan, ground, crowd
        self._random, self._moments = random, moments
        self._sign_ups, self._attendances, self._records, self._held = (loader.lines(table) for table in COLUMNS)
        self._turns = 0
        self._last_second = moments.last_second

    def fill(self, held: Held, most: int) -> int:
        """Let people come until there are some records, at most `most`; returns how many places were taken."""
        wanted = min(most, self._random.randint(SMALLEST, LARGEST))
        end, confirmed = self.records + wanted, 0
        may_be_held = self._plan.last_on - held.on <= HELD_WITHIN
        host, campaign_id = held.host, held.campaign_id
        station, team = host.station_id or NULL, host.team_id or NULL
        place = f"{station}\t{team}\t{campaign_id}\t{host.organization_id}\t{host.path_id}\t{held.on}"
        frozen = (
            f"{held.activity_id}\t{held.shift_id}\t{place}\t{held.place_name}\t{held.title}\t{host.leader_id}"
        )
        attributed = f"{team}\t{station}\t{campaign_id}\t{host.organization_id}\t{host.path_id}\t{held.on}"
        draw, person, near, shift_id = self._random.random, self._crowd.next, host.communities, held.shift_id
        while self.records < end:
            volunteer = person(near)
            chance = int(draw() * 10_000)
            if chance < ABSENT + WITHDRAWN:
                stays = chance < ABSENT
                self._sign_up(held, volunteer, absent=stays, withdrawn=not stays)
                confirmed += stays
                continue
            confirmed += 1
            self._sign_up(held, volunteer)
            self._come(held, shift_id, volunteer, frozen, attributed, end - self.records, may_be_held=may_be_held)
        return confirmed

    def _sign_up(self, held: Held, volunteer: str, *, absent: bool = False, withdrawn: bool = False) -> None:
        self._turns += 1
        stored = self._moments.stored
        second = held.starts_at - 10_800 - int(self._random.random() * SIGNED_UP_BEFORE)
        state, gone, reason = "confirmed", NULL, NULL
        if withdrawn:
            state, gone, reason = "withdrawn", stored(held.starts_at - 7200), SICK
        marked = NULL
        if absent and held.ends_at + ABSENT_AFTER <= self._last_second:
            marked = stored(held.ends_at + ABSENT_AFTER)
        self._sign_ups.append(
            f"{id_text(second, SIGN_UP, self._turns)}\t{stored(second)}\t{held.shift_id}\t{volunteer}\t{state}\t0"
            f"\t{gone}\t{reason}\t{marked}\t0\t0"
        )

    def _come(
        self, held: Held, shift_id: str, volunteer: str, frozen: str, attributed: str, room: int, *, may_be_held: bool
    ) -> None:
        """One attendance from check-in to what came of it; `room` is how many records it may have."""
        draw, stored, sent = self._random.random, self._moments.stored, self._moments.sent
        starts_at, ends_at = held.starts_at, held.ends_at
        came = starts_at - EARLY + int(draw() * (EARLY + LATE))
        left = ends_at - LEFT_EARLY + int(draw() * (LEFT_EARLY + LEFT_LATE))
        first, last = (came if came > starts_at else starts_at), (left if left < ends_at else ends_at)
        minutes = (last - first) // 60
        own = id_text(came, ATTENDANCE, self._turns)
        at, gone = stored(came), stored(left)
        chance = int(draw() * 10_000)
        state, grade, code, doubts, credited, waiting = "credited", "strong", f",{CODE}", "[]", minutes, 0
        decided = f"{NULL}\t{NULL}\t{NULL}"
        span = f"{stored(first)}\t{stored(last)}"
        if chance >= REJECTED + REVERSED + CORRECTED + HELD or (chance >= REJECTED + REVERSED + CORRECTED and not may_be_held):
            self._record(left, volunteer, minutes, own, span, frozen)
        elif chance < REJECTED:
            state, grade, code, doubts, credited = "rejected", "weak", "", DOUBTS, 0
            decided = self._decided(left, held.host.leader_id, NOBODY_THERE)
        elif chance >= REJECTED + REVERSED + CORRECTED:
            state, grade, code, doubts, credited, waiting = "held", "weak", "", DOUBTS, 0, minutes
            self._held.append(f"{own}\t{volunteer}\t{attributed}")
        elif chance < REJECTED + REVERSED and room >= 2:
            state, credited = "rejected", 0
            self._correct(left, volunteer, minutes, own, span, frozen)
            decided = self._decided(left, self._ground.administrator_id, MISTAKEN)
        elif room >= 3 and minutes > 30:
            credited = minutes - 30
            self._correct(left, volunteer, minutes, own, span, frozen, anew=credited)
            decided = self._decided(left, self._ground.administrator_id, LEFT_BEFORE)
        else:
            self._record(left, volunteer, minutes, own, span, frozen)
        self._attendances.append(
            f"{own}\t{at}\t{volunteer}\t{shift_id}\t{state}\t{grade}\t{grade}\t{grade}\t{at}\t{gone}\t{credited}"
            f'\t{waiting}\t{doubts}\t{{"client_time":"{sent(came)}"{code}}}\t{{"client_time":"{sent(left)}"{code}}}'
            f"\t[]\t[]\t0\t{doubts}\t{doubts}\t{gone}\t{decided}"
        )

    def _record(self, second: int, volunteer: str, minutes: int, attendance: str, span: str, frozen: str) -> str:
        """A credit, as the check-out writes it; returns its id."""
        self.records += 1
        own, at = id_text(second, RECORD, self.records), self._moments.stored(second)
        self._records.append(
            f"{own}\t{at}\t{volunteer}\t{minutes}\tattended\t{attendance}\t{span}\t\\N\t\\N\t\\N\t\\N\t{at}\t{frozen}"
        )
        return own

    def _correct(
        self, second: int, volunteer: str, minutes: int, attendance: str, span: str, frozen: str, *, anew: int = 0
    ) -> None:
        """A credit, the reversal that an administrator made of it on the same evening, and perhaps another credit."""
        credit = self._record(second, volunteer, minutes, attendance, span, frozen)
        reason = LEFT_BEFORE if anew else MISTAKEN
        self.records += 1
        later = second + REVIEWED_AFTER
        reversal, at = id_text(later, RECORD, self.records), self._moments.stored(later)
        by = self._ground.administrator_id
        self._records.append(
            f"{reversal}\t{at}\t{volunteer}\t{-minutes}\tattended\t{attendance}\t{span}\t{by}\t{reason}\t{credit}\t\\N"
            f"\t{at}\t{frozen}"
        )
        if anew:
            self.records += 1
            own = id_text(later, RECORD, self.records)
            self._records.append(
                f"{own}\t{at}\t{volunteer}\t{anew}\tattended\t{attendance}\t{span}\t\\N\t{reason}\t\\N\t{reversal}"
                f"\t{at}\t{frozen}"
            )

    def _decided(self, second: int, by: str, reason: str) -> str:
        return f"{by}\t{self._moments.stored(second + REVIEWED_AFTER)}\t{reason}"


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
