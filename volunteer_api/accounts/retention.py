"""What accounts forget by itself [PIPL 19]."""

from datetime import timedelta

from sqlalchemy import or_

from volunteer_api.accounts.models import DeviceSession
from volunteer_api.core import clock
from volunteer_api.core.settings import rules
from volunteer_api.core.statements import delete_some


def forget_sessions() -> int:
    """Delete device sessions that ended, or ran out unused, 180 days ago, some at a time; returns how many.

    Until then they tell their owner who was signed in where.
    """
    over = clock.now() - timedelta(days=rules().session_days)
    return delete_some(DeviceSession, or_(DeviceSession.ended_at <= over, DeviceSession.expires_at <= over))
