"""The version that brought tallies, with rows in the ledger: its totals are the sums of what was there."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.attendance.factories import make_scene
from tests.factories import unit_of
from tests.hours.test_service import FIRST, credit
from tests.servers import migrate
from volunteer_api.activities import service as activities
from volunteer_api.activities.models import Activity
from volunteer_api.attendance.models import Attendance
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.periods import ALL_TIME
from volunteer_api.hours import service, tallies, verification
from volunteer_api.hours.models import SubjectKind

BEFORE = "2026_11_25_12_finding"


def test_the_totals_of_what_was_there(own_app: Flask) -> None:
    unit, scene = unit_of(own_app), make_scene(starts_at=FIRST)
    attendance_id = ids.new_id()

    def live() -> Any:
        campaign = activities.create_campaign(name="清洁湛河", organization_id=scene.organization.id)
        db.session.get_one(Activity, scene.activity.id).campaign_id = campaign.id
        db.session.flush()
        credit(scene, scene.volunteer.id, 60, FIRST, attendance_id=attendance_id)
        service.take_back(attendance_id=attendance_id, reason="误记", actor_id=scene.organizer.id)
        credit(scene, scene.volunteer.id, 45, FIRST, attendance_id=attendance_id)
        graded = {"grade": "weak", "check_in_grade": "weak", "check_in_evidence": {}, "checked_in_at": clock.now()}
        held = Attendance(
            volunteer_id=scene.stranger.id, shift_id=scene.shift.id, state="held", held_minutes=30, **graded
        )
        db.session.add(held)
        db.session.flush()
        shown = db.session.get_one(Activity, scene.activity.id)
        tallies.held(
            volunteer_id=scene.stranger.id,
            activity=shown,
            station=None,
            on=clock.local_date(FIRST),
            team_id=None,
            minutes=30,
            attendance_id=held.id,
        )
        return campaign.id

    campaign_id = unit(live)

    def check() -> None:
        for kind, subject_id, credited, held in (
            (SubjectKind.VOLUNTEER, scene.volunteer.id, 45, 0),
            (SubjectKind.VOLUNTEER, scene.stranger.id, 0, 30),
            (SubjectKind.CAMPAIGN, campaign_id, 45, 30),
            (SubjectKind.ORGANIZATION, scene.organization.id, 45, 30),
        ):
            tally = unit(lambda kind=kind, subject_id=subject_id: tallies.tally(kind, subject_id, ALL_TIME))
            assert (tally.credited_minutes, tally.held_minutes) == (credited, held), kind
        with own_app.app_context():
            assert verification.verify_tallies() == 0
            with pytest.raises(DBAPIError, match="append-only"):
                db.session.execute(text("UPDATE service_records SET minutes = 1"))
            db.session.rollback()

    check()
    migrate(own_app, BEFORE, down=True)
    with own_app.app_context():
        assert db.session.execute(text("SELECT sum(minutes) FROM service_records")).scalar_one() == 45
        with pytest.raises(DBAPIError, match="append-only"):
            db.session.execute(text("DELETE FROM service_records"))
        db.session.rollback()
    migrate(own_app)
    check()
