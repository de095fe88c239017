"""Why the ledger refuses."""

from volunteer_api.core import texts
from volunteer_api.core.problems import Conflict, Problem


class StockTooLow(Conflict):
    """`item`, `lot_number`, `balance`, `requested` and `quarantined` stand in the body.

    `quarantined` is what lies in quarantine beside the balance; null where the quarantine itself has too little.
    """

    title = "There is not enough in stock."
    detail = "Only %(balance)s%(unit)s of %(item)s are in stock, not %(requested)s%(unit)s."

    # Whether somebody wanted to undo what brought it.
    is_undoing = False

    def sentence(self) -> str:
        of_lot, quarantined = self.members["lot_number"] is not None, self.members["quarantined"]
        if quarantined is None:
            said = texts.translate(
                "Only %(balance)s%(unit)s of %(item)s are in quarantine, not %(requested)s%(unit)s.", **self.values
            )
        elif of_lot:
            said = texts.translate(
                "Only %(balance)s%(unit)s of lot %(lot_number)s of %(item)s are in stock, not %(requested)s%(unit)s.",
                **self.values,
            )
        else:
            said = super().sentence()
        if quarantined:
            beside = texts.translate(
                "%(quarantined)s%(unit)s more are in quarantine.", quarantined=quarantined, unit=self.values["unit"]
            )
            said = texts.sentences(said, beside)
        if self.is_undoing:
            way_on = texts.translate("What is gone can't be undone: write off what is left, or count it.")
            said = texts.sentences(said, way_on)
        return said


class LotExpired(Conflict):
    """What is left has expired: it is written off, not handed out."""

    title = "The lot has expired."
    detail = "%(expired)s%(unit)s of %(item)s have expired; write them off instead of issuing them."


class ReceiptOfExpired(Conflict):
    """`expires_on` and `occurred_on` stand in the body."""

    title = "What has expired is not received."
    detail = "%(item)s expired on %(expires_on)s, before the day of the receipt."


class ExpiryDateMissing(Conflict):
    title = "A medical item is received with its expiry date."
    detail = "Give the expiry date of %(item)s."


class ExpiryTooFar(Conflict):
    """`expires_on` and `latest` stand in the body: nothing is good for so many years, a digit was mistyped."""

    title = "The expiry date is too far away."
    detail = "%(expires_on)s is more than %(years)s years away; look at the expiry date of %(item)s again."


class LotIsAnotherDay(Conflict):
    """`item` and `lot_number` stand in the body: a number that is written as a day is that of things without one."""

    title = "This lot number is a day, and not the expiry date."
    detail = (
        "%(lot_number)s is a day, and not the expiry date of %(item)s; write a production date without hyphens, like "
        "20260301."
    )


class NotExpired(Conflict):
    """`item`, `lot_number`, `expires_on` and `expired` stand in the body; without a lot, of what expires first."""

    title = "It has not expired."
    detail = "Only %(expired)s%(unit)s of %(item)s have expired; give another reason for what is good still."


class OpeningRepeated(Conflict):
    """`item`, `lot_number` and `document_number` stand in the body; what is more is received for another reason."""

    title = "The opening stock has been recorded already."
    detail = (
        "%(document_number)s recorded the opening stock of %(item)s already; undo it if it was wrong, and receive what "
        "there is more of it for another reason."
    )


class ReversalNotExplained(Conflict):
    """A count was approved since: what comes back or goes now says so in its note."""

    title = "It was counted since; say in the note what really came back or went."


class LotExpiryDiffers(Conflict):
    title = "This lot is in stock with another expiry date."
    detail = "Lot %(lot_number)s of %(item)s is on record with the expiry date %(expires_on)s, and not with this one."


class TooFarBack(Conflict):
    """`occurred_on` stands in the body."""

    title = "The movement is too far back to be recorded."
    detail = "A movement can be recorded up to %(days)s days after it occurred."


class LaterBalanceNegative(Conflict):
    """Enough is there now, but not on every day since; `occurred_on`, `free` and `requested` stand in the body."""

    title = "A balance since then would go below zero."
    detail = "Only %(free)s%(unit)s of %(item)s can be taken on that day, or a balance since then would go below zero."


class OccurredInFuture(Conflict):
    title = "The movement can't have occurred yet."


class AlreadyReversed(Conflict):
    """`reversal_id` in the body is the reversal."""

    title = "This movement has been reversed."


class ReversalNotReversible(Conflict):
    title = "A reversal can't be reversed; record the movement anew."


class BookTooLarge(Problem):
    """`most` rows are the bound of a workbook; a PDF has a lower one."""

    status = 422
    title = "This book has more rows than one file takes."
    detail = "This book has more than %(most)s rows; take the workbook, or an organization below."


class NotReversibleByHand(Conflict):
    """`kind` stands in the body: a transfer's, which speaks of two stations."""

    title = "A transfer's document is not undone."
    detail = "A transfer is canceled while it is under way. What it brought goes back by another one, or is counted."


class CounterpartyMissing(Conflict):
    title = "This movement names who took or gave it."
    detail = "Say in counterparty who takes %(item)s."


class WitnessMissing(Conflict):
    title = "This movement needs a witness."
    detail = "%(item)s is prohibited at stations; say in witness who saw it go."


class WitnessIsHandler(Conflict):
    title = "Who records the movement can't be its witness."


class OpenedInQuarantine(Conflict):
    """`opened` in the body is how many of the lot in quarantine were opened, and expire sooner than what is sealed."""

    title = "Some of what is in quarantine was opened."
    detail = "%(opened)s%(unit)s of %(item)s in quarantine were opened; say of them in opened_on on which day."


class OpeningChangesNothing(Conflict):
    title = "This item is good as long once it is opened."
    detail = "%(item)s has no shorter life once it is opened, so its opening is not recorded."


class BeforeLastCount(Conflict):
    """`item` and `counted_at` stand in the body: what happened before was counted."""

    title = "The item was counted after that; nothing is recorded before a count."
    detail = "%(item)s was counted after that; nothing is recorded before an approved count."

    is_undoing = False

    def sentence(self) -> str:
        if self.is_undoing:
            return texts.translate(
                "%(item)s was counted after that, and the count has put it right; undo the count if that was wrong.",
                **self.values,
            )
        return super().sentence()


class MonthClosed(Conflict):
    """`month` stands in the body. A correction is recorded in a month that is open."""

    title = "The books of that month are closed."
    detail = "The books of %(month)s are closed; record the correction in a month that is open."


class MonthNotOver(Conflict):
    title = "Only a month that is over can be closed."


class MonthAlreadyClosed(Conflict):
    title = "This month is closed already."


class EarlierMonthOpen(Conflict):
    """`month` in the body is the first one that has documents and is open."""

    title = "Months are closed in their order."
    detail = "Close %(month)s first; months are closed in their order."


class LotRecalled(Conflict):
    """It is neither received nor handed out, and does not leave its quarantine for the shelf."""

    title = "The lot is recalled."
    detail = "This lot of %(item)s is recalled."


class RecallOpen(Conflict):
    """`recall_id` in the body is the recall."""

    title = "This lot is recalled already."


class RecallEnded(Conflict):
    title = "This recall has ended."
