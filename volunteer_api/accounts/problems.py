"""Named refusals of sign-in and registration."""

from volunteer_api.core.problems import Conflict, TooManyRequests, Unauthorized


class CodeSentRecently(TooManyRequests):
    title = "A code was sent to this number a moment ago."
    detail = "A code was sent to this number a moment ago. Ask again in %(seconds)s seconds."


class WrongCode(Unauthorized):
    """One answer for a wrong, used, expired or exhausted code and for a number that never asked for one."""

    title = "The code is not right, or no longer good."
    detail = "The code is not right, or no longer good. After five wrong tries a new one is needed."
    # The try must be counted although the request failed.
    keeps_writes = True


class RegistrationRequired(Conflict):
    title = "The code is right, but this number has no account yet: register."


class AlreadyRegistered(Conflict):
    title = "This number has an account already: sign in."


class GuardianNeeded(Conflict):
    title = "Under the age of 14 a guardian's consent is needed first."


class RefreshTokenInvalid(Unauthorized):
    title = "The refresh token is not valid."


class RefreshTokenReused(Unauthorized):
    title = "This refresh token was replaced long ago; the session is ended. Sign in again."
    # Somebody holds a stolen copy: the family's end must last although the request failed.
    keeps_writes = True
