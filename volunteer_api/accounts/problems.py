"""Named refusals of sign-in and registration."""

from collections.abc import Mapping
from typing import ClassVar

from volunteer_api.core.problems import Conflict, TooManyRequests, Unauthorized


class CodeSentRecently(TooManyRequests):
    title = "A code was sent to this number a moment ago."
    detail = "A code was sent to this number a moment ago. Ask again in %(seconds)s seconds."


class NoMoreCodesToday(TooManyRequests):
    """Too many went to numbers without end, from one address or from all; the same for known and unknown numbers."""

    title = "No more codes are sent today."
    detail = (
        "No more codes are sent today. A phone that was signed in before still gets one, and a password needs none; "
        "all others try again in %(seconds)s seconds."
    )


class WrongCode(Unauthorized):
    """One answer for a wrong, used, expired or exhausted code and for a number that never asked for one."""

    title = "The code is not right, or no longer good."
    detail = "The code is not right, or no longer good. After five wrong tries a new one is needed."
    details: ClassVar[Mapping[str, str]] = {
        "guardian": "The code that was sent to the guardian's phone is not right, or no longer good. After five wrong "
        "tries a new one is needed."
    }
    # The try must be counted although the request failed.
    keeps_writes = True


class WrongPassword(Unauthorized):
    """One answer for a wrong password, for an account without one and for a number without an account."""

    title = "The phone number and the password do not belong together."
    # The try must be counted although the request failed.
    keeps_writes = True


class SecondFactRequired(Conflict):
    """The number may have a new owner. The code stays good.

    `ways` has lists of facts, each of which is enough; `facts` names all that occur in them.
    """

    title = "This number was not proven for long: prove that the account is yours, or register anew."
    keeps_writes = True
    is_outcome = False


class WrongSecondFact(Unauthorized):
    title = "This is not what the account's owner would know."
    details: ClassVar[Mapping[str, str]] = {"ward": "This is not the name of the volunteer for whom you consent."}
    # The try must be counted although the request failed.
    keeps_writes = True


class ReauthenticationRequired(Conflict):
    """`facts` names what proves that the account's owner asks, and not somebody with the owner's phone in hand."""

    title = "Prove first that the account is yours."
    details: ClassVar[Mapping[str, str]] = {
        "code": "This needs a code that is sent to your number.",
        "current_code": "Changing the number needs a code that is sent to the number until now.",
        "current_code password": "Changing the number needs the password, or a code that is sent to the number "
        "until now.",
        "password": "This account has no number at present: its password proves that it is yours.",
        "resident_id": "This account has no number at present: its resident ID proves that it is yours.",
        "password resident_id": "This account has no number at present: its password or its resident ID proves that "
        "it is yours.",
    }
    is_outcome = False


class PhoneTaken(Conflict):
    title = "This number belongs to another account."


class RegistrationRequired(Conflict):
    title = "The code is right, but this number has no account yet: register."


class AlreadyRegistered(Conflict):
    title = "This number has an account already: sign in."
    details: ClassVar[Mapping[str, str]] = {
        "recycled": "This number has an account already: sign in. If it was somebody else's before you, say so "
        "(`replaces_former_owner`), and register again."
    }


class GuardianNeeded(Conflict):
    """At a sign-in the member `erases_at` says when the account goes unless a guardian consents before."""

    title = "Under the age of 14 a guardian's consent is needed first."


class RefreshTokenInvalid(Unauthorized):
    title = "The refresh token is not valid."


class RefreshTokenReused(Unauthorized):
    title = "This refresh token was replaced long ago; the session is ended. Sign in again."
    # Somebody holds a stolen copy: the family's end must last although the request failed.
    keeps_writes = True


class GuardianContactNeeded(Conflict):
    title = "Between 14 and 18 somebody needs the contact of a guardian."


class GuardianMustConsent(Conflict):
    title = "A guardian consents with a code that is sent to the guardian's own phone."


class NamedWhenOfAge(Conflict):
    """Its body names the day, `available_from`."""

    title = "Rankings name nobody who is not of age."
    detail = "Nothing was changed: that rankings name you, you can consent to from %(day)s on."


class GuardianIsMinor(Conflict):
    title = "The guardian's phone belongs to the account of a minor."


class TooManyWards(Conflict):
    title = "This phone is that of the guardian of as many volunteers as it can be."


class NotMinor(Conflict):
    title = "Only minors have a guardian here."


class BirthDateKept(Conflict):
    """A child alone does not grow older by a correction."""

    title = "A minor's date of birth can't be changed to one with less protection."
    detail = (
        "A minor's date of birth is changed to an earlier one only by the guardian: give `guardian_code`, the code "
        "that is sent to the guardian's phone."
    )
    details: ClassVar[Mapping[str, str]] = {
        "no_guardian": "A minor's date of birth is changed to an earlier one by the resident ID, which sets the date, "
        "or by a guardian: name the guardian first, then give `guardian_code`.",
        "guardian_gone": "A minor's date of birth is changed to an earlier one only by the guardian: name the guardian "
        "first.",
        "new_guardian": "This guardian took another's place: the date of birth can be changed once the consent is "
        "%(days)s days old.",
        "cleared": "A minor's date of birth can be corrected, but not taken away.",
    }


class BirthDateMismatch(Conflict):
    title = "The date of birth is not the one in the resident ID."
    details: ClassVar[Mapping[str, str]] = {
        "number": "The date of birth told before is not the one in this resident ID: correct the date first, or look "
        "whether the number is right.",
        "guardian": "The date of birth told before is not the one in this resident ID, and makes a minor: let the "
        "guardian correct it first by a code, with `guardian_code` in PATCH /me.",
        "date": "The date of birth is not the one in the stored resident ID: delete the number first, if it is wrong.",
    }


class ResidentIdConsentNeeded(Conflict):
    title = "Consent to the keeping of the resident ID is needed first."


class ResidentIdTaken(Conflict):
    """The same answer whoever has it: it tells nothing of that account."""

    title = "This resident ID belongs to an account already."
    # The try must be counted although it failed.
    keeps_writes = True


class PhotoNotFound(Conflict):
    title = "The photo is no picture that you sent."


class NotRequested(Conflict):
    title = "Nobody asked for this account's erasure."


class PhoneNeeded(Conflict):
    """`facts`, where there are any, names what does instead of a code."""

    title = "This account has no number at present: give it one first."
    details: ClassVar[Mapping[str, str]] = {
        "password": "This account has no number at present: give it one first, or prove by its password that it is "
        "yours.",
        "resident_id": "This account has no number at present: give it one first, or prove by its resident ID that it "
        "is yours.",
        "password resident_id": "This account has no number at present: give it one first, or prove by its password or "
        "its resident ID that it is yours.",
    }
    is_outcome = False


class WardNamesRequired(Conflict):
    """The guardian's number may have a new owner. The code stays good; `volunteer_numbers` says of whom."""

    title = "This consent is old: give the whole names of those for whom it ends."
    is_outcome = False


class WardUnknown(Conflict):
    title = "For one of these you are not the guardian who consents."
    is_outcome = False
