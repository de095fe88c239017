"""What everybody heard in the past weeks was heard then: the outbox must not send it again now."""

from datetime import timedelta

from sqlalchemy import update

from volunteer_api.core.database import db
from volunteer_api.demo.stage import Stage
from volunteer_api.notifications.models import Notification

READ_AFTER = timedelta(days=5)


def settle(stage: Stage) -> None:
    """Mark the past's notifications as sent, and all but the last days' as read."""
    db.session.flush()
    db.session.execute(
        update(Notification)
        .where(Notification.created_at < stage.now)
        .values(sent_at=Notification.created_at, next_attempt_at=None, attempts=1)
        .execution_options(synchronize_session=False)
    )
    db.session.execute(
        update(Notification)
        .where(Notification.created_at < stage.now - READ_AFTER)
        .values(read_at=Notification.created_at)
        .execution_options(synchronize_session=False)
    )
