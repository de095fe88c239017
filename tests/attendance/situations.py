"""What may happen at the two ends of an attendance, and what must come of it: rows of the table in docs/attendance.md.

After a change: python -m tests.attendance.evidence_table > docs/attendance.md
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.attendance.factories import FAR, NEAR, TWO_KM, Scene, loaded_evidence, make_scene, make_shift
from tests.teams.factories import make_member, make_team
from volunteer_api.accounts import consents
from volunteer_api.accounts.consent_texts import ConsentKind
from volunteer_api.attendance import presence_code, service
from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.presence_code import CodeKind
from volunteer_api.core import clock
from volunteer_api.core.database import db

MINUTE = timedelta(minutes=1)
# 10:00 in Shanghai: the shift's beginning, two hours after the station opens.
TEN = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
DAY, TWO_YEARS = 24 * 60, 2 * 365 * 24 * 60

# The middle of the fence as Amap and Tencent say it: 607 m away, if it is read as WGS-84.
AMAP = {"lat": 33.733600, "lng": 113.336330}
BETWEEN = {"lat": 33.7390, "lng": 113.3300}
# What a phone shows: `code` True is the present one, a number that of so many minutes later; `minutes` is how far the
# phone's clock is off, or how long ago it was; `scanned`: the desk reads the volunteer's own code.
CODE: dict[str, Any] = {"code": True}
SPOT: dict[str, Any] = {"place": NEAR, "accuracy_m": 10}
NOTHING: dict[str, Any] = {}
DESK: dict[str, Any] = {"scanned": True}


@dataclass(frozen=True)
class Situation:
    """What happens, in minutes after 10:00, and what must come of it. A shift lasts from 10:00 to 12:00."""

    words: str
    grade: str
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    minutes: int = 60
    who: str = "volunteer"
    duty: bool = False
    arrives: int = 0
    shows: dict[str, Any] = field(default_factory=lambda: CODE)
    leaves: int = 60
    # Whether she consents to our keeping where she is.
    consents: bool = True
    leaving: dict[str, Any] = field(default_factory=lambda: CODE)

    @property
    def state(self) -> str:
        return "held" if self.reasons else "credited"


WEAK, UNSIGNED, OUTSIDE, ODD = ("weak_evidence",), ("not_signed_up",), ("outside_window",), ("clock_odd",)
LATE = ("told_late",)
SHIFT = [
    Situation("the code at both ends", "strong"),
    Situation("a place inside the fence at both ends", "medium", shows=SPOT, leaving=SPOT),
    Situation("the code, then a place", "medium", leaving=SPOT),
    Situation("a desk reads the volunteer's own code", "strong", remarks=("scanned",), shows=DESK, leaving=DESK),
    Situation("nothing", "weak", WEAK, ("nothing_sent",), shows=NOTHING, leaving=NOTHING),
    Situation("a code that was never shown", "weak", WEAK, ("code_wrong",), shows={"code": "00000000"}),
    Situation("the code of an hour ago", "weak", WEAK, ("code_of_another_time",), shows={"code": -60}),
    Situation("the code of yesterday", "weak", WEAK, ("code_of_another_time",), shows={"code": -DAY}),
    Situation(
        "a code that a leader's list gives for in ten minutes",
        "weak",
        WEAK,
        ("code_of_another_time",),
        shows={"code": 10},
    ),
    Situation("the code of another shift", "weak", WEAK, ("code_of_another",), shows={"code": "another shift"}),
    Situation("the station's code at a shift", "weak", WEAK, ("code_of_another",), shows={"code": "the other kind"}),
    Situation(
        "the code, sent to a friend two kilometers away",
        "strong",
        ("code_elsewhere",),
        ("place_outside",),
        shows={"code": True, "place": TWO_KM, "accuracy_m": 10},
    ),
    Situation(
        "the code, and a place a hundred meters outside of the fence",
        "strong",
        remarks=("place_outside",),
        shows={"code": True, "place": BETWEEN, "accuracy_m": 10},
    ),
    Situation(
        "a place one kilometer away at the end",
        "weak",
        WEAK,
        ("place_outside",),
        leaving={"place": FAR} | {"accuracy_m": 10},
    ),
    Situation(
        "a place a hundred meters outside, of which the phone says that it may be 150 m off",
        "medium",
        shows={"place": BETWEEN, "accuracy_m": 150},
    ),
    Situation(
        "a place inside, without its accuracy",
        "medium",
        remarks=("place_without_accuracy",),
        shows={"place": NEAR},
    ),
    Situation(
        "a place a hundred meters outside, without its accuracy",
        "weak",
        WEAK,
        ("place_without_accuracy", "place_outside"),
        shows={"place": BETWEEN},
    ),
    Situation("the place 0,0", "weak", WEAK, ("place_unusable",), shows={"place": {"lat": 0.0, "lng": 0.0}}),
    Situation(
        "the code, and the place 0,0",
        "strong",
        remarks=("place_unusable",),
        shows={"code": True, "place": {"lat": 0, "lng": 0}},
    ),
    Situation(
        "a place inside at both ends, which may not be kept",
        "medium",
        remarks=("place_not_kept",),
        shows=SPOT,
        leaving=SPOT,
        consents=False,
    ),
    Situation(
        "a place inside in GCJ-02, sent as WGS-84",
        "weak",
        WEAK,
        ("place_of_another_datum",),
        shows={"place": AMAP, "accuracy_m": 10},
    ),
    Situation(
        "a place inside in GCJ-02, sent with its datum",
        "medium",
        shows={"place": AMAP | {"datum": "gcj02"}, "accuracy_m": 10},
    ),
    Situation(
        "the code, and a place in GCJ-02, sent as WGS-84",
        "strong",
        remarks=("place_of_another_datum",),
        shows={"code": True, "place": AMAP, "accuracy_m": 10},
    ),
    Situation("the code, by somebody without a sign-up", "strong", UNSIGNED, who="unsigned"),
    Situation(
        "a place, by somebody without a sign-up",
        "weak",
        WEAK + UNSIGNED,
        ("place_not_expected",),
        who="unsigned",
        shows=SPOT,
        leaving=SPOT,
    ),
    Situation("the code, by a leader who sees it anyway", "weak", WEAK, ("own_code",), who="leader"),
    Situation("a place, by a leader", "medium", who="leader", shows=SPOT, leaving=SPOT),
    Situation(
        "another leader's desk reads a leader's own code",
        "strong",
        remarks=("scanned",),
        who="leader",
        shows=DESK,
        leaving=DESK,
    ),
    Situation("comes half an hour before the start", "strong", arrives=-30),
    Situation("comes earlier than that", "strong", OUTSIDE, arrives=-31),
    Situation("comes after the end", "strong", OUTSIDE, minutes=0, arrives=121, leaves=125),
    Situation("leaves after the end", "strong", minutes=120, leaves=239),
    Situation("leaves more than two hours after the end", "strong", OUTSIDE, minutes=120, leaves=241),
    Situation(
        "told a day later, without network before",
        "strong",
        remarks=LATE,
        arrives=DAY,
        shows=CODE | {"minutes": -DAY},
        leaves=DAY + 1,
        leaving=CODE | {"minutes": -DAY + 59},
    ),
    Situation(
        "told more than 72 hours later",
        "strong",
        OUTSIDE + ODD,
        LATE,
        minutes=120,
        leaves=74 * 60,
        leaving=CODE | {"minutes": -73 * 60},
    ),
    Situation(
        "the phone's clock is two years ahead, and it says how long ago the tap was",
        "strong",
        shows={"code": "now", "minutes": TWO_YEARS, "delay_ms": 0},
    ),
    Situation(
        "the phone's clock is two years ahead, and it says no more",
        "strong",
        ODD,
        shows={"code": "now", "minutes": TWO_YEARS},
    ),
    Situation(
        "the check-out says a time before the check-in",
        "strong",
        OUTSIDE,
        ("told_late",),
        minutes=0,
        arrives=60,
        leaves=72,
        leaving=CODE | {"minutes": -15},
    ),
]
# Of a team of the station's organization, or of another one.
MEMBERS = ("member", "member_elsewhere")
DUTY = [
    Situation("the station's code at both ends, by anybody", "strong", who="stranger", duty=True),
    Situation(
        "a place, by somebody of a team of its organization",
        "medium",
        who="member",
        duty=True,
        shows=SPOT,
        leaving=SPOT,
    ),
    Situation(
        "a place, by anybody else",
        "weak",
        WEAK,
        ("place_not_expected",),
        who="stranger",
        duty=True,
        shows=SPOT,
        leaving=SPOT,
    ),
    Situation(
        "a place, by somebody of a team of another organization",
        "weak",
        WEAK,
        ("place_not_expected",),
        who="member_elsewhere",
        duty=True,
        shows=SPOT,
        leaving=SPOT,
    ),
    Situation(
        "the code, by a manager who sees it anyway", "weak", WEAK, ("own_code",), who="station_manager", duty=True
    ),
    Situation("a place, by a manager", "medium", who="station_manager", duty=True, shows=SPOT, leaving=SPOT),
    Situation(
        "a place, by a manager who tells of it a day later",
        "weak",
        WEAK,
        ("told_late", "own_place"),
        who="station_manager",
        duty=True,
        arrives=DAY,
        shows=SPOT | {"minutes": -DAY},
        leaves=DAY + 1,
        leaving=SPOT | {"minutes": -DAY + 59},
    ),
    Situation(
        "a desk reads the volunteer's own code",
        "strong",
        remarks=("scanned",),
        who="stranger",
        duty=True,
        shows=DESK,
        leaving=DESK,
    ),
    Situation(
        "a shift's code at the station", "weak", WEAK, ("code_of_another",), duty=True, shows={"code": "the other kind"}
    ),
    Situation("comes before the station opens", "strong", minutes=60, duty=True, arrives=-140, leaves=-60),
    Situation("stays after it closed", "strong", minutes=60, duty=True, arrives=7 * 60, leaves=9 * 60),
    Situation("stays longer than a duty lasts", "strong", minutes=480, duty=True, arrives=-120, leaves=7 * 60),
    Situation("comes when it is closed", "strong", OUTSIDE, duty=True, arrives=9 * 60, leaves=10 * 60),
]


def play(situation: Situation) -> Attendance:
    """Let it happen; inside a unit."""
    scene = make_scene(starts_at=TEN)
    volunteer = scene.volunteer if situation.who in MEMBERS else getattr(scene, situation.who)
    if situation.who in MEMBERS:
        there = scene if situation.who == "member" else make_scene()
        make_member(make_team(organization_id=there.organization.id), volunteer)
    if not situation.consents:
        consents.withdraw(volunteer.id, ConsentKind.LOCATION)
    target = {"station_id": scene.station.id} if situation.duty else {"shift_id": scene.shift.id}
    with clock.at(TEN + situation.arrives * MINUTE):
        evidence, scanned_by = _shown(situation, scene, situation.shows)
        attendance = service.check_in(volunteer_id=volunteer.id, **target, evidence=evidence, scanned_by=scanned_by)
    with clock.at(TEN + situation.leaves * MINUTE):
        evidence, scanned_by = _shown(situation, scene, situation.leaving)
        return service.check_out(
            attendance=db.session.get_one(Attendance, attendance.id), evidence=evidence, scanned_by=scanned_by
        )


def _shown(situation: Situation, scene: Scene, shows: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """The evidence of one end, and who scanned the volunteer's own code."""
    members = dict(shows)
    tapped_at = clock.now() + members.pop("minutes", 0) * MINUTE
    scanned_by = scene.organizer.id if members.pop("scanned", False) else None
    kind, target_id = (CodeKind.STATION, scene.station.id) if situation.duty else (CodeKind.SHIFT, scene.shift.id)
    code = members.pop("code", None)
    if code == "now":
        code = presence_code.code_at(target_id, clock.now(), kind).code
    elif code == "another shift":
        with clock.at(TEN - 5 * 60 * MINUTE):
            other = make_shift(organization=scene.organization, created_by=scene.organizer, starts_at=TEN)
        code = presence_code.qr_text(other.id, presence_code.code_at(other.id, tapped_at).code)
    elif code == "the other kind":
        other_kind, other_id = (
            (CodeKind.SHIFT, scene.shift.id) if situation.duty else (CodeKind.STATION, scene.station.id)
        )
        code = presence_code.qr_text(other_id, presence_code.code_at(other_id, tapped_at, other_kind).code, other_kind)
    elif isinstance(code, int):
        later = 0 if code is True else code
        code = presence_code.code_at(target_id, tapped_at + later * MINUTE, kind).code
    if code is not None:
        members["code"] = code
    return loaded_evidence(tapped_at, **members), scanned_by
