"""Why loans and numbered pieces are refused."""

from volunteer_api.core.problems import Conflict, Forbidden, Problem


class NotLendable(Conflict):
    """`item` stands in the body."""

    title = "Only durables are lent."
    detail = "%(item)s is not lent: it is used up, or kept in the first-aid box."


class PiecesNumbered(Conflict):
    """`item`, `balance` and `numbered` stand in the body: what is on the shelf, and how many of it have a number."""

    title = "What is left on the shelf is numbered; say which pieces."
    detail = "%(numbered)s of %(item)s have numbers, and only %(balance)s would be left: say which of them it is."


class NoUnnumberedPiece(Conflict):
    """`item`, `balance` and `numbered` stand in the body."""

    title = "There is no piece without a number on the shelf."
    detail = "Of %(item)s there are %(balance)s on the shelf, and %(numbered)s are numbered already."


class AssetCodeTaken(Conflict):
    title = "Another piece has this number."
    detail = "Another piece has the number %(code)s."


class AssetUnknown(Conflict):
    """`asset_id` stands in the body."""

    title = "There is no such numbered piece."


class AssetNotInStock(Conflict):
    """`state` stands in the body, and `due_at` where the piece is on loan."""

    title = "This piece is not in stock."
    detail = "The piece %(code)s is not in stock."


class AssetElsewhere(Conflict):
    """`station_id` in the body is where it is."""

    title = "This piece belongs to another station."
    detail = "The piece %(code)s belongs to another station."


class AssetStateConflict(Conflict):
    """`from_state` and `to_state` stand in the body."""

    title = "A piece can't become this from what it is."


class TooManyPieces(Problem):
    status = 422
    title = "These are more pieces than one sheet of labels takes."
    detail = "There are more than %(most)s numbered pieces here; choose an item, or some numbers."


class BorrowerUnknown(Conflict):
    title = "Nobody is registered who could be this borrower."


class TooManyLoans(Conflict):
    """`open_loans` stands in the body."""

    title = "This borrower has as many open loans as one may have."
    detail = "This borrower has %(open_loans)s open loans, and may have no more."


class DueInPast(Conflict):
    title = "A loan is due after now."


class DueTooLate(Conflict):
    """`latest` in the body is the last moment that it may be due at."""

    title = "A loan can't run so long."
    detail = "A loan may run for up to %(days)s days."


class DueNotLater(Conflict):
    """`due_at` in the body is when it is due already."""

    title = "An extension makes a loan due later."


class OwnLoan(Conflict):
    """Whoever borrowed brings it to somebody who sees it, and asks somebody for longer."""

    title = "Nobody takes back or extends what she borrowed herself."


class AlreadyReturned(Conflict):
    """`closed_at` stands in the body."""

    title = "This loan has been settled; nothing of it is outstanding."


class MoreThanOutstanding(Conflict):
    """`outstanding` and `requested` stand in the body."""

    title = "Less than that is outstanding."
    detail = "Only %(outstanding)s are outstanding, not %(requested)s."


class LostElsewhere(Conflict):
    """`station_id` in the body is the station that lent it."""

    title = "Only the station that lent it gives it up as lost."


class WriteOffForbidden(Forbidden):
    """A volunteer on duty takes back; what is damaged waits in quarantine for somebody who moves the stock."""

    title = "You may take back, but not write off."


class UndoneByReturn(Conflict):
    """`loan_id` stands in the body."""

    title = "The document belongs to a loan, which is undone by its return."


class UndoneWithReturn(Conflict):
    """`loan_id` and `return_id` stand in the body."""

    title = "The document belongs to a return, which is reversed as a whole."


class ReturnReversed(Conflict):
    """`reversed_at` stands in the body."""

    title = "This return has been reversed."


class PieceChangedSince(Conflict):
    """`state` and `station_id` stand in the body: of the piece as it is."""

    title = "The piece was lent, moved or changed after this return."
    detail = "The piece %(code)s was lent, moved or changed after this return."


class UndoneByAsset(Conflict):
    """`asset_id` stands in the body."""

    title = "The document belongs to a numbered piece; change its state, or carry it back."


class BorrowerForgotten(Conflict):
    title = "The borrower of this loan is not known any more."


class BorrowerIsVolunteer(Conflict):
    title = "The borrower is a volunteer, and is reminded in the app."
