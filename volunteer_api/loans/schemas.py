"""What loans and numbered pieces take and answer."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from marshmallow import fields, validates_schema

from volunteer_api.catalog.schemas import StockItemRead
from volunteer_api.core.schema import (
    Choice,
    Count,
    CountParameter,
    Flag,
    FlagParameter,
    Form,
    Id,
    Moment,
    Nested,
    PageQuery,
    Phone,
    Schema,
    Text,
    fault,
)
from volunteer_api.inventory.models import MovementKind, MovementReason
from volunteer_api.loans.models import AssetCondition, AssetState, ReturnCondition

CODE = Form(r"^[A-Z0-9][A-Z0-9-]{1,31}$", "LY-001", capital=True)
CODES = Form(r"^[A-Z0-9][A-Z0-9-]{1,31}(,[A-Z0-9][A-Z0-9-]{1,31}){0,99}$", "LY-001,LY-002", capital=True)
MAX_QUANTITY = 10_000
# Three columns of eight, as sheets of labels of 70 × 37 mm have.
LABELS_OF_A_SHEET = 24


class LoanState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


class BorrowerKind(StrEnum):
    """Whom it was lent to; a forgotten borrower is one whose time is over."""

    VOLUNTEER = "volunteer"
    PASSER_BY = "passer_by"
    FORGOTTEN = "forgotten"


class LentTo(StrEnum):
    VOLUNTEER = "volunteer"
    PASSER_BY = "passer_by"


class KeptState(StrEnum):
    """The states that a person gives a piece; on_loan comes from a loan."""

    IN_STOCK = "in_stock"
    REPAIR = "repair"
    RETIRED = "retired"
    LOST = "lost"


class LoanStationRead(Schema):
    id = Id(required=True)
    code = Text(required=True)
    name = Text(required=True)


class LoanAssetRead(Schema):
    id = Id(required=True)
    code = Text(required=True)


class LoanPersonRead(Schema):
    id = Id(required=True)
    name = Text(required=True)


class BorrowerRead(Schema):
    """Who borrowed. Every phone is masked; null where it is not known any more, as is the name.

    The volunteer stands here for herself and for who reads the stock of the station that lent it. For all others, and
    of a passer-by, the name is masked.
    """

    kind = Choice(BorrowerKind, required=True)
    volunteer = Nested(LoanPersonRead, required=True, allow_none=True)
    name = Text(required=True, allow_none=True)
    phone = Text(required=True, allow_none=True)


class BorrowerGiven(Schema):
    """A volunteer by id, number or the phone that she is registered with, or a passer-by by name and phone.

    A phone alone of nobody is refused (`borrower_unknown`). A name and phone that are those of an account mean it.
    """

    volunteer_id = Id()
    volunteer_number = Text(max_length=20)
    name = Text(max_length=50)
    phone = Phone()

    @validates_schema
    def check_one(self, data: dict[str, Any], **_options: Any) -> None:
        if set(data) not in ({"volunteer_id"}, {"volunteer_number"}, {"phone"}, {"name", "phone"}):
            raise fault("one_of", "Give a volunteer's id, number or phone, or else a name and a phone.")


class LoanCreate(Schema):
    """So many of a durable, or one numbered piece. Without `due_at`, it is due in the days of the deployment's rule,
    when the desk closes.
    """

    item_id = Id()
    asset_id = Id()
    quantity = Count(minimum=1, maximum=MAX_QUANTITY, load_default=1)
    borrower = Nested(BorrowerGiven, required=True)
    due_at = Moment()

    @validates_schema
    def check_one(self, data: dict[str, Any], **_options: Any) -> None:
        if ("item_id" in data) == ("asset_id" in data):
            raise fault("one_of", "Give either item_id or asset_id.")
        if "asset_id" in data and data["quantity"] != 1:
            raise fault("one_piece", "A numbered piece is lent one by one.", "quantity")


class LoanFilter(PageQuery):
    """Which loans. Those that are overdue come by how long they are, all others the latest first."""

    station_id = Id()
    item_id = Id()
    state = Choice(LoanState)
    overdue = FlagParameter()
    borrower = Choice(LentTo)


class OwnLoanFilter(PageQuery):
    state = Choice(LoanState)


class LoanReturnRead(Schema):
    """What came back at one time; of what is lost nothing came. One that is reversed was a mistake."""

    id = Id(required=True)
    station = Nested(LoanStationRead, required=True)
    quantity = fields.Integer(required=True)
    condition = Choice(ReturnCondition, required=True)
    written_off = Flag(required=True)
    note = Text(max_length=500, required=True, allow_none=True)
    returned_at = Moment(required=True)
    reversed_at = Moment(required=True, allow_none=True)


class LoanDocumentRead(Schema):
    """A document that the loan made in a station's ledger."""

    id = Id(required=True)
    station_id = Id(required=True)
    kind = Choice(MovementKind, required=True)
    reason = Choice(MovementReason, required=True)
    document_number = Text(required=True)


class LoanSummaryRead(Schema):
    """A loan. `outstanding` = quantity − returned − lost; `damaged` is a part of `returned`."""

    id = Id(required=True)
    slip_number = Text(required=True)
    state = Choice(LoanState, required=True)
    overdue = Flag(required=True)
    station = Nested(LoanStationRead, required=True)
    item = Nested(StockItemRead, required=True)
    asset = Nested(LoanAssetRead, required=True, allow_none=True)
    quantity = fields.Integer(required=True)
    outstanding = fields.Integer(required=True)
    returned = fields.Integer(required=True)
    damaged = fields.Integer(required=True)
    lost = fields.Integer(required=True)
    borrower = Nested(BorrowerRead, required=True)
    lent_at = Moment(required=True)
    due_at = Moment(required=True)
    extended_count = fields.Integer(required=True)
    closed_at = Moment(required=True, allow_none=True)


class LoanRead(LoanSummaryRead):
    """A loan with what came back and the documents that it made."""

    returns = fields.List(fields.Nested(LoanReturnRead), required=True)
    documents = fields.List(fields.Nested(LoanDocumentRead), required=True)


class LoanLookUp(Schema):
    """Exactly one of them. `asset_code` is a piece's number, or the whole text of its label."""

    phone = Phone()
    slip_number = Text(max_length=20)
    asset_code = Text(max_length=300)

    @validates_schema
    def check_one(self, data: Mapping[str, Any], **_options: Any) -> None:
        if len(data) != 1:
            raise fault("one_of", "Give one of phone, slip_number and asset_code.")


class LoansFoundRead(Schema):
    """The loans found, the one due first comes first; at most a hundred."""

    items = fields.List(fields.Nested(LoanSummaryRead), required=True)


class LoanReturnCreate(Schema):
    """What comes back to a station; all that is outstanding where `quantity` is absent.

    Damaged pieces wait in quarantine to be repaired, or with `write_off` are written off at once; `lost` always is.
    """

    station_id = Id(required=True)
    quantity = Count(minimum=1, maximum=MAX_QUANTITY)
    condition = Choice(ReturnCondition, required=True)
    write_off = Flag()
    note = Text(max_length=500)

    @validates_schema
    def check_write_off(self, data: dict[str, Any], **_options: Any) -> None:
        if "write_off" in data and data["condition"] != ReturnCondition.DAMAGED:
            raise fault("write_off_of_damaged", "Only what comes back damaged is kept or written off.", "write_off")


class ReturnReversalCreate(Schema):
    """Of a return that was a mistake. What takes a prohibited item off the shelf again names who saw it."""

    note = Text(max_length=500)
    witness = Text(max_length=100)


class LoanExtensionCreate(Schema):
    due_at = Moment(required=True)


class BorrowerContactRead(Schema):
    """Whom to call; the phone is E.164, null where it went to somebody else."""

    name = Text(required=True)
    phone = Text(required=True, allow_none=True)


class AssetFilter(PageQuery):
    """Which numbered pieces; `code` is the whole number."""

    station_id = Id()
    item_id = Id()
    state = Choice(AssetState)
    code = Text(max_length=32)


class LabelFilter(Schema):
    """Which pieces get a label: those of an item, those with these numbers (up to 100, divided by commas), or all.

    `used` is how many labels of the first sheet are gone already; as many places stay blank.
    """

    item_id = Id()
    codes = Text(max_length=3300, form=CODES)
    used = CountParameter(minimum=0, maximum=LABELS_OF_A_SHEET - 1, load_default=0)


class AssetCreate(Schema):
    """A piece that lies on the station's shelf and gets a number; `code` is made up where it is left out."""

    station_id = Id(required=True)
    item_id = Id(required=True)
    code = Text(max_length=32, form=CODE)
    condition = Choice(AssetCondition, load_default=AssetCondition.GOOD)
    note = Text(max_length=500)


class AssetUpdate(Schema):
    """What changes of a piece; another state moves the station's ledger."""

    code = Text(max_length=32, form=CODE)
    condition = Choice(AssetCondition)
    note = Text(max_length=500, allow_none=True)
    state = Choice(KeptState)


class AssetRelocation(Schema):
    station_id = Id(required=True)


class AssetRead(Schema):
    """A numbered piece. `qr` is the text of its label; look-ups take it whole."""

    id = Id(required=True)
    version = Count(required=True)
    code = Text(required=True)
    qr = Text(max_length=300, required=True)
    item = Nested(StockItemRead, required=True)
    station = Nested(LoanStationRead, required=True)
    state = Choice(AssetState, required=True)
    condition = Choice(AssetCondition, required=True)
    note = Text(max_length=500, required=True, allow_none=True)
