"""How many volunteers are registered in an organization's division, and in those of what was merged into it."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, case, cast, func, literal, or_, select
from sqlalchemy.orm import aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.core.database import db
from volunteer_api.organizations.models import Organization, PathMember
from volunteer_api.rankings.facts import Column, Rows
from volunteer_api.rankings.models import RegisteredChange, RegisteredCount

# What is left of a longest code after a shortest one; codes are digits, so every collation has it last.
LAST = "99999999"


def count_in(code: Column) -> ColumnElement[int]:
    """How many volunteers live in a division or below it, whose codes begin with its own; 0 where it is None."""
    counts = func.coalesce(func.sum(RegisteredCount.count), 0)
    changes = func.coalesce(func.sum(RegisteredChange.change), 0)
    folded = select(counts).where(_is_in(RegisteredCount.division_code, code)).correlate_except(RegisteredCount)
    rest = select(changes).where(_is_in(RegisteredChange.division_code, code)).correlate_except(RegisteredChange)
    return cast(folded.scalar_subquery() + rest.scalar_subquery(), BigInteger)


def count_of(organization: type[Organization], placed: Rows) -> ColumnElement[int | None]:
    """How many volunteers live in an organization's divisions (`divisions_of`), in SQL; None where it has none.

    `placed` are the ids of those that have a place in the same answer.
    """
    gone, wider, place, wider_place = (
        aliased(Organization),
        aliased(Organization),
        aliased(PathMember),
        aliased(PathMember),
    )
    inside_another = (
        select(wider.id)
        .join(wider_place, wider_place.path_id == wider.path_id)
        .where(
            wider_place.ancestor_id == organization.id,
            wider.merged_into_id.is_not(None),
            _is_in(gone.division_code, wider.division_code),
            # Of two that had the same, one counts.
            or_(wider.division_code != gone.division_code, wider.id < gone.id),
        )
        .correlate(organization, gone)
        .exists()
    )
    merged_in = (
        select(func.coalesce(func.sum(count_in(gone.division_code)), 0))
        .select_from(gone)
        .join(place, place.path_id == gone.path_id)
        .where(
            place.ancestor_id == organization.id,
            gone.merged_into_id.is_not(None),
            gone.division_code.is_not(None),
            ~_is_in(gone.division_code, organization.division_code),
            ~inside_another,
            ~_stands_apart(gone, place, placed),
        )
        .correlate(organization)
        .scalar_subquery()
    )
    code = organization.division_code
    return case((code.is_not(None), cast(count_in(code) + merged_in, BigInteger)))


def merged_into(organization: Organization) -> Sequence[UUID]:
    """What was merged into an organization or below it, and had a division. One statement."""
    gone = select(Organization.id).join(PathMember, PathMember.path_id == Organization.path_id)
    return db.session.scalars(gone.where(*_gone_below(organization))).all()


def divisions_of(organization: Organization, placed: Collection[UUID] = ()) -> list[str]:
    """The code of an organization's division, and of those of what was merged into it or below it, none inside another.

    Not of what has a place of its own beside it (`placed`): whose deeds still stand there has its people there too.
    Nothing where it has none of its own. One statement where it has.
    """
    if organization.division_code is None:
        return []
    gone = (
        select(Organization.division_code)
        .join(PathMember, PathMember.path_id == Organization.path_id)
        .where(*_gone_below(organization), ~_stands_apart(Organization, PathMember, placed))
    )
    codes: list[str] = []
    for code in sorted({organization.division_code, *map(str, db.session.scalars(gone))}):
        if not codes or not code.startswith(codes[-1]):
            codes.append(code)
    return codes


def residents_of(codes: Sequence[str]) -> Select[Any]:
    """The ids of the volunteers who live in any of these divisions, each a row."""
    there = or_(*(_is_in(Volunteer.home_division, literal(code)) for code in codes))
    return select(Volunteer.id).where(there, Volunteer.erased_at.is_(None))


def _gone_below(organization: Organization) -> tuple[ColumnElement[bool], ...]:
    return (
        PathMember.ancestor_id == organization.id,
        Organization.merged_into_id.is_not(None),
        Organization.division_code.is_not(None),
    )


def _stands_apart(
    gone: type[Organization], place: type[PathMember], placed: Rows | Collection[UUID]
) -> ColumnElement[bool]:
    """Whether what is gone, or what it went into on its way to the `place`, is among the placed."""
    nearer = aliased(PathMember)
    within = nearer.path_id == gone.path_id, nearer.depth < place.depth
    return select(nearer.path_id).where(*within, nearer.ancestor_id.in_(placed)).correlate(gone, place).exists()


def _is_in(column: Any, code: Column) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = column.between(code, code.concat(LAST))
    return condition
