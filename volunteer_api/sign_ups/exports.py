"""Who signed up for an activity, as a workbook: to print, to tick off at the meeting place, to keep."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, case, select

from volunteer_api.accounts.models import Volunteer
from volunteer_api.accounts.service import masked_phone
from volunteer_api.activities.models import Activity, Shift, ShiftRole
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.downloads import Download
from volunteer_api.core.exports import export_table
from volunteer_api.core.settings import settings
from volunteer_api.sign_ups.models import ACTIVE_SIGN_UPS, SignUp, SignUpState
from volunteer_api.sign_ups.problems import TooManySignUps
from volunteer_api.teams.models import Team

HEADERS = ("日期", "开始", "结束", "姓名", "志愿者编号", "手机", "岗位", "团队", "状态", "备注", "报名时间")
# In the order in which a shift's people stand: who comes first, who does not come last.
STATE_WORDS = {
    SignUpState.CONFIRMED: "已确认",
    SignUpState.PENDING: "待审核",
    SignUpState.INVITED: "已邀请",
    SignUpState.WAITLISTED: "候补",
    SignUpState.WITHDRAWN: "已取消报名",
    SignUpState.DECLINED: "已谢绝",
    SignUpState.REJECTED: "未通过",
}
MOST_ROWS = 10_000


def export_sign_ups(activity: Activity, query: Mapping[str, Any], *, by: Principal) -> Download:
    """The sign-ups for an activity's shifts, or for one of them, by the shifts' start; phones masked.

    Those that stand, or those in the one state that is asked for. The audit log keeps who fetched what.
    Raises TooManySignUps (422).
    """
    found = db.session.execute(_rows(activity, query)).all()
    if len(found) > MOST_ROWS:
        raise TooManySignUps(most=MOST_ROWS)
    rows = [_cells(row) for row in found]
    asked: dict[str, Any] = {name: str(value) for name, value in query.items()}
    return export_table(
        "sign_ups",
        activity.organization_id,
        by=by,
        title="报名名单",
        headers=HEADERS,
        rows=rows,
        whose=activity.title,
        activity_id=str(activity.id),
        **asked,
    )


def _rows(activity: Activity, query: Mapping[str, Any]) -> Select[*tuple[Any, ...]]:
    asked = [query["state"]] if query.get("state") else ACTIVE_SIGN_UPS
    conditions = [Shift.activity_id == activity.id, SignUp.state.in_(asked)]
    if query.get("shift_id"):
        conditions.append(Shift.id == query["shift_id"])
    place = case({state: number for number, state in enumerate(STATE_WORDS)}, value=SignUp.state)
    # Who was promoted keeps the position that she had.
    turn = case((SignUp.state == SignUpState.WAITLISTED, SignUp.position))
    return (
        select(
            SignUp,
            Shift.starts_at,
            Shift.ends_at,
            Shift.canceled_at,
            Volunteer.name,
            Volunteer.volunteer_number,
            Volunteer.phone,
            ShiftRole.name.label("role"),
            Team.name.label("team"),
        )
        .join(Shift, Shift.id == SignUp.shift_id)
        .join(Volunteer, Volunteer.id == SignUp.volunteer_id)
        .outerjoin(ShiftRole, ShiftRole.id == SignUp.role_id)
        .outerjoin(Team, Team.id == SignUp.team_id)
        .where(*conditions)
        .order_by(Shift.starts_at, Shift.id, place, turn, SignUp.id)
        .limit(MOST_ROWS + 1)
    )


def _cells(row: Any) -> list[str | None]:
    zone = settings().zone
    starts, ends, made = (one.astimezone(zone) for one in (row.starts_at, row.ends_at, row.SignUp.created_at))
    last_day = f"{ends:%m-%d} " if ends.date() != starts.date() else ""
    return [
        f"{starts:%Y-%m-%d}",
        f"{starts:%H:%M}",
        f"{last_day}{ends:%H:%M}",
        row.name,
        row.volunteer_number,
        masked_phone(row.phone),
        row.role,
        row.team,
        STATE_WORDS[SignUpState(row.SignUp.state)],
        _remark(row),
        f"{made:%Y-%m-%d %H:%M}",
    ]


def _remark(row: Any) -> str | None:
    mine: SignUp = row.SignUp
    known = {
        "班次已取消": row.canceled_at is not None,
        "时间已变更，待本人确认": mine.state == SignUpState.CONFIRMED and mine.asked_at is not None,
        "缺席": mine.absent_at is not None,
        "临时取消": mine.late,
        # The word of a leader and the end are of one moment only there.
        "邀请已收回": mine.state == SignUpState.WITHDRAWN and mine.decided_at == mine.withdrawn_at,
    }
    return "、".join(words for words, holds in known.items() if holds) or None
