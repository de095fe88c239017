"""What goes on in the home office at the very moment of loading: a running shift, and news of the last hours."""

from datetime import time, timedelta
from typing import Any

from volunteer_api.accounts.categories import Category
from volunteer_api.activities import service as activities
from volunteer_api.activities.models import Activity
from volunteer_api.activities.queries import shift_ids_of
from volunteer_api.attendance import presence_code
from volunteer_api.attendance import service as attendance
from volunteer_api.attendance.presence_code import CodeKind
from volunteer_api.core import clock
from volunteer_api.demo.stage import HOME_OFFICE, HOME_STATION, ORGANIZER, TEAM_LEADER, VOLUNTEER, Stage
from volunteer_api.sign_ups import service as sign_ups

TITLE = "{place}文明交通劝导（今日班次）"
BEGAN_AGO = timedelta(minutes=40)
ENDS_IN = timedelta(hours=2)
CAPACITY = 10
# Before every other shift of that day, so that nobody who signed up is somewhere else.
EARLY = time(6, 30)
# From when to when somebody was on duty at the home desk.
DUTY = (time(9, 10), time(11, 40))


def begin(stage: Stage) -> None:
    """Begin a shift with the demo's volunteer checked in, cancel what she looked forward to, return a leader's plan.

    And let somebody have been on duty at the home desk yesterday.
    """
    _run_shift(stage)
    _serve_at_desk(stage)
    _cancel_for_rain(stage)
    _return_plan(stage)


def _run_shift(stage: Stage) -> None:
    crew = stage.crews[HOME_OFFICE]
    starts_at = (stage.now - BEGAN_AGO).replace(second=0, microsecond=0)
    with clock.at(stage.now - timedelta(days=1)):
        activity = _plan(
            stage,
            by=ORGANIZER,
            title=TITLE,
            category=Category.TRAFFIC_GUIDANCE,
            place_name="五一路与建设路交叉口",
            shifts=[{"starts_at": starts_at, "ends_at": starts_at + BEGAN_AGO + ENDS_IN, "capacity": CAPACITY}],
        )
        activities.publish(activity)
    (shift_id,) = shift_ids_of(activity.id)
    here = [stage.volunteers[VOLUNTEER], *crew.member_ids[1:3]]
    for volunteer_id in (crew.leader_id, *here):
        with clock.at(stage.now - timedelta(hours=8)):
            sign_ups.sign_up(shift_id=shift_id, volunteer_id=volunteer_id, team_id=crew.team_id)
    for minutes, volunteer_id in enumerate(here):
        moment = starts_at + timedelta(minutes=minutes)
        with clock.at(moment):
            code = presence_code.code_at(shift_id, moment).code
            evidence = {"client_time": moment, "delay_ms": 400, "code": code}
            attendance.check_in(volunteer_id=volunteer_id, shift_id=shift_id, evidence=evidence)


def _serve_at_desk(stage: Stage) -> None:
    """Somebody of the home team, who had nothing else to do then, with the codes of the desk's screen."""
    station_id = stage.desks[HOME_STATION]
    ends = [stage.local(-1, at) for at in DUTY]
    here = next((one for one in stage.crews[HOME_OFFICE].member_ids if stage.is_free(one, *ends)), None)
    if here is None:
        return
    evidence = [
        {"client_time": moment, "code": presence_code.code_at(station_id, moment, CodeKind.STATION).code}
        for moment in ends
    ]
    with clock.at(ends[0]):
        duty = attendance.check_in(volunteer_id=here, station_id=station_id, evidence=evidence[0])
    with clock.at(ends[1]):
        attendance.check_out(attendance=duty, evidence=evidence[1])


def _cancel_for_rain(stage: Stage) -> None:
    starts_at = stage.local(7, EARLY)
    with clock.at(stage.now - timedelta(days=2)):
        activity = _plan(
            stage,
            by=ORGANIZER,
            title="清洁家园：{place}湛河晨间清理",
            category=Category.ENVIRONMENT_PROTECTION,
            place_name="湛河岸边",
            shifts=[{"starts_at": starts_at, "ends_at": starts_at + timedelta(minutes=90), "capacity": CAPACITY}],
        )
        activities.publish(activity)
    with clock.at(stage.now - timedelta(days=1)):
        (shift_id,) = shift_ids_of(activity.id)
        for phone in (VOLUNTEER, TEAM_LEADER):
            sign_ups.sign_up(shift_id=shift_id, volunteer_id=stage.volunteers[phone])
    with clock.at(stage.now - timedelta(hours=2)):
        activities.cancel(activity, reason="气象台预报有大雨，改期另行通知。")


def _return_plan(stage: Stage) -> None:
    starts_at = stage.local(10, EARLY)
    with clock.at(stage.now - timedelta(hours=5)):
        activity = _plan(
            stage,
            by=TEAM_LEADER,
            title="{place}敬老包饺子",
            category=Category.ELDERLY_CARE,
            place_name="河西社区活动室",
            shifts=[{"starts_at": starts_at, "ends_at": starts_at + timedelta(hours=3)}],
        )
        activities.submit(activity)
    with clock.at(stage.now - timedelta(hours=1)):
        activities.send_back(activity, reason="请写明最多几人参加。")


def _plan(stage: Stage, *, by: str, title: str, **values: Any) -> Activity:
    office, crew = stage.home_office, stage.crews[HOME_OFFICE]
    return activities.create_activity(
        by=stage.volunteers[by],
        title=title.format(place=office.title),
        organization_id=office.id,
        team_id=crew.team_id,
        leader_ids=[crew.leader_id],
        place=stage.middles[HOME_OFFICE],
        **values,
    )
