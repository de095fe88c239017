"""Somebody of whom every table knows something, and how to look for that person in all of them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary, select

from tests.activities.factories import Scene, make_activity
from tests.factories import make_volunteer
from tests.inventory.factories import make_item
from tests.rankings.factories import Happening, Turn, write
from tests.stations.factories import make_station
from volunteer_api.accounts import contacts
from volunteer_api.accounts.models import Consent, DeviceSession, Guardian, Password, ResidentId, SignInCode
from volunteer_api.activities.models import Activity, ActivityState, FormerLeader
from volunteer_api.attendance.models import Attendance, GivenCodes, RollCallMark, State, WaitingCheckOut
from volunteer_api.catalog.kits import issue_template
from volunteer_api.catalog.models import ItemKind
from volunteer_api.catalog.service import add_items, new_item
from volunteer_api.catalog.templates import KitTemplate
from volunteer_api.certificates.models import (
    Certificate,
    CertificateRecord,
    NationalExport,
    NationalExportRecord,
    StarLevel,
    StarState,
)
from volunteer_api.compliance.models import AlertKind, StockAlert
from volunteer_api.core import audit, clock, ids, keyring
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.idempotency import IdempotencyKey
from volunteer_api.disputes.models import Dispute, DisputeStep, DisputeWords
from volunteer_api.feedback.models import Feedback, FeedbackAsking, FeedbackReport, WordsState
from volunteer_api.files.models import StoredFile
from volunteer_api.hours.models import (
    Backfill,
    HeldAttribution,
    ServiceRecord,
    Source,
    TallyChange,
    TallyFault,
    TallyTotal,
)
from volunteer_api.inventory import months, recalls
from volunteer_api.inventory import service as inventory
from volunteer_api.inventory.models import MovementReason, Recall, RecordableKind
from volunteer_api.loans import service as loans
from volunteer_api.loans.models import Loan, ReturnCondition
from volunteer_api.loans.returns import take_back
from volunteer_api.notifications.models import NotificationPreference, PushSubscription
from volunteer_api.notifications.service import notify
from volunteer_api.organizations.models import Grant, Organization, PendingGrant
from volunteer_api.phone.models import CalendarFeed
from volunteer_api.qualifications.models import Insured, Policy, Training, TrainingRecord
from volunteer_api.rankings.models import RankingSnapshot
from volunteer_api.sign_ups import service as sign_ups
from volunteer_api.stations.models import StationStatusChange
from volunteer_api.stocktakes import service as stocktakes
from volunteer_api.stocktakes.models import Stocktake
from volunteer_api.teams.models import InvitationCode, Membership, MembershipState
from volunteer_api.transfers import service as transfers
from volunteer_api.transfers.models import ReceiptReversal, TransferStep

NAME, PHONE, RESIDENT_ID = "欧阳翠花", "+8613855557777", "410403195803080021"


def furnish(scene: Scene) -> UUID:
    """Somebody of whom every table knows something."""
    volunteer = make_volunteer(name=NAME, phone=PHONE)
    volunteer.birth_date = clock.today() - timedelta(days=365 * 20)
    volunteer.home_division = "410403001"
    volunteer.skills, volunteer.service_categories = [NAME], [NAME]
    volunteer.emergency_contact = contacts.seal({"name": NAME, "phone": PHONE}, volunteer.id)
    now = clock.now()
    session = DeviceSession(
        volunteer_id=volunteer.id,
        device_id="a",
        device_name=f"{NAME}的手机",
        platform="android",
        last_used_at=now,
        expires_at=now + timedelta(days=60),
    )
    db.session.add_all(
        [
            session,
            Password(volunteer_id=volunteer.id, hash="$argon2id$", changed_at=now),
            ResidentId(
                volunteer_id=volunteer.id,
                sealed=keyring.encrypt("resident id", RESIDENT_ID.encode(), volunteer.id.bytes),
                digest=keyring.look_up("resident id", RESIDENT_ID),
            ),
            Guardian(
                volunteer_id=volunteer.id,
                contact=contacts.seal({"name": NAME, "phone": PHONE}, volunteer.id),
                phone_digest=keyring.look_up("contacts", PHONE),
                version="2026-11",
                consented_at=now,
            ),
            CalendarFeed(volunteer_id=volunteer.id, token_digest=b"a digest"),
            Consent(volunteer_id=volunteer.id, kind="ranking_name", version="2026-11", given_at=now),
            Grant(volunteer_id=volunteer.id, role="organizer", scope_type="organization", scope_id=scene.office_id),
            IdempotencyKey(
                owner_id=volunteer.id, key="k", fingerprint=b"", status=200, headers={}, body=f"{NAME} {PHONE}".encode()
            ),
            Membership(
                team_id=scene.team_id,
                volunteer_id=volunteer.id,
                state=MembershipState.ACTIVE,
                role="leader",
                joined_at=now,
                masked_phone="138****7777",
            ),
        ]
    )
    db.session.flush()
    db.session.add(
        SignInCode(phone=PHONE, purpose="access", code_hash=b"", expires_at=now, session_id=session.id),
    )
    db.session.add_all(
        [
            PushSubscription(
                session_id=session.id,
                provider="console",
                service="console",
                sealed=keyring.encrypt("push addresses", b"{}", session.id.bytes),
                digest=b"a digest",
                language="zh-CN",
            ),
            NotificationPreference(volunteer_id=volunteer.id, muted=["stock"], quiet_from_minute=60, quiet_to_minute=0),
        ]
    )
    notify(
        volunteer_id=volunteer.id,
        kind="activity_canceled",
        values={"activity": "清洁湛河", "reason": NAME},
        dedup_key="a notification",
    )
    organization = db.session.get_one(Organization, scene.office_id)
    yesterday = now - timedelta(days=1)
    turns = [
        Turn(starts_at=yesterday, present=[(0, State.CREDITED, 60), (1, State.HELD, 0)]),
        Turn(starts_at=yesterday - timedelta(hours=3), present=[(1, State.CREDITED, 30)]),
    ]
    write(
        Happening(turns=turns),
        organization,
        [volunteer.id, scene.member_id],
        team_id=scene.team_id,
        station_id=scene.station_id,
    )
    write(Happening(turns=[Turn(starts_at=yesterday, present=[(0, State.OPEN, 0)])]), organization, [volunteer.id])
    for attendance in db.session.scalars(select(Attendance).where(Attendance.volunteer_id == volunteer.id)):
        attendance.check_in_evidence = {"place": {"lat": 33.73, "lng": 113.33}, "note": f"{NAME} {PHONE}"}
        attendance.check_out_evidence = {"note": NAME}
        attendance.check_in_latitude = attendance.check_in_longitude = 33.73
    for attendance in db.session.scalars(select(Attendance).where(Attendance.volunteer_id == scene.member_id)):
        attendance.check_in_scanned_by = attendance.check_out_scanned_by = volunteer.id
        attendance.check_in_recorder_id = attendance.check_out_recorder_id = volunteer.id
        attendance.state, attendance.reviewed_by = State.HELD, volunteer.id
    for marked, by in ((scene.member_id, volunteer.id), (volunteer.id, scene.member_id)):
        mark = {"shift_id": attendance.shift_id, "volunteer_id": marked, "marked_by": by}
        db.session.add(RollCallMark(status="present", marked_at=now, **mark))
    db.session.add(
        WaitingCheckOut(
            volunteer_id=volunteer.id, key="out", check_in_key="in", evidence={"note": NAME}, received_at=now
        )
    )
    db.session.add(GivenCodes(volunteer_id=volunteer.id, target_id=scene.station_id, good_until=now))
    db.session.flush()
    activity = make_activity(scene=scene)
    mine = sign_ups.sign_up(shift_id=activity.shift_id, volunteer_id=volunteer.id)
    sign_ups.withdraw(sign_up_id=mine.id, reason=f"{NAME}病了")
    sign_ups.invite(by=volunteer.id, shift_id=activity.shift_id, volunteer_id=scene.outsider_id)
    led = make_activity(scene=scene, leader_ids=[volunteer.id])
    # That she led what is over stays.
    over = make_activity(scene=scene, leader_ids=[volunteer.id])
    db.session.get_one(Activity, over.id).state = ActivityState.COMPLETED
    db.session.get_one(Activity, led.id).created_by = volunteer.id
    db.session.flush()
    inventory.record_movement(
        station_id=scene.station_id,
        actor_id=volunteer.id,
        kind=RecordableKind.RECEIPT,
        reason=MovementReason.OTHER,
        lines=[{"item_id": make_item(), "quantity": 1}],
    )
    asked = transfers.request(
        actor_id=volunteer.id,
        from_station_id=scene.station_id,
        to_station_id=make_station(organization_id=scene.office_id).id,
        lines=[{"item_id": make_item(), "quantity": 1}],
        needs_organizer=True,
    )
    step_id = db.session.scalars(select(TransferStep.id).where(TransferStep.transfer_id == asked.id)).one()
    db.session.add_all(
        [
            ReceiptReversal(step_id=step_id, actor_id=volunteer.id, note="数错了", reversed_at=now),
            InvitationCode(
                team_id=scene.team_id,
                created_by=volunteer.id,
                code_digest=b"",
                needs_acceptance=False,
                expires_at=now + timedelta(days=1),
            ),
            StationStatusChange(
                station_id=scene.station_id, from_status="open", to_status="paused", changed_by=volunteer.id
            ),
            PendingGrant(
                phone_digest=b"another's",
                masked_phone="139****0000",
                role="organizer",
                scope_type="organization",
                scope_id=scene.office_id,
                granted_by=volunteer.id,
                expires_at=now + timedelta(days=1),
            ),
            Grant(
                volunteer_id=scene.member_id,
                role="inspector",
                scope_type="organization",
                scope_id=scene.office_id,
                granted_by=volunteer.id,
            ),
        ]
    )
    _qualify(volunteer.id, scene)
    _vouch(volunteer.id, scene)
    _keep_stock(volunteer.id, scene)
    _lend(volunteer.id, scene)
    _keep_stations_stocked(volunteer.id, scene)
    _give_feedback(volunteer.id, scene)
    _dispute(volunteer.id, scene)
    audit.record(AuditAction.SIGNED_IN, actor_id=volunteer.id, subject_id=volunteer.id)
    db.session.add(
        StoredFile(
            owner_id=volunteer.id,
            name="a-photo",
            media_type="image/webp",
            width=1,
            height=1,
            byte_size=1,
            sha256=b"",
            thumbnails=[],
        )
    )
    _record_hours(volunteer.id, scene)
    db.session.add(
        RankingSnapshot(
            scope_id=scene.center_id,
            period="2026-10",
            first_on=clock.today(),
            last_on=clock.today(),
            provisional=False,
            final_after=clock.today(),
            attendances_for_held_shift=1,
            closed_by=volunteer.id,
        )
    )
    db.session.flush()
    return volunteer.id


def _record_hours(volunteer_id: UUID, scene: Scene) -> None:
    """Served, led, recorded and decided on others' hours, and was recorded by others."""
    organization = db.session.get_one(Organization, scene.office_id)
    yesterday = clock.now() - timedelta(days=1)
    shared: dict[str, Any] = {
        "organization_id": organization.id,
        "on": clock.local_date(yesterday),
        "starts_at": yesterday,
        "ends_at": clock.now(),
        "minutes": 5,
    }
    placed = shared | {"organization_path_id": organization.path_id}
    for recorder_id, approver_id in ((volunteer_id, scene.outsider_id), (scene.outsider_id, volunteer_id)):
        db.session.add(
            ServiceRecord(
                **placed,
                volunteer_id=scene.member_id,
                source=Source.BACKFILLED,
                content="清洁家园",
                leader_id=volunteer_id,
                recorder_id=recorder_id,
                approver_id=approver_id,
            )
        )
    decided = {"state": "rejected", "decided_at": clock.now(), "decision_reason": "无人见到"}
    for whose_id, recorder_id, decision in (
        (volunteer_id, scene.leader_id, {}),
        (volunteer_id, scene.leader_id, decided | {"decided_by": scene.organizer_id}),
        (scene.member_id, volunteer_id, {}),
        (scene.outsider_id, scene.leader_id, decided | {"decided_by": volunteer_id}),
    ):
        db.session.add(
            Backfill(
                **shared | decision,
                volunteer_id=whose_id,
                station_id=scene.station_id,
                recorder_id=recorder_id,
                reason="手机没电",
            )
        )
    summed = {name: value for name, value in placed.items() if name not in ("starts_at", "ends_at", "minutes")}
    total = {"subject_kind": "volunteer", "subject_id": volunteer_id, "unit": "day", "starts_on": clock.today()}
    minutes = {"credited_minutes": 5, "held_minutes": 0}
    db.session.add_all(
        [
            HeldAttribution(attendance_id=ids.new_id(), volunteer_id=volunteer_id, **summed),
            TallyChange(volunteer_id=volunteer_id, **summed, **minutes),
            TallyTotal(**total, **minutes),
            TallyFault(**total, **minutes),
        ]
    )
    db.session.flush()


def _qualify(volunteer_id: UUID, scene: Scene) -> None:
    """Trained and insured, and somebody who recorded that."""
    today = clock.today()
    training = Training(organization_id=scene.office_id, name="急救")
    policy = Policy(
        organization_id=scene.office_id, insurer="人保", policy_number="P-1", starts_on=today, ends_on=today
    )
    db.session.add_all([training, policy])
    db.session.flush()
    listed = {"volunteer_id": volunteer_id, "phone_digest": b"p", "masked_phone": "", "recorded_by": volunteer_id}
    db.session.add_all(
        [
            TrainingRecord(training_id=training.id, completed_on=today, **listed),
            Insured(policy_id=policy.id, starts_on=today, ends_on=today, **listed),
            # Hers to answer for, though not about her.
            TrainingRecord(
                training_id=training.id,
                completed_on=today,
                **listed | {"volunteer_id": scene.member_id, "phone_digest": b"another's"},
            ),
            Insured(
                policy_id=policy.id,
                starts_on=today,
                ends_on=today,
                **listed | {"volunteer_id": None, "phone_digest": b"another's"},
            ),
        ]
    )
    db.session.flush()


def _vouch(volunteer_id: UUID, scene: Scene) -> None:
    """Certified, applied for a star, decided about another's, and took records out."""
    now, today = clock.now(), clock.today()
    record_id = db.session.scalars(select(ServiceRecord.id).where(ServiceRecord.volunteer_id == volunteer_id)).first()
    export = NationalExport(
        organization_id=scene.office_id,
        created_by=volunteer_id,
        record_count=1,
        with_resident_ids=False,
        synced_at=now,
        synced_by=volunteer_id,
    )
    certificate = Certificate(
        volunteer_id=volunteer_id,
        organization_id=scene.office_id,
        number="23456789ABCD",
        name=NAME,
        volunteer_number="VVVVVVVVVV",
        masked_resident_id="410***********0021",
        organization_name="实践所",
        starts_on=today,
        ends_on=today,
        minutes=60,
    )
    db.session.add_all([export, certificate])
    db.session.flush()
    db.session.add_all(
        [
            CertificateRecord(certificate_id=certificate.id, record_id=record_id),
            NationalExportRecord(record_id=record_id, export_id=export.id),
            StarLevel(volunteer_id=volunteer_id, organization_id=scene.office_id, level=1, minutes=6000),
            StarLevel(
                volunteer_id=scene.member_id,
                organization_id=scene.office_id,
                level=1,
                minutes=6000,
                state=StarState.GRANTED,
                decided_by=volunteer_id,
                decided_at=now,
            ),
        ]
    )
    db.session.flush()


def _keep_stock(volunteer_id: UUID, scene: Scene) -> None:
    """Counted, handed a shift over, closed a month, recalled a lot and took that back."""
    office = db.session.get_one(Organization, scene.office_id)
    item_id = make_item()
    stocktake_id = stocktakes.start_stocktake(
        station_id=scene.station_id,
        by=volunteer_id,
        kind="handover",
        item_ids=[item_id],
        to_volunteer_id=scene.member_id,
    )
    stocktakes.start_stocktake(
        station_id=scene.station_id,
        by=volunteer_id,
        kind="handover",
        item_ids=[item_id],
        from_volunteer_id=scene.member_id,
        to_volunteer_id=volunteer_id,
    )
    stocktake = db.session.get_one(Stocktake, stocktake_id)
    stocktakes.count_lines(stocktake, [{"item_id": item_id, "quantity": 0}], by=volunteer_id)
    months.close_month(office, "2020-01", by=volunteer_id)
    made = recalls.recall_lot(organization=office, item_id=item_id, lot_number="A", reason="召回", by=volunteer_id)
    recalls.end_recall(db.session.get_one(Recall, made.id), reason="批号有误", by=volunteer_id)


def _lend(volunteer_id: UUID, scene: Scene) -> None:
    """Somebody who lends to herself and to another, and takes a part of what the other has back."""
    item_id = make_item(kind=ItemKind.DURABLE)
    inventory.record_movement(
        station_id=scene.station_id,
        actor_id=volunteer_id,
        kind=RecordableKind.RECEIPT,
        reason=MovementReason.OTHER,
        lines=[{"item_id": item_id, "quantity": 4}],
    )
    for borrower_id in (volunteer_id, scene.member_id):
        loan = loans.lend(
            station_id=scene.station_id,
            actor_id=volunteer_id,
            borrower={"volunteer_id": borrower_id},
            item_id=item_id,
            quantity=2,
        )
    take_back(
        db.session.get_one(Loan, loan.id),
        station_id=scene.station_id,
        actor_id=volunteer_id,
        condition=ReturnCondition.GOOD,
        quantity=1,
    )


def _keep_stations_stocked(volunteer_id: UUID, scene: Scene) -> None:
    """Issued a kit standard, and saw to an alert."""
    issue_template(KitTemplate.DESK, organization_id=scene.office_id, issued_by=volunteer_id)
    add_items([new_item(name="毛巾", kind=ItemKind.CONSUMABLE, unit="条")], by=volunteer_id)
    db.session.add(
        StockAlert(
            station_id=scene.station_id,
            kind=AlertKind.LOW,
            details={},
            acknowledged_at=clock.now(),
            acknowledged_by=volunteer_id,
            note="明天补货",
        )
    )
    db.session.flush()


def _dispute(volunteer_id: UUID, scene: Scene) -> None:
    """Disputes that nothing is recorded of a shift, and had every part in disputes of another."""
    matter = {"shift_id": make_activity(scene=scene).shift_id, "organization_id": scene.office_id, "content": "清洁"}
    matter |= {"matter_shift_id": matter["shift_id"], "due_on": clock.today()}
    decided = matter | {"volunteer_id": scene.member_id, "state": "rejected", "closed_at": clock.now()}
    mine = Dispute(volunteer_id=volunteer_id, **matter)
    parts = {"recorder_id": volunteer_id, "approver_id": volunteer_id, "leader_id": volunteer_id}
    confirmed = {"confirmed_by": volunteer_id, "confirmed_minutes": 60, "decided_by": scene.organizer_id}
    db.session.add_all([mine, Dispute(**decided | parts | confirmed), Dispute(**decided, decided_by=volunteer_id)])
    db.session.flush()
    step = DisputeStep(dispute_id=mine.id, sequence=1, kind="filed", actor_id=volunteer_id)
    db.session.add(step)
    db.session.flush()
    db.session.add(DisputeWords(step_id=step.id, words=f"{NAME}在现场"))
    db.session.flush()


def _give_feedback(volunteer_id: UUID, scene: Scene) -> None:
    """Said something, moderated and answered what another said, reported a third, and was asked."""
    activity_id = make_activity(scene=scene).id
    mine = {"activity_id": activity_id, "stars": 3, "words": NAME, "words_state": WordsState.PENDING}
    theirs = mine | {"words_state": WordsState.APPROVED, "moderated_by": volunteer_id, "moderated_at": clock.now()}
    answered = {"reply": "谢谢", "replied_by": volunteer_id, "replied_at": clock.now()}
    others = Feedback(volunteer_id=scene.member_id, **theirs | answered | {"words": "水不够"})
    db.session.add_all([Feedback(volunteer_id=volunteer_id, **mine), others])
    db.session.flush()
    db.session.add_all(
        [
            FeedbackReport(feedback_id=others.id, reported_by=volunteer_id, reason=NAME),
            FeedbackAsking(activity_id=activity_id, volunteer_id=volunteer_id),
            FormerLeader(activity_id=activity_id, volunteer_id=volunteer_id, left_at=clock.now()),
        ]
    )
    db.session.flush()


def everything(leave_out: tuple[str, ...] = ()) -> str:
    """Every value of every table as text."""
    found = []
    for table in db.metadata.sorted_tables:
        columns = [column for column in table.columns if str(column) not in leave_out]
        for row in db.session.execute(select(*columns)):
            for column, value in zip(columns, row, strict=True):
                text = (
                    bytes(value).decode("utf-8", "replace") if isinstance(column.type, LargeBinary) and value else value
                )
                found.append(f"{column}={text}")
    return "\n".join(found)
