"""Why certificates, star levels and exports refuse."""

from volunteer_api.core.problems import Conflict


class PeriodNotOver(Conflict):
    title = "A certificate is of days up to today."


class NothingToCertify(Conflict):
    title = "There are no credited hours in this period."


class NameChangedLately(Conflict):
    """`from` in the body is the first day on which it can be made; it holds hours from before the change."""

    title = "You changed your name lately: hours from before are certified only some weeks later."
    detail = "You changed your name lately: hours from before are certified from %(day)s on."


class SeveralOrganizations(Conflict):
    """`organizations` in the body are those that recorded hours in the period: {id, name, minutes}."""

    title = "Several organizations recorded hours in this period; each certifies its own. Choose one."


class TooManyRecords(Conflict):
    title = "One certificate can't hold so many records; choose a shorter period."
    detail = "One certificate holds at most %(most)s records; choose a shorter period."


class ResidentIdMissing(Conflict):
    title = "You have given no resident ID that could stand on the certificate."


class CertificateRevoked(Conflict):
    title = "This certificate was revoked; make a new one."


class NotSealedYet(Conflict):
    title = "The day of this record is sealed in the coming night; ask again tomorrow."


class HoursTooFew(Conflict):
    """`level` and `missing_minutes` in the body are those of the next level (null: there is none)."""

    title = "Your credited hours are not enough for another star level."


class AlreadyApplied(Conflict):
    title = "You have applied for a star level, and it is not decided yet."


class NeverServedThere(Conflict):
    title = "This organization has recorded no hours of yours."


class AlreadyDecided(Conflict):
    title = "This application was decided before."


class HoursBelowLevel(Conflict):
    """`credited_minutes` in the body are those of now."""

    title = "The credited hours are not enough for this level any more."


class NothingToExport(Conflict):
    title = "Every record is in a batch already."


class AlreadySynced(Conflict):
    title = "This batch was confirmed before."
