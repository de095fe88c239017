"""Why transfers are refused."""

from volunteer_api.core.problems import Conflict, Forbidden


class TransferNotApproved(Conflict):
    title = "This transfer has not been approved yet."


class OrganizerApproves(Forbidden):
    """`needs_organizer` of the transfer is true: the sender's own desk asked, and its managers are not two sides."""

    title = "The sender's desk asked for this itself; an organizer approves it."


class TransferNotShipped(Conflict):
    title = "This transfer has not been shipped yet."


class TransferAlreadyApproved(Conflict):
    title = "This transfer has been approved already."


class TransferAlreadyShipped(Conflict):
    title = "This transfer has been shipped already."


class TransferAlreadyReceived(Conflict):
    title = "This transfer has been received already."


class TransferRejected(Conflict):
    title = "This transfer was rejected."


class TransferCanceled(Conflict):
    title = "This transfer was canceled."


class UndoneByTransfer(Conflict):
    """`transfer_id` and `receipt_id` stand in the body."""

    title = "The document belongs to the receipt of a transfer, which is reversed as a whole."


class ReceiptReversed(Conflict):
    """`reversed_at` stands in the body."""

    title = "This receipt has been reversed."


class ReturnArrived(Conflict):
    """`return_id` stands in the body: the transfer by which it went back."""

    title = "What this receipt sent back has arrived at its sender."


class TransferPartlyReceived(Conflict):
    title = "A part of this transfer has arrived; record what is sent back in a receipt."


class OwnTransferRequest(Conflict):
    """Two people, always: whoever asks for a transfer takes it back, but never decides about it."""

    title = "Somebody else decides about a transfer that you asked for."


class NothingApproved(Conflict):
    title = "Nothing would be left of the transfer; reject it instead."


class NotInTransfer(Conflict):
    """`item` and `lot_number`, or `lot_id`, stand in the body."""

    title = "A line names something that is not in this transfer."


class MoreThanRequested(Conflict):
    """`item`, `requested` and `quantity` stand in the body."""

    title = "No more can be approved than was asked for."
    detail = "Only %(requested)s of %(item)s were asked for."


class MoreThanApproved(Conflict):
    """`item`, `approved` and `quantity` stand in the body."""

    title = "No more can be shipped than was approved."
    detail = "Only %(approved)s of %(item)s were approved."


class MoreThanShipped(Conflict):
    """`item`, `lot_number`, `in_transit` and `quantity` stand in the body."""

    title = "No more can arrive than is under way."
    detail = "Only %(in_transit)s of %(item)s are under way."


class LotQuarantined(Conflict):
    """`item`, `lot_number`, `balance` (what can be shipped) and `quarantined` stand in the body."""

    title = "What is in quarantine is not shipped."
    detail = "%(quarantined)s%(unit)s of %(item)s are in quarantine and are not shipped; %(balance)s%(unit)s can be."


class LotNotNamed(Conflict):
    """`item` and `lots`, their ids, stand in the body."""

    title = "Several lots of this item are under way; say which of them arrived."
    detail = "Several lots of %(item)s are under way; say which of them arrived."


class ReturnNotReturned(Conflict):
    title = "What comes back to its sender can't be sent back or canceled."
