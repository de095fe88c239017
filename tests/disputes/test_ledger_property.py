"""Whatever is filed, confirmed, decided and withdrawn in whatever order: the ledger is the last decision, no more."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.disputes.factories import SHIFT_MINUTES, Served, ledger_sum, make_served, tally_sum
from volunteer_api.core.access import Principal
from volunteer_api.core.ids import new_id
from volunteer_api.core.problems import Problem
from volunteer_api.disputes import decisions, service
from volunteer_api.disputes.models import Decision, Dispute
from volunteer_api.disputes.queries import standing_at

Unit = Callable[[Callable[[], Any]], Any]
DECIDED = st.tuples(st.just("decide"), st.sampled_from(Decision), st.integers(0, SHIFT_MINUTES + 20))
STEPS = st.one_of(
    DECIDED,
    st.tuples(st.sampled_from(["file", "confirm", "withdraw"]), st.none(), st.integers(1, SHIFT_MINUTES)),
)


class Story:
    """One volunteer with a shift of which nothing is recorded, and two people who may answer for her hours."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.served: Served = unit(make_served)
        self.volunteer = Principal(volunteer_id=self.served.unknown_id, session_id=new_id())
        self.dispute: Dispute | None = None
        self.credited = 0

    def step(self, verb: str, decision: Decision | None, minutes: int) -> None:
        """Try one thing; what is refused changes nothing."""
        try:
            self.unit(lambda: getattr(self, verb)(decision, minutes))
        except Problem:
            return
        if verb == "decide" and decision is not Decision.REJECTED:
            self.credited = minutes

    def file(self, *_unused: Any) -> None:
        known = standing_at(self.served.unknown_id, self.served.shift_id)
        subject = {"shift_id": self.served.shift_id} if known is None else {"service_record_id": known}
        self.dispute = service.file(by=self.volunteer, text="我在现场", **subject)

    def confirm(self, _unused: Any, minutes: int) -> None:
        if self.dispute is not None:
            service.confirm(self.dispute, by=self.served.scene.leader_id, minutes=minutes, text="在场")

    def withdraw(self, *_unused: Any) -> None:
        if self.dispute is not None:
            service.withdraw(self.dispute, by=self.served.unknown_id)

    def decide(self, decision: Decision, minutes: int) -> None:
        # The first decision makes the organizer a party; then it is the administrator's turn.
        scene = self.served.scene
        by = scene.administrator_id if self.credited else scene.organizer_id
        asked = None if decision is Decision.REJECTED else minutes
        if self.dispute is None:
            raise Problem()
        decisions.decide(self.dispute, by=by, decision=decision, credited_minutes=asked, reason="照片为证")


@given(steps=st.lists(STEPS, min_size=3, max_size=8))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_ledger_is_the_last_decision(unit: Unit, steps: list[tuple[str, Any, int]]) -> None:
    story = Story(unit)
    # Begun so that decisions have something to decide on.
    for step in [("file", None, 0), ("confirm", None, 60), *steps]:
        story.step(*step)
        held, told = unit(lambda: (ledger_sum(story.served.unknown_id), tally_sum(story.served.unknown_id)))
        assert held == told == story.credited <= SHIFT_MINUTES
