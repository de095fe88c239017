"""Many sign-ups in one call: several shifts of an activity, or a whole team, with a result for each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from volunteer_api.activities.models import Activity, Shift
from volunteer_api.activities.queries import fresh_activity, lock_shifts, refusal_view, shift_ids_of
from volunteer_api.core import clock
from volunteer_api.core.problems import InvalidPayload, Problem
from volunteer_api.core.schema import Fault, error_list
from volunteer_api.notifications.service import notify_all
from volunteer_api.sign_ups import notices, places, queries
from volunteer_api.sign_ups.judgment import Engagement, Question, Standing
from volunteer_api.sign_ups.models import SignUp, SignUpState
from volunteer_api.sign_ups.people import demands_of, standings_of, with_kept
from volunteer_api.sign_ups.problems import NotEligible
from volunteer_api.sign_ups.service import enter, enter_invited, take_back

# A whole team for a whole day: more than that in one transaction would hold others up.
MOST_RESULTS = 500


@dataclass(frozen=True)
class Result:
    """What came of one person and shift: the sign-up, or the refusal; of a withdrawal, the refusal beside it."""

    volunteer_id: UUID
    shift_id: UUID
    sign_up: SignUp | None
    refusal: Problem | None

    @property
    def is_strange(self) -> bool:
        """Whether she is not in the team that was named."""
        return isinstance(self.refusal, NotEligible) and any(one.code == "team" for one in self.refusal.reasons)


def sign_up_several(
    *,
    by: UUID,
    leading: bool = True,
    activity: Activity,
    shift_ids: Sequence[UUID] = (),
    all_shifts: bool = False,
    team_id: UUID | None = None,
    volunteer_ids: Sequence[UUID] = (),
    whole_team: bool = False,
) -> list[Result]:
    """Sign oneself up for several shifts, or ask several people, or all members of a team, for them.

    Others are invited, as `service.invite` does it, and each of them says yes or no; oneself is signed up, but not as
    one of a whole team. The results stand by person, and then by shift as these were named. All volunteers are held
    first, then all shifts, each by one statement in the order of ids, so that neither a single sign-up nor another call
    like this can close a circle of waiting.
    Raises InvalidPayload (422) for a shift of another activity, for nobody, and for more than 500 results.
    """
    now = clock.now()
    people = _people(by, team_id, volunteer_ids, whole_team)
    own_ids = shift_ids_of(activity.id)
    # Of hundreds that are over nobody wants to hear, unless there is nothing else to say.
    coming = [shift.id for shift in queries.coming_shifts(activity.id, now)] if all_shifts else []
    chosen = list(dict.fromkeys((coming or own_ids) if all_shifts else shift_ids))
    if not set(chosen).issubset(own_ids):
        unknown = Fault("unknown_reference", "This is no shift of the activity.")
        raise InvalidPayload(error_list({"shift_ids": [unknown]}))
    if len(people) * len(chosen) > MOST_RESULTS:
        raise InvalidPayload(error_list([Fault("too_many", "This is too much for one call: at most 500 sign-ups.")]))
    queries.lock_volunteers(people)
    shifts = {shift.id: shift for shift in lock_shifts(chosen)}
    activity = fresh_activity(activity.id)
    called = [
        one for shift in shifts.values() if shift.waitlisted_count for one in places.promote(shift, activity, now)
    ]
    standings = standings_of(people, [activity], now, [team_id] if team_id is not None else ())
    if set(standings) != set(people):
        unknown = Fault("unknown_reference", "There is no such volunteer.")
        raise InvalidPayload(error_list({"volunteer_ids": [unknown]}))
    demands = demands_of([activity])[activity.id]
    asked = with_kept(
        [
            Question(activity, shifts[shift_id], demands, now, team_id=team_id, chosen=leading, called=called)
            for shift_id in chosen
        ]
    )
    results = [result for one in people for result in _results(by, one, standings[one], asked)]
    _tell_invited(results, shifts, activity)
    return results


def withdraw_all(*, activity_id: UUID, volunteer_id: UUID, reason: str | None = None) -> list[Result]:
    """Take back all of one's sign-ups for an activity's shifts that are not over, as `service.withdraw` does each.

    Where one serves already, that sign-up stays, with the refusal. The results stand by the shifts' start.
    """
    now = clock.now()
    return _take_back_what_can_be(places.hold_own(volunteer_id, now, activity_id=activity_id), reason, now)


def leave_all(volunteer_id: UUID) -> None:
    """Take back all that somebody signed up for and that is not over, but where she serves."""
    now = clock.now()
    _take_back_what_can_be(places.hold_own(volunteer_id, now), None, now)


def _take_back_what_can_be(held: Sequence[places.Held], reason: str | None, now: datetime) -> list[Result]:
    refusals = {one.mine.id: refusal for one in held if (refusal := _why_it_stays(one, now)) is not None}
    take_back([one for one in held if one.mine.id not in refusals], reason, now)
    return [Result(one.mine.volunteer_id, one.shift.id, one.mine, refusals.get(one.mine.id)) for one in held]


def _why_it_stays(held: places.Held, now: datetime) -> Problem | None:
    try:
        held.require_before_end(now)
    except Problem as refusal:
        return refusal
    return None


def withdrawals_view(results: Sequence[Result]) -> dict[str, Any]:
    """What came of a withdrawal, as an answer shows it."""
    return {
        "results": [
            {
                "shift_id": one.shift_id,
                "status": one.refusal.status if one.refusal is not None else 200,
                "sign_up_id": one.sign_up.id,
                "state": one.sign_up.state,
                "late": one.sign_up.late,
                "refusal": refusal_view(one.refusal) if one.refusal is not None else None,
            }
            for one in results
            if one.sign_up is not None
        ]
    }


def results_view(results: Sequence[Result], *, by: UUID, leading: bool) -> dict[str, Any]:
    """The results as an answer shows them. Who does not lead the activity reads no name of who is not in her team."""
    shown = {one.volunteer_id for one in results if leading or one.volunteer_id == by or not one.is_strange}
    names = queries.names_of(shown)
    return {"results": [_result_view(one, names.get(one.volunteer_id, "")) for one in results]}


def _result_view(one: Result, name: str) -> dict[str, Any]:
    made, refusal = one.sign_up, one.refusal
    return {
        "volunteer_id": one.volunteer_id,
        "volunteer": {"id": one.volunteer_id, "name": name},
        "shift_id": one.shift_id,
        "status": refusal.status if refusal is not None else 201,
        "sign_up_id": made.id if made is not None else None,
        "state": made.state if made is not None else None,
        "refusal": refusal_view(refusal) if refusal is not None else None,
    }


def _people(by: UUID, team_id: UUID | None, volunteer_ids: Sequence[UUID], whole_team: bool) -> list[UUID]:
    if whole_team and team_id is not None:
        # Who calls the team together may have other duties: she signs herself up where she wants to.
        return [one for one in queries.active_members(team_id, MOST_RESULTS + 2) if one != by]
    return list(dict.fromkeys(volunteer_ids)) or [by]


def _results(by: UUID, volunteer_id: UUID, standing: Standing, asked: Sequence[Question]) -> list[Result]:
    found: list[Result] = []
    for question in asked:
        shift = question.shift
        try:
            made = _enter(question, standing, volunteer_id, by)
        except Problem as refusal:
            found.append(Result(volunteer_id, shift.id, None, refusal))
            continue
        found.append(Result(volunteer_id, shift.id, made, None))
        standing = _with(standing, made, shift)
    return found


def _tell_invited(results: Sequence[Result], shifts: Mapping[UUID, Shift], activity: Activity) -> None:
    made = [one.sign_up for one in results if one.sign_up is not None and one.sign_up.state == SignUpState.INVITED]
    notify_all(
        [
            notices.notice(notices.INVITED, one, shifts[one.shift_id], activity, shift_count=count)
            for one, count in notices.first_of_each(made, shifts)
        ]
    )


def _enter(question: Question, standing: Standing, volunteer_id: UUID, by: UUID) -> SignUp:
    if volunteer_id != by:
        return enter_invited(question, standing, volunteer_id, by)
    return enter(question._replace(chosen=False), standing, volunteer_id)


def _with(standing: Standing, made: SignUp, shift: Shift) -> Standing:
    """The standing once this sign-up stands too: of two shifts at one time the first named is had."""
    taken = Engagement(made.id, shift.id, SignUpState(made.state), shift.starts_at, shift.ends_at)
    others = [one for one in standing.engagements if one.sign_up_id != made.id]
    return replace(standing, engagements=[*others, taken])
