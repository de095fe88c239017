"""`python -m benchmarks.attendance`: a check-in against the yardsticks, and 500 people within one minute.

On PostgreSQL, two gunicorn workers. First check-ins, as many as the server takes, in turns with the yardsticks. Then
500 people check in to one activity within half a minute and out within the next, each at their own moment on a
connection of their own, whether the server keeps up or not. Fails where an answer of theirs is a 5xx or their 99th
percentile is over one second.
"""

import asyncio
import json
import os
import statistics
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from benchmarks.arrivals import come, percentile
from benchmarks.figures import note
from benchmarks.load import YARDSTICKS, request_bytes, send
from benchmarks.people import signed_in
from benchmarks.server import gunicorn, migrated
from volunteer_api.accounts import service as accounts
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities import service as activities
from volunteer_api.activities.models import Shift
from volunteer_api.activities.queries import shift_ids_of
from volunteer_api.app import create_app
from volunteer_api.core import clock, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.tokens import issue_access_token
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.organizations import grants
from volunteer_api.organizations import service as organizations
from volunteer_api.organizations.models import OrganizationKind, Role, ScopeType
from volunteer_api.sign_ups.models import SignUp, SignUpState

PEOPLE = int(os.environ.get("ATTENDANCE_PEOPLE", "500"))
TAPS = int(os.environ.get("ATTENDANCE_TAPS", "1100"))
VOLUNTEERS = TAPS + PEOPLE
ROUNDS = 5
WARM = 100
HALF_A_MINUTE = 30.0
SLOWEST_SECONDS = 1.0


def main() -> None:
    """Prepare, measure in turns, let the people in and out, judge."""
    with migrated():
        shift_id, tokens = prepare()
        with gunicorn() as port:
            compare(port, shift_id, tokens[:TAPS])
            kept = in_and_out(port, shift_id, tokens[TAPS:])
    if not kept:
        raise SystemExit(1)


def prepare(phones: str = "+861370000", volunteers: int = VOLUNTEERS) -> tuple[UUID, list[str]]:
    """One published activity with a running shift, and volunteers who signed up, each with a session.

    `phones` is what their numbers begin with, all but the last four digits, and nobody else's.
    """
    app = create_app()
    with app.app_context():
        principals: list[Principal] = []

        def build() -> UUID:
            office = organizations.create_organization(
                parent_id=None, kind=OrganizationKind.PRACTICE_CENTER, name="Bench", division_code=None
            )
            organizer = accounts.create_volunteer(phone=f"{phones}9999", name="Organizer")
            db.session.flush()
            grants.grant(
                volunteer_id=organizer.id,
                role=Role.ADMINISTRATOR,
                scope_type=ScopeType.ORGANIZATION,
                scope_id=office.id,
                granted_by=None,
            )
            db.session.flush()
            activity = activities.create_activity(
                by=organizer.id,
                title="Bench",
                category="environment_protection",
                organization_id=office.id,
                sign_up_mode="open",
                place={"lat": 33.73, "lng": 113.33},
                shifts=[{"starts_at": clock.now() - timedelta(minutes=5), "ends_at": clock.now() + timedelta(hours=8)}],
            )
            db.session.flush()
            activities.publish(activity)
            db.session.flush()
            shift_id: UUID = shift_ids_of(activity.id)[0]
            people = [
                accounts.create_volunteer(phone=f"{phones}{number:04d}", name=f"V{number}")
                for number in range(volunteers)
            ]
            db.session.flush()
            for volunteer in people:
                principals.append(signed_in(volunteer.id))
                # As the verb would leave it, which for each of a crowd would look at all the world.
                db.session.add(SignUp(shift_id=shift_id, volunteer_id=volunteer.id, state=SignUpState.CONFIRMED))
            db.session.get_one(Shift, shift_id).confirmed_count = volunteers
            return shift_id

        shift_id = run_unit(build, writes=True)
        return shift_id, [issue_access_token(principal) for principal in principals]


def sign_everybody_up(shift_ids: Sequence[UUID]) -> None:
    """Let everybody have a place in further shifts: without one, nobody comes to more than a few of a day."""
    people = db.session.scalars(select(Volunteer.id)).all()
    places = [
        {"shift_id": shift_id, "volunteer_id": person, "state": SignUpState.CONFIRMED}
        for shift_id in shift_ids
        for person in people
    ]
    db.session.execute(insert(SignUp), places)


def compare(port: int, shift_id: UUID, tokens: list[str]) -> None:
    """The yardsticks and the check-in in turns, so that a drift of the machine meets both."""
    for path in YARDSTICKS.values():
        send(port, [request_bytes("GET", path, tokens[0])] * 500)
    # Every connection of each worker prepares a statement once it has seen it some times.
    send(port, [check_in(shift_id, token) for token in tokens[:WARM]])
    tokens = tokens[WARM:]
    share = len(tokens) // ROUNDS
    ratios: dict[str, list[float]] = {name: [] for name in YARDSTICKS}
    for turn in range(ROUNDS):
        those = tokens[turn * share : (turn + 1) * share]
        yardsticks = {
            name: send(port, [request_bytes("GET", path, token) for token in those * 3])
            for name, path in YARDSTICKS.items()
        }
        measured = send(port, [check_in(shift_id, token) for token in those])
        assert set(measured.statuses) == {201}, measured.statuses
        for name, yardstick in yardsticks.items():
            assert set(yardstick.statuses) == {200}, yardstick.statuses
            ratios[name].append(measured.per_second / yardstick.per_second)
    for name, found in ratios.items():
        size = f"{len(tokens):,} check-ins, 16 connections"
        note("check-in, requests a second", statistics.median(found), f"× {name}", size=size)


def in_and_out(port: int, shift_id: UUID, tokens: list[str]) -> bool:
    """Everybody in, everybody out; whether the promises were kept."""
    arrived, _ = asyncio.run(come(port, [check_in(shift_id, token) for token in tokens], HALF_A_MINUTE))
    out = [
        tap(f"/api/v1/attendances/{body['id']}/check-out", token, {})
        for token, (status, body, _) in zip(tokens, arrived, strict=True)
        if status == 201
    ]
    left, _ = asyncio.run(come(port, out, HALF_A_MINUTE))
    size = f"{len(tokens):,} people in and out within {2 * HALF_A_MINUTE:.0f} s"
    for what, answers, wanted in (("check-in", arrived, 201), ("check-out", left, 200)):
        note(f"{what} of a crowd, p99", percentile(answers, 0.99) * 1000, "ms", size=size)
        note(f"{what} of a crowd, other answers", sum(one[0] != wanted for one in answers), "answers", size=size)
    answers = [*arrived, *left]
    return all(status < 500 for status, _, _ in answers) and percentile(answers, 0.99) <= SLOWEST_SECONDS


def check_in(shift_id: UUID, token: str) -> bytes:
    """One check-in at the place of the activity."""
    return tap("/api/v1/attendances", token, {"shift_id": str(shift_id)})


def tap(path: str, token: str, members: dict[str, Any]) -> bytes:
    """What a phone sends for one tap."""
    evidence = {"client_time": clock.now().isoformat(), "place": {"lat": 33.73, "lng": 113.33}, "accuracy_m": 20}
    return request_bytes("POST", path, token, json.dumps(members | {"evidence": evidence}).encode(), str(ids.new_id()))


if __name__ == "__main__":
    main()
