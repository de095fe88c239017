"""Why the ledger refuses."""

from volunteer_api.core.problems import Conflict


class ItemExists(Conflict):
    title = "The catalogue has an item of this name."
    detail = "The catalogue already has %(item)s."


class ItemUnknown(Conflict):
    title = "A line names an item that is not in the catalogue."


class ProhibitedItem(Conflict):
    title = "This item must not be kept at a station."
    detail = "%(item)s is prohibited at stations."


class StockTooLow(Conflict):
    """`item`, `lot_number`, `balance` and `requested` stand in the body."""

    title = "There is not enough in stock."
    detail = "Only %(balance)s of %(item)s are in stock, not %(requested)s."


class LotExpired(Conflict):
    """What is left has expired: it is written off, not handed out."""

    title = "The lot has expired."
    detail = "%(expired)s of %(item)s have expired; write them off instead of issuing them."


class LotExpiryDiffers(Conflict):
    title = "This lot is in stock with another expiry date."
    detail = "Lot %(lot_number)s of %(item)s is in stock with another expiry date."


class BackdatingRefused(Conflict):
    """`reason` in the body is `too_old` or `balance_negative`, with the day and the item that stand against it."""

    title = "The movement can't be recorded for that day."
    detail = "It is more than %(days)s days ago, or a balance since then would have been below zero."


class OccurredInFuture(Conflict):
    title = "The movement can't have occurred yet."


class AlreadyReversed(Conflict):
    """`reversal_id` in the body is the reversal."""

    title = "This movement has been reversed."


class ReversalNotReversible(Conflict):
    title = "A reversal can't be reversed; record the movement anew."
