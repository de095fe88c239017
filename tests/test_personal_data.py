"""Whoever adds a column about a person must say where its owner reads it and what erasure does to it."""

import re
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from sqlalchemy import Column, Uuid, func, select

from tests.accounts.furnished import furnish
from tests.activities.factories import make_scene
from tests.factories import unit_of
from volunteer_api.accounts import tasks
from volunteer_api.accounts.export_labels import MEMBERS, SECTIONS
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock, personal_data
from volunteer_api.core.database import db
from volunteer_api.phone import changes
from volunteer_api.rankings import folding
from volunteer_api.rankings.models import RankingNameMark

PERSON = re.compile(r"(^|_)(volunteer|owner|actor|subject|leader|recorder|approver|member|person)_id$|_by(_id)?$")


class Fate(Enum):
    """What erasure does to a column that points to a person."""

    KEPT = "the row stays and points to an account without a name"
    DELETED = "no row or value points to the person any more"


class Stated(NamedTuple):
    """A column's fate with its reason, and the section of the export that covers it (None: with the reason)."""

    fate: Fate
    reason: str
    section: str | None
    not_exported: str = ""


STATED = {
    "activities.created_by": Stated(Fate.KEPT, "public history of an organization", "activities_created"),
    "activity_leaders.volunteer_id": Stated(Fate.KEPT, "public history of an organization", "activities_led"),
    "attendances.check_in_scanned_by": Stated(Fate.KEPT, "who stands for that end", "attendances_scanned"),
    "attendances.check_out_scanned_by": Stated(Fate.KEPT, "who stands for that end", "attendances_scanned"),
    "attendances.volunteer_id": Stated(Fate.KEPT, "sums count it; its evidence is deleted", "attendances"),
    "attendances.check_in_recorder_id": Stated(Fate.KEPT, "who stands for that end", "attendances_reviewed"),
    "attendances.check_out_recorder_id": Stated(Fate.KEPT, "who stands for that end", "attendances_reviewed"),
    "attendances.reviewed_by": Stated(Fate.KEPT, "who answers for others' hours", "attendances_reviewed"),
    "audit_entries.actor_id": Stated(Fate.KEPT, "the law's log; ids only, deleted in time", "audit_entries"),
    "audit_entries.subject_id": Stated(Fate.KEPT, "the law's log; ids only, deleted in time", "audit_entries"),
    "backfills.decided_by": Stated(Fate.KEPT, "dual control of hours must stay provable", "backfills_vouched_for"),
    "backfills.recorder_id": Stated(Fate.KEPT, "dual control of hours must stay provable", "backfills_vouched_for"),
    "backfills.volunteer_id": Stated(Fate.KEPT, "as the ledger; what waits is deleted", "backfills"),
    "calendar_feeds.volunteer_id": Stated(Fate.DELETED, "nobody follows her calendar any more", "calendar_feed"),
    "certificates.volunteer_id": Stated(Fate.KEPT, "revoked, without the name", "certificates"),
    "consents.volunteer_id": Stated(Fate.KEPT, "proof of what was lawful; withdrawn", "consents"),
    "device_sessions.volunteer_id": Stated(Fate.DELETED, "names a phone", "devices"),
    "dispute_steps.actor_id": Stated(Fate.KEPT, "a trail only grows; ids only, its words go", "disputes"),
    "disputes.approver_id": Stated(Fate.KEPT, "who may not decide on it", "disputes_handled"),
    "disputes.confirmed_by": Stated(Fate.KEPT, "who vouched for service", "disputes_handled"),
    "disputes.decided_by": Stated(Fate.KEPT, "hours need two people who answer for them", "disputes_handled"),
    "disputes.leader_id": Stated(Fate.KEPT, "who may not decide on it", "disputes_handled"),
    "disputes.recorder_id": Stated(Fate.KEPT, "who may not decide on it", "disputes_handled"),
    "disputes.volunteer_id": Stated(Fate.KEPT, "that it was decided; her words are deleted", "disputes"),
    "feedback.moderated_by": Stated(Fate.KEPT, "who decided what others read", "feedback_handled"),
    "feedback.replied_by": Stated(Fate.KEPT, "who answered for an activity", "feedback_handled"),
    "feedback.volunteer_id": Stated(Fate.KEPT, "its stars count; its words are deleted", "feedback"),
    "feedback_askings.volunteer_id": Stated(Fate.DELETED, "nobody is asked any more", "notifications"),
    "feedback_reports.reported_by": Stated(Fate.DELETED, "her own words, of no use without her", "feedback_reports"),
    "files.owner_id": Stated(Fate.DELETED, "photos go, or stay without their sender where others use them", "files"),
    "former_leaders.volunteer_id": Stated(Fate.KEPT, "who may not decide on it", "activities_led_before"),
    "grants.granted_by": Stated(Fate.KEPT, "who gave a right that others still have", "audit_entries"),
    "grants.volunteer_id": Stated(Fate.KEPT, "history of an office; revoked", "grants"),
    "given_codes.volunteer_id": Stated(Fate.DELETED, "what proves nothing of her any more", "given_codes"),
    "guardians.volunteer_id": Stated(Fate.DELETED, "another person's name and phone", "guardians"),
    "held_attributions.volunteer_id": Stated(
        Fate.KEPT, "sums count it", None, "where the minutes of the exported attendance are counted"
    ),
    "idempotency_keys.owner_id": Stated(
        Fate.DELETED, "stored answers hold personal data", None, "copies of answers that the person got, for 30 days"
    ),
    "insured_people.recorded_by": Stated(Fate.KEPT, "who vouched for a cover", "qualifications_recorded"),
    "insured_people.volunteer_id": Stated(Fate.DELETED, "covers nobody any more", "insurance"),
    "loan_returns.received_by": Stated(Fate.KEPT, "who took it back; its documents name her anyway", "loans_handled"),
    "loans.lent_by": Stated(Fate.KEPT, "who lent it; its document names her anyway", "loans_handled"),
    "loans.volunteer_id": Stated(Fate.DELETED, "what is still out keeps a sealed name and phone", "loans"),
    "items.added_by": Stated(Fate.KEPT, "who may mend it while nobody else uses it", "items_added"),
    "kit_standard_versions.issued_by": Stated(Fate.KEPT, "who asked this of stations", "kit_standards_issued"),
    "memberships.volunteer_id": Stated(Fate.KEPT, "a team's history; ended", "memberships"),
    "movements.actor_id": Stated(Fate.KEPT, "the stock ledger is append-only", "movements"),
    "national_exports.created_by": Stated(Fate.KEPT, "who took data out", "national_exports_made"),
    "national_exports.synced_by": Stated(Fate.KEPT, "who took data out", "national_exports_made"),
    "notification_preferences.volunteer_id": Stated(Fate.DELETED, "nobody is pushed to", "notification_preferences"),
    "notifications.volunteer_id": Stated(Fate.DELETED, "an inbox is its owner's", "notifications"),
    "passwords.volunteer_id": Stated(Fate.DELETED, "opens nothing any more", "account"),
    "pending_grants.granted_by": Stated(Fate.DELETED, "nobody vouches for it any more", "audit_entries"),
    "ranking_name_marks.volunteer_id": Stated(
        Fate.DELETED, "nobody is to be asked about", None, "that it is to be asked whether she is named, for a minute"
    ),
    "ranking_named.volunteer_id": Stated(
        Fate.DELETED, "she is named no more", None, "sums of what is exported, of who consented to be named"
    ),
    "ranking_presences.volunteer_id": Stated(
        Fate.KEPT, "sums count it; an id", None, "which of the exported attendances rankings have folded"
    ),
    "ranking_snapshots.closed_by": Stated(Fate.KEPT, "who published numbers that stand", "rankings_closed"),
    "recalls.ended_by": Stated(Fate.KEPT, "stock must be accounted for", "stock_decisions"),
    "recalls.recalled_by": Stated(Fate.KEPT, "stock must be accounted for", "stock_decisions"),
    "resident_ids.volunteer_id": Stated(Fate.DELETED, "sensitive personal information", "profile"),
    "retained_names.volunteer_id": Stated(
        Fate.KEPT, "stock documents name their handler for five years", None, "made by the erasure itself"
    ),
    "roll_call_marks.marked_by": Stated(Fate.KEPT, "who answers for a crew's list", "roll_calls_taken"),
    "roll_call_marks.volunteer_id": Stated(Fate.KEPT, "a shift's list; it has no words", "roll_call_marks"),
    "service_records.approver_id": Stated(Fate.KEPT, "the hours ledger is append-only", "service_records_vouched_for"),
    "service_records.leader_id": Stated(Fate.KEPT, "the hours ledger is append-only", "service_records_vouched_for"),
    "service_records.recorder_id": Stated(Fate.KEPT, "the hours ledger is append-only", "service_records_vouched_for"),
    "service_records.volunteer_id": Stated(Fate.KEPT, "the hours ledger is append-only", "service_records"),
    "sign_ups.decided_by": Stated(Fate.KEPT, "who answered for an activity's crew", "sign_ups_decided"),
    "sign_ups.volunteer_id": Stated(Fate.KEPT, "shifts count it; what was to come is withdrawn", "sign_ups"),
    "star_levels.decided_by": Stated(Fate.KEPT, "who granted or refused it", "star_levels_decided"),
    "star_levels.volunteer_id": Stated(Fate.DELETED, "nothing sums them up", "star_levels"),
    "stock_months.closed_by": Stated(Fate.KEPT, "stock must be accounted for", "stock_decisions"),
    "stocktake_lines.counted_by": Stated(Fate.KEPT, "stock must be accounted for", "stocktakes"),
    "stocktakes.decided_by": Stated(Fate.KEPT, "stock must be accounted for", "stocktakes"),
    "stocktakes.from_volunteer_id": Stated(Fate.KEPT, "stock must be accounted for", "stocktakes"),
    "stocktakes.started_by": Stated(Fate.KEPT, "stock must be accounted for", "stocktakes"),
    "stocktakes.to_volunteer_id": Stated(Fate.KEPT, "stock must be accounted for", "stocktakes"),
    "stock_alerts.acknowledged_by": Stated(Fate.KEPT, "who saw to a station's trouble", "stock_alerts_acknowledged"),
    "training_records.recorded_by": Stated(Fate.KEPT, "who vouched for a training", "qualifications_recorded"),
    "sync_changes.volunteer_id": Stated(
        Fate.DELETED, "no phone asks any more", None, "that rows changed which are exported, for a month"
    ),
    "tally_changes.volunteer_id": Stated(Fate.KEPT, "sums count it", None, "a sum of what is exported, for a minute"),
    "tally_faults.subject_id": Stated(Fate.KEPT, "an alarm about a sum", None, "a sum of what is exported"),
    "tally_totals.subject_id": Stated(Fate.KEPT, "a sum, of an id", None, "a sum of what is exported"),
    "training_records.volunteer_id": Stated(Fate.DELETED, "nothing sums them up", "trainings"),
    "receipt_reversals.actor_id": Stated(Fate.KEPT, "stock documents name who signed them", "receipts_reversed"),
    "station_status_changes.changed_by": Stated(Fate.KEPT, "a station's history of service", "station_status_changes"),
    "transfer_steps.actor_id": Stated(Fate.KEPT, "stock documents name who signed them", "transfers"),
    "team_invitation_codes.created_by": Stated(Fate.KEPT, "a team's code, good until it expires", "invitation_codes"),
    "waiting_check_outs.volunteer_id": Stated(Fate.DELETED, "what her phone said of a place", "waiting_check_outs"),
}
# Every column of the account's own row: cleared, or the reason why it stays.
ACCOUNT = {
    "id": "what sums count; names nobody",
    "created_at": "how many registered when",
    "version": "a counter",
    "erased_at": "that it happened",
    "volunteer_number": "replaced by a new one",
    "name": "replaced by 已注销用户",
    "skills": "",
    "service_categories": "",
    "phone": "",
    "phone_proven_at": "",
    "birth_date": "",
    "home_division": "",
    "photo_id": "",
    "emergency_contact": "",
    "guardian_contact": "",
    "erases_at": "",
}
Unit = Callable[[Callable[[], Any]], Any]


def columns_about_people() -> dict[str, Column[Any]]:
    """Every column that refers to a volunteer, by a foreign key or by what it is called."""
    return {
        str(column): column
        for table in db.metadata.sorted_tables
        for column in table.columns
        if any(key.target_fullname == "volunteers.id" for key in column.foreign_keys)
        or (isinstance(column.type, Uuid) and PERSON.search(column.name))
    }


def test_every_column_about_a_person_has_its_fate_stated():
    assert sorted(columns_about_people()) == sorted(STATED)


def test_every_column_of_the_account_has_its_fate_stated():
    assert sorted(column.name for column in Volunteer.__table__.columns) == sorted(ACCOUNT)


def test_every_section_exists_and_has_a_name(app):
    named = {stated.section for stated in STATED.values() if stated.section is not None}
    assert named <= set(personal_data._readers)
    assert set(personal_data._readers) == set(SECTIONS)
    assert all(stated.section or stated.not_exported for stated in STATED.values())


@pytest.fixture
def person(unit: Unit) -> UUID:
    """Somebody of whom every table knows something."""
    volunteer_id: UUID = unit(lambda: furnish(make_scene()))
    unit(folding.rebuild)
    unit(lambda: db.session.add(RankingNameMark(volunteer_id=volunteer_id)))
    return volunteer_id


def test_what_is_known_is_exported_with_names_for_it(unit, person):
    found = unit(lambda: personal_data.collect(person))
    counts = {name: count(unit, column, person) for name, column in columns_about_people().items()}
    # Without a row in each, neither this test nor the next would show anything.
    assert [name for name, number in counts.items() if not number and name != "retained_names.volunteer_id"] == []
    empty = {stated.section for stated in STATED.values() if stated.section is not None and not found[stated.section]}
    assert empty == set()
    members = {member for rows in found.values() for row in rows for member in row}
    assert sorted(members - set(MEMBERS)) == []


def test_erasure_does_what_is_stated(app, unit, person):
    unit_of(app)(lambda: setattr(db.session.get_one(Volunteer, person), "erases_at", clock.now()))
    before = {column.name: value for column, value in account(unit, person)}
    with app.app_context():
        tasks.erase()
    # Rankings name her no more at once; what they kept of it goes within the minute.
    while unit(folding.fold):
        pass
    # What was noted for her phones, the erasure itself included, goes within the day.
    unit(changes.forget_erased)
    left = {name for name, column in columns_about_people().items() if count(unit, column, person)}
    assert left == {name for name, stated in STATED.items() if stated.fate is Fate.KEPT}
    for column, value in account(unit, person):
        reason = ACCOUNT[column.name]
        assert reason or value in (None, []), column
        assert not reason.startswith("replaced") or value != before[column.name], column


def count(unit: Unit, column: Column[Any], volunteer_id: UUID) -> int:
    """How many rows point to the person by the column."""
    return int(
        unit(lambda: db.session.scalar(select(func.count()).select_from(column.table).where(column == volunteer_id)))
    )


def account(unit: Unit, volunteer_id: UUID) -> list[tuple[Column[Any], Any]]:
    """The account's own row."""
    table = Volunteer.__table__
    row = unit(lambda: db.session.execute(select(table).where(table.c.id == volunteer_id)).one())
    return list(zip(table.columns, row, strict=True))
