"""Why the ledger refuses."""

from volunteer_api.core.problems import Conflict


class StockTooLow(Conflict):
    """`item`, `lot_number`, `balance` and `requested` stand in the body."""

    title = "There is not enough in stock."
    detail = "Only %(balance)s of %(item)s are in stock, not %(requested)s."


class LotExpired(Conflict):
    """What is left has expired: it is written off, not handed out."""

    title = "The lot has expired."
    detail = "%(expired)s of %(item)s have expired; write them off instead of issuing them."


class ReceiptOfExpired(Conflict):
    """`expires_on` and `occurred_on` stand in the body."""

    title = "What has expired is not received."
    detail = "%(item)s expired on %(expires_on)s, before the day of the receipt."


class ExpiryDateMissing(Conflict):
    title = "A medical item is received with its expiry date."
    detail = "Give the expiry date of %(item)s."


class LotExpiryDiffers(Conflict):
    title = "This lot is in stock with another expiry date."
    detail = "Lot %(lot_number)s of %(item)s is in stock with another expiry date."


class TooFarBack(Conflict):
    """`occurred_on` stands in the body."""

    title = "The movement is too far back to be recorded."
    detail = "A movement can be recorded up to %(days)s days after it occurred."


class LaterBalanceNegative(Conflict):
    """Enough is there now, but not on every day since; `occurred_on`, `free` and `requested` stand in the body."""

    title = "A balance since then would go below zero."
    detail = "Only %(free)s of %(item)s can be taken on that day, or a balance since then would go below zero."


class OccurredInFuture(Conflict):
    title = "The movement can't have occurred yet."


class AlreadyReversed(Conflict):
    """`reversal_id` in the body is the reversal."""

    title = "This movement has been reversed."


class ReversalNotReversible(Conflict):
    title = "A reversal can't be reversed; record the movement anew."


class NotReversibleByHand(Conflict):
    """`kind` stands in the body."""

    title = "This document is not undone by hand; undo it where it was made."
