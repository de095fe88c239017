"""Whose work is disputed: they don't decide on it."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from volunteer_api.activities.leaders import everybody_who_led
from volunteer_api.core.database import db
from volunteer_api.disputes import queries
from volunteer_api.disputes.models import Dispute
from volunteer_api.disputes.queries import Matter
from volunteer_api.hours.models import ServiceRecord


@dataclass(frozen=True)
class Parties:
    """Who recorded, who approved or reviewed, and who led; each list begins with whom the dispute's row names."""

    recorders: list[UUID]
    approvers: list[UUID]
    leaders: list[UUID]

    @property
    def everybody(self) -> set[UUID]:
        return {*self.recorders, *self.approvers, *self.leaders}


def parties_of(matter: Matter, volunteer_id: UUID) -> Parties:
    """The parties to what a volunteer disputes.

    Of a row that takes another one back, also those of that one. Whoever led when the shift began, or at any time
    since, is one, for nobody stops being it by leading no more. Who said at a roll-call whether the volunteer was there
    recorded that, and so did who read her code at a desk; who recorded it by hand, and who decided on that, has said it
    too, though nothing may have come of it. Grants from above, and having planned what others lead, make nobody a
    party, or nobody would be left to decide.
    """
    records = [matter.record] if matter.record is not None else []
    if matter.record is not None and matter.record.reverses_id is not None:
        records.append(db.session.get_one(ServiceRecord, matter.record.reverses_id))
    recorders = [record.recorder_id for record in records]
    approvers = [record.approver_id for record in records]
    leaders = [record.leader_id for record in records]
    if matter.attendance is not None:
        recorders += matter.attendance.vouched_by
        approvers.append(matter.attendance.reviewed_by)
    if matter.shift is not None:
        recorders.append(queries.marked_by(volunteer_id, matter.shift.id))
        for recorder_id, decided_by in queries.backfilled_by(volunteer_id, matter.shift.id):
            recorders.append(recorder_id)
            approvers.append(decided_by)
    if matter.activity is not None:
        since = matter.shift.starts_at if matter.shift is not None else matter.activity.created_at
        leaders += everybody_who_led(matter.activity, since)
    return Parties(_known(recorders), _known(approvers), _known(leaders))


def parties_to(dispute: Dispute) -> set[UUID]:
    """Everybody who may not decide on a dispute: the volunteer, the parties, and who confirmed the service."""
    matter = queries.subject_of(dispute)
    confirmed = {dispute.confirmed_by} if dispute.confirmed_by is not None else set()
    return {dispute.volunteer_id, *parties_of(matter, dispute.volunteer_id).everybody} | confirmed


def _known(people: Iterable[UUID | None]) -> list[UUID]:
    return list(dict.fromkeys(one for one in people if one is not None))
