"""Why a count is refused."""

from volunteer_api.core.problems import Conflict


class StocktakeDecided(Conflict):
    """`state` in the body says whether it was approved or canceled."""

    title = "This count is over."


class ItemNotInCount(Conflict):
    title = "This item is not among those that are counted."
    detail = "%(item)s is not among the items of this count."


class CountedInFuture(Conflict):
    title = "It can't have been counted yet."


class CountedTooLongAgo(Conflict):
    """A count comes in up to some hours after it was made."""

    title = "This was counted too long ago."
    detail = "A count is taken up to %(hours)s hours after it was made; count again."


class LotNotChosen(Conflict):
    """`item` and `lot_numbers`, those of the sheet, stand in the body."""

    title = "Say which lot was counted."
    detail = "Say which lot of %(item)s was counted; the sheet has %(lot_numbers)s."


class CountIncomplete(Conflict):
    """`uncounted` in the body is how many lines were not counted; `skip_uncounted` leaves them as they are."""

    title = "Not everything is counted."
    detail = "%(uncounted)s lines are not counted."


class VarianceReasonMissing(Conflict):
    """`lines` in the body are those that differ and have no reason; who counted blindly hears only how many."""

    title = "A variance needs a reason."
    detail = "%(count)s lines differ from the books and have no reason."


class SecondPersonNeeded(Conflict):
    """Medical or prohibited items, or a variance past the threshold: by who may approve counts and counted nothing.

    `approvers` in the body are the names of those nearest above the station.
    """

    title = "A second person approves this count."
    detail = "This count is approved from above the station, by somebody who counted nothing of it: %(approvers)s."


class StocktakeOutdated(Conflict):
    """`lines` in the body must be counted again: what was recorded since does not fit to what was counted."""

    title = "What was recorded since does not fit to this count; count these lines again."


class BarcodeUnknown(Conflict):
    """`barcode` stands in the body."""

    title = "No item has this barcode."
    detail = "No item has the barcode %(barcode)s; add it to the catalogue, or count by the item."


class HandoverToOneself(Conflict):
    """Whoever hands over and whoever takes over are two people: each answers for what the other saw."""

    title = "Nobody hands over to herself."


class NothingCritical(Conflict):
    title = "No kit standard names anything critical here; say which items are handed over."
