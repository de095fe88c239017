"""Invitation codes: how they are made, read from what a phone scanned, and found by their digest."""

from datetime import datetime

from sqlalchemy import ColumnElement, or_, select

from volunteer_api.core import clock, ids, keys
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.limits import spend
from volunteer_api.core.settings import settings
from volunteer_api.teams.models import CodeState, InvitationCode, Team
from volunteer_api.teams.problems import InvitationCodeUnknown

CODE_LENGTH = 10
PURPOSE = "team invitation code"
# Far more than a person types wrong, and nothing against 31 to the power of 10 codes.
CODES_TRIED = "30/hour"


def new_code() -> str:
    """A fresh code, with about 49 bits that nobody can guess."""
    return ids.readable(CODE_LENGTH)


def url_of(code: str) -> str:
    """What the QR code of an invitation says."""
    return f"{settings().public_base_url}/c/j/{code}"


def digest_of(code: str) -> bytes:
    """What is kept of a code."""
    return keys.sign(PURPOSE, _bare(code))


def _bare(code: str) -> str:
    """A code typed in any usual way, or the whole address that a phone scanned, as the code was made."""
    last = code.rstrip("/").rpartition("/")[2]
    return "".join(character for character in last.upper() if character.isalnum())


def find_live(code: str, *, by: Principal) -> InvitationCode:
    """The code that can be used now, of a team that is not closed; the try counts.

    Raises InvitationCodeUnknown (404) for what never was, is over, used up or taken back, TooManyRequests (429).
    """
    spend(CODES_TRIED, "invitation codes tried", who=str(by.volunteer_id))
    found = db.session.scalar(
        select(InvitationCode)
        .join(Team, Team.id == InvitationCode.team_id)
        .where(
            InvitationCode.code_digest.in_(keys.digests(PURPOSE, _bare(code))),
            is_live(clock.now()),
            Team.closed_at.is_(None),
        )
    )
    if found is None:
        raise InvitationCodeUnknown()
    return found


def is_live(moment: datetime) -> ColumnElement[bool]:
    """The condition that a code can be used."""
    has_uses = or_(InvitationCode.uses_left.is_(None), InvitationCode.uses_left > 0)
    return InvitationCode.revoked_at.is_(None) & (InvitationCode.expires_at > moment) & has_uses


def state_of(code: InvitationCode, moment: datetime) -> CodeState:
    """Whether a code that nobody took back can be used, or why it can't."""
    if code.uses_left == 0:
        return CodeState.USED_UP
    return CodeState.LIVE if code.expires_at > moment else CodeState.EXPIRED
