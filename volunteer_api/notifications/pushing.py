"""From the rows of `pushes` to the phones, each service by itself: claim and commit, send, settle.

Sending is outside of any transaction: a commit that is run again sends nothing again, and no lock is held while a
service is waited for. One that is slow or dead holds up nobody else's news.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, tuple_, update
from sqlalchemy.exc import SQLAlchemyError

from volunteer_api.accounts.models import DeviceSession
from volunteer_api.accounts.queries import is_open
from volunteer_api.core import clock, keyring, texts
from volunteer_api.core.database import db
from volunteer_api.core.logs import logger
from volunteer_api.core.statements import among, insert
from volunteer_api.notifications import subscriptions
from volunteer_api.notifications.handing_over import held_until, is_urgent, useless_from
from volunteer_api.notifications.models import Notification, Push, PushService, PushSubscription
from volunteer_api.notifications.preferences import preferences_of
from volunteer_api.notifications.providers import providers
from volunteer_api.notifications.providers.base import Blame, Gone, Message, NotTaken, Provider, ProviderName
from volunteer_api.notifications.queries import named
from volunteer_api.notifications.templates import TEMPLATES, group_of, render

CLAIMED_AT_ONCE = 40
SENT_AT_ONCE = 4
MAX_ATTEMPTS = 10
# Longer than a turn of `tasks.deliver` and one last slow push: until then nobody else takes what was claimed.
FIRST_DELAY = timedelta(minutes=1)
LONGEST_DELAY = timedelta(hours=6)
# So many failures in a row are the service's, not the devices': it is left alone for so long, or as long as it asks.
FAILURES_OF_A_SERVICE = 3
REST = timedelta(minutes=1)
# What begins within this may wake a sleeping phone.
SOON = timedelta(hours=12)
TITLE_CHARACTERS = 50
BODY_CHARACTERS = 200

PushKey = tuple[UUID, UUID]


@dataclass(frozen=True)
class Delivery:
    """A claimed push with all that sending it needs; `digest` is of the address that was read."""

    key: PushKey
    attempts: int
    provider: Provider | None
    address: Mapping[str, Any] = field(repr=False)
    digest: bytes
    message: Message


class Fate(Enum):
    """What became of a push: the service has it, knows no such device, did not take it, or was not asked."""

    SENT = "sent"
    GONE = "gone"
    FAILED = "failed"
    UNTRIED = "untried"


@dataclass(frozen=True)
class Outcome:
    """The fate of a delivery; where it failed for what, and the `wait` that the service asked for."""

    delivery: Delivery
    fate: Fate
    wait: timedelta = timedelta()
    blame: Blame = Blame.PUSH


def services_due() -> list[str]:
    """The services for whose devices a push is due, save those that rest."""
    due = (
        select(PushSubscription.service)
        .join(Push, Push.session_id == PushSubscription.session_id)
        .join(DeviceSession, DeviceSession.id == Push.session_id)
        .where(*_is_due(clock.now()))
    )
    return list(db.session.scalars(due.distinct().order_by(PushSubscription.service)))


def claim(service: str) -> list[Delivery] | None:
    """Take some due pushes of a service, None where there is none; nobody else gets them until they are due again.

    That is after 1, 2, 4, … minutes, up to six hours, so that neither a failure nor a killed worker loses one. What is
    of no use any more is deleted, and what failed until its reader's quiet hours began waits for their end.
    """
    now = clock.now()
    rows = db.session.execute(
        select(Push, Notification, PushSubscription)
        .join(Notification, Notification.id == Push.notification_id)
        .join(PushSubscription, PushSubscription.session_id == Push.session_id)
        .join(DeviceSession, DeviceSession.id == Push.session_id)
        .where(PushSubscription.service == service, *_is_due(now))
        # Of another release, which runs beside this one, there may be other kinds.
        .where(among(Notification.kind, list(TEMPLATES)))
        .order_by(Push.next_attempt_at, Push.notification_id, Push.session_id)
        .limit(CLAIMED_AT_ONCE)
        .with_for_update(of=Push, skip_locked=True)
    ).all()
    deliveries: list[Delivery] = []
    values = named([row.Notification.values for row in rows])
    preferences = preferences_of({row.Notification.volunteer_id for row in rows}) if rows else {}
    for (push, notification, subscription), content in zip(rows, values, strict=True):
        wanted = preferences[notification.volunteer_id]
        is_muted = group_of(notification.kind) in wanted.muted
        if notification.read_at is not None or useless_from(notification) <= now or is_muted:
            db.session.delete(push)
            continue
        quiet_end = held_until(notification, wanted, now)
        if quiet_end is not None:
            push.next_attempt_at = quiet_end
            continue
        push.attempts += 1
        push.next_attempt_at = now + _delay(push.attempts)
        try:
            deliveries.append(_delivery(push, notification, subscription, content))
        except keyring.SealBroken as error:
            logger().error("push_address_lost", session_id=str(push.session_id), error=type(error).__name__)
            db.session.delete(push)
        except SQLAlchemyError:
            raise
        except Exception as error:  # like a key that is locked here: one row must not hold up all others
            logger().error("push_not_made", session_id=str(push.session_id), error=type(error).__name__, exc_info=True)
            if push.attempts >= MAX_ATTEMPTS:
                db.session.delete(push)
    return deliveries if rows else None


def send(deliveries: Sequence[Delivery], may_begin: Callable[[], bool]) -> tuple[list[Outcome], bool]:
    """Send what was claimed, a few at a time and in no transaction: an outcome for each, and whether the service fails.

    No push begins once `may_begin` is false, or the service has failed a few times in a row or asked to be left alone.
    """
    streak = _Streak()
    with ThreadPoolExecutor(SENT_AT_ONCE) as pool:
        # The context has the moment that a test or the demo pinned.
        runs = [pool.submit(copy_context().run, _send, one, streak, may_begin) for one in deliveries]
        return [run.result() for run in runs], streak.is_long


def settle(service: str, outcomes: Sequence[Outcome], *, fails: bool) -> None:
    """Record what became of pushes. Where this is lost the same are sent again, and a phone shows each once.

    A service that `fails` is left alone for a while, by all workers.
    """
    now = clock.now()
    by_fate: dict[Fate, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        by_fate[one.fate].append(one)
    given_up = [one for one in by_fate[Fate.FAILED] if one.delivery.attempts >= MAX_ATTEMPTS]
    if given_up:
        logger().error("push_given_up", service=service, count=len(given_up))
    _delete(one.delivery.key for one in [*by_fate[Fate.SENT], *given_up])
    for one in [*by_fate[Fate.GONE], *(one for one in given_up if one.blame is Blame.ADDRESS)]:
        # With its pushes. A device that told another address meanwhile gets them there.
        _, session_id = one.delivery.key
        same = (PushSubscription.session_id == session_id) & (PushSubscription.digest == one.delivery.digest)
        db.session.execute(delete(PushSubscription).where(same))
    for one in by_fate[Fate.FAILED]:
        if one.wait > _delay(one.delivery.attempts):
            _update([one.delivery.key], next_attempt_at=now + one.wait)
    _update([one.delivery.key for one in by_fate[Fate.UNTRIED]], next_attempt_at=now, attempts=Push.attempts - 1)
    if fails:
        of_service = (one.wait for one in by_fate[Fate.FAILED] if one.blame is Blame.SERVICE)
        _let_rest(service, now + max([REST, *of_service]))
    # Of a session that is ended there was one thing to say.
    over = and_(PushSubscription.service == service, PushSubscription.ends_at.is_not(None))
    left = exists().where(Push.session_id == PushSubscription.session_id)
    db.session.execute(delete(PushSubscription).where(over, ~left).execution_options(synchronize_session=False))


def _is_due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    resting = select(PushService.service).where(PushService.rests_until > now)
    return (
        Push.next_attempt_at <= now,
        PushSubscription.service.not_in(resting),
        or_(PushSubscription.ends_at > now, and_(*is_open())),
    )


def _delivery(
    push: Push, notification: Notification, subscription: PushSubscription, values: Mapping[str, str]
) -> Delivery:
    now = clock.now()
    provider = providers().get(ProviderName(subscription.provider))
    with texts.speaking(subscription.language):
        if "name" in values and (provider is None or provider.is_read_on_the_way):
            # A sentence without a name says that it is a volunteer's.
            values = {member: value for member, value in values.items() if member != "name"}
        title, body = render(notification.kind, values)
    return Delivery(
        key=(push.notification_id, push.session_id),
        attempts=push.attempts,
        provider=provider,
        address=subscriptions.unseal(subscription.sealed, subscription.session_id),
        digest=subscription.digest,
        message=Message(
            notification_id=notification.id,
            kind=notification.kind,
            title=_cut(title, TITLE_CHARACTERS),
            body=_cut(body, BODY_CHARACTERS),
            ids={name: value for name, value in values.items() if name.endswith("_id") and name != "person_id"},
            seconds=int((useless_from(notification) - now).total_seconds()),
            urgent=is_urgent(notification, now + SOON),
        ),
    )


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"


class _Streak:
    """How many pushes of a service failed one after the other for its own sake; as many as it takes if it says so."""

    def __init__(self) -> None:
        self._failures, self._lock = 0, threading.Lock()

    @property
    def is_long(self) -> bool:
        return self._failures >= FAILURES_OF_A_SERVICE

    def note_answer(self) -> None:
        with self._lock:
            # What is asked for lasts.
            self._failures = self._failures if self.is_long else 0

    def note_failure(self, error: NotTaken) -> None:
        with self._lock:
            self._failures += FAILURES_OF_A_SERVICE if error.wait_seconds else 1


def _send(delivery: Delivery, streak: _Streak, may_begin: Callable[[], bool]) -> Outcome:
    if streak.is_long or not may_begin():
        return Outcome(delivery, Fate.UNTRIED)
    try:
        if delivery.provider is None:
            raise NotTaken("not_set_up")
        delivery.provider.send(delivery.address, delivery.message)
    except Gone:
        streak.note_answer()
        return Outcome(delivery, Fate.GONE)
    except Exception as error:  # whatever a provider fails of, it must not hold up the others
        # Of an error that a provider doesn't know, the text may hold the address; and it is not the service's.
        known = error if isinstance(error, NotTaken) else NotTaken(type(error).__name__, blame=Blame.PUSH)
        notification_id = str(delivery.message.notification_id)
        logger().warning("push_failed", notification_id=notification_id, reason=known.reason)
        # Of others than the service's, somebody's own addresses could put the news of all to rest.
        if known.blame is Blame.SERVICE:
            streak.note_failure(known)
        return Outcome(delivery, Fate.FAILED, timedelta(seconds=known.wait_seconds or 0), known.blame)
    streak.note_answer()
    return Outcome(delivery, Fate.SENT)


def _delete(keys: Iterable[PushKey]) -> None:
    chosen = list(keys)
    if chosen:
        db.session.execute(
            delete(Push)
            .where(tuple_(Push.notification_id, Push.session_id).in_(chosen))
            .execution_options(synchronize_session=False)
        )


def _update(keys: Sequence[PushKey], **values: Any) -> None:
    if keys:
        db.session.execute(
            update(Push)
            .where(tuple_(Push.notification_id, Push.session_id).in_(keys))
            .values(values)
            .execution_options(synchronize_session=False)
        )


def _let_rest(service: str, until: datetime) -> None:
    """Leave a service alone, with what is told to its devices meanwhile: nobody waits for it again and again."""
    logger().warning("push_service_rests", service=service, until=clock.stamp(until))
    statement = insert(PushService).values(service=service, rests_until=until)
    db.session.execute(
        statement.on_conflict_do_update(
            index_elements=[PushService.service],
            set_={"rests_until": until},
            where=PushService.rests_until < until,
        )
    )


def _delay(attempts: int) -> timedelta:
    return min(FIRST_DELAY * (1 << (attempts - 1)), LONGEST_DELAY)
