"""What phones did not count: hours written down by the home team's leader, and what a volunteer does not agree with."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.core import clock, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.demo.stage import HOME_OFFICE, ORGANIZER, TEAM_LEADER, VOLUNTEER, Stage
from volunteer_api.disputes import service as disputes
from volunteer_api.hours import backfills
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.sign_ups.models import SignUp

RECORDED_AGO = timedelta(days=2)
MINUTES = 60


def hand_in(stage: Stage) -> None:
    """Record two people's hours of the last shift, approve those of one, and let the demo's volunteer dispute hers."""
    shift = _last_shift(stage)
    leader = _acting(stage, TEAM_LEADER)
    people = _absent_members(stage, shift)[:2]
    with clock.at(max(stage.now - RECORDED_AGO, shift.ends_at)):
        written = [
            backfills.record(
                by=leader, volunteer_id=person, shift_id=shift.id, minutes=MINUTES, reason="手机没电，纸质签到表为证"
            )
            for person in people
        ]
    with clock.at(stage.now - timedelta(days=1)):
        for backfill in written[:1]:
            backfills.approve(backfill, by=stage.volunteers[ORGANIZER])
        mine = db.session.scalars(
            select(ServiceRecord.id)
            .where(ServiceRecord.volunteer_id == stage.volunteers[VOLUNTEER], ServiceRecord.shift_id.is_not(None))
            .order_by(ServiceRecord.starts_at.desc(), ServiceRecord.id)
            .limit(1)
        ).first()
        if mine is not None:
            disputes.file(
                by=_acting(stage, VOLUNTEER),
                text="我一直待到收拾完器材才走，请核对签退时间。",
                claimed_minutes=2 * MINUTES,
                service_record_id=mine,
            )


def _last_shift(stage: Stage) -> Shift:
    """The home team's last one that is over."""
    return db.session.scalars(
        select(Shift)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(
            Activity.team_id == stage.crews[HOME_OFFICE].team_id,
            Activity.state == ActivityState.COMPLETED,
            Shift.canceled_at.is_(None),
        )
        .order_by(Shift.ends_at.desc(), Shift.id)
        .limit(1)
    ).one()


def _absent_members(stage: Stage, shift: Shift) -> list[UUID]:
    """Those of the home team who had nothing else to do then and of whom the shift knows nothing."""
    there = set(db.session.scalars(select(SignUp.volunteer_id).where(SignUp.shift_id == shift.id)))
    return [
        person
        for person in stage.crews[HOME_OFFICE].member_ids
        if person not in there and stage.is_free(person, shift.starts_at, shift.ends_at)
    ]


def _acting(stage: Stage, phone: str) -> Principal:
    return Principal(volunteer_id=stage.volunteers[phone], session_id=ids.new_id())
