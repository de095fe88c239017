"""Who lends and takes back where, and who sees loans and numbered pieces."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import Select, select

from volunteer_api.core.access import Principal, for_signed_in, open_to_all
from volunteer_api.core.database import db
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.loans import queries
from volunteer_api.loans.models import Asset, Loan, LoanReturn
from volunteer_api.loans.problems import WriteOffForbidden
from volunteer_api.organizations.access import Permission, require, require_anywhere
from volunteer_api.stations.access import load_station, require_at
from volunteer_api.stations.models import Station

# Whether a volunteer serves at the station now, or at any where none is named.
Presence = Callable[[UUID, UUID | None], bool]

_presences: list[Presence] = []


def register_presence(serves: Presence) -> Presence:
    """Let those lend and take back for whom `serves` is true; attendance stands to the right and registers here."""
    _presences.append(serves)
    return serves


@for_signed_in
def to_lend(principal: Principal, station_id: UUID) -> Station:
    """Whoever moves the station's stock, and who serves there now."""
    station = load_station(station_id)
    require_serving(principal, Permission.STOCK_MOVE, station)
    return station


@for_signed_in
def to_see_loan(principal: Principal, loan_id: UUID) -> Loan:
    """The borrower, whoever reads the stock of the station that lent it; while it is open, who serves there now."""
    loan = _loan(loan_id)
    if loan.volunteer_id == principal.volunteer_id:
        return loan
    station = load_station(loan.station_id)
    if loan.closed_at is None:
        require_serving(principal, Permission.STOCK_READ, station)
    else:
        # What somebody borrowed and brought back is nothing that the desk needs.
        require_at(principal, Permission.STOCK_READ, station)
    return loan


@for_signed_in
def to_extend(principal: Principal, loan_id: UUID) -> Loan:
    """Whoever moves the stock of the station that lent it, and who serves there now."""
    loan = _loan(loan_id)
    with _seen_by_borrower(principal, loan):
        require_serving(principal, Permission.STOCK_MOVE, load_station(loan.station_id))
    return loan


@for_signed_in
def to_take_back(principal: Principal, loan_id: UUID) -> Loan:
    """Who may take back at the station that the body names: the view asks `require_taking_back`."""
    return _loan(loan_id)


@for_signed_in
def to_undo_return(principal: Principal, loan_id: UUID, return_id: UUID) -> LoanReturn:
    """Who may take back, or write off, where this return was recorded."""
    found = db.session.get(LoanReturn, return_id)
    if found is None or found.loan_id != loan_id:
        raise NotFound()
    require_taking_back(principal, _loan(loan_id), found.station_id, writes_off=found.written_off)
    return found


@for_signed_in
def to_call_borrower(principal: Principal, loan_id: UUID) -> Loan:
    """Whoever moves the stock of the station that lent it."""
    loan = _loan(loan_id)
    require_at(principal, Permission.STOCK_MOVE, load_station(loan.station_id))
    return loan


@for_signed_in
def to_look_up(principal: Principal) -> None:
    """Whoever moves stock somewhere, and who serves at any station now: loans come back to all of them."""
    try:
        require_anywhere(principal, Permission.STOCK_MOVE)
    except (NotFound, Forbidden):
        if not _serves(principal, None):
            raise


@for_signed_in
def to_see_assets(principal: Principal, station_id: UUID) -> Station:
    """Whoever reads the stock of the station, and who serves there now."""
    station = load_station(station_id)
    require_serving(principal, Permission.STOCK_READ, station)
    return station


@for_signed_in
def to_see_asset(principal: Principal, asset_id: UUID) -> Asset:
    """Whoever reads the stock of its station, and who serves there now."""
    asset = _asset(asset_id)
    require_serving(principal, Permission.STOCK_READ, load_station(asset.station_id))
    return asset


@open_to_all
def to_read_label(principal: Principal | None, code: str) -> Asset:
    """Anybody who has the piece, or its number."""
    # PostgreSQL takes no text with a zero in it.
    asset = db.session.scalar(select(Asset).where(Asset.code == code.upper())) if code.isprintable() else None
    if asset is None:
        raise NotFound()
    return asset


@for_signed_in
def to_keep_asset(principal: Principal, asset_id: UUID) -> Asset:
    """Whoever moves the stock of its station."""
    asset = _asset(asset_id)
    require_moving(principal, asset.station_id)
    return asset


def require_moving(principal: Principal, station_id: UUID) -> None:
    """Let pass whoever moves the station's stock. Raises NotFound (404), Forbidden (403)."""
    require_at(principal, Permission.STOCK_MOVE, load_station(station_id))


def require_serving(principal: Principal, permission: Permission, station: Station) -> None:
    """Let pass whose grants have the permission at the station, and who serves there now.

    Raises NotFound (404), Forbidden (403).
    """
    try:
        require(principal, permission, organization_id=station.organization_id, station_id=station.id)
    except (NotFound, Forbidden):
        if not _serves(principal, station.id):
            raise


def require_taking_back(principal: Principal, loan: Loan, station_id: UUID, *, writes_off: bool) -> None:
    """Let pass who may take something back at a station, or write it off there.

    Raises NotFound (404), Forbidden or WriteOffForbidden (403): who only serves there writes nothing off.
    """
    station = load_station(station_id)
    with _seen_by_borrower(principal, loan):
        if not writes_off:
            require_serving(principal, Permission.STOCK_MOVE, station)
            return
        try:
            require_at(principal, Permission.STOCK_MOVE, station)
        except (NotFound, Forbidden) as error:
            if _serves(principal, station.id):
                raise WriteOffForbidden() from error
            raise


def reach(principal: Principal, station_id: UUID | None) -> Select[UUID]:
    """The ids of the stations whose loans and pieces the caller sees; of the one that is named, or of all.

    Raises NotFound (404), Forbidden (403).
    """
    if station_id is None:
        require_anywhere(principal, Permission.STOCK_READ)
        return queries.stations_in_reach(principal.volunteer_id, Permission.STOCK_READ)
    require_serving(principal, Permission.STOCK_READ, load_station(station_id))
    return select(Station.id).where(Station.id == station_id)


@contextmanager
def _seen_by_borrower(principal: Principal, loan: Loan) -> Iterator[None]:
    """Who borrowed reads the loan, so that it is no secret from her: Forbidden (403) in place of NotFound."""
    try:
        yield
    except NotFound as error:
        if loan.volunteer_id == principal.volunteer_id:
            raise Forbidden() from error
        raise


def _serves(principal: Principal, station_id: UUID | None) -> bool:
    return any(serves(principal.volunteer_id, station_id) for serves in _presences)


def _loan(loan_id: UUID) -> Loan:
    loan = db.session.get(Loan, loan_id)
    if loan is None:
        raise NotFound()
    return loan


def _asset(asset_id: UUID) -> Asset:
    asset = db.session.get(Asset, asset_id)
    if asset is None:
        raise NotFound()
    return asset
