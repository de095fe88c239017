"""Whatever is set up, moved, merged and closed in whatever order: paths are the walk up, and old paths stay."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.conftest import share_of
from tests.factories import next_number
from volunteer_api.core.database import db
from volunteer_api.core.problems import Conflict
from volunteer_api.organizations import service, structure
from volunteer_api.organizations.models import Organization, OrganizationKind, OrganizationPath, PathMember

Unit = Callable[[Callable[[], Any]], Any]
KINDS = list(OrganizationKind)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["create", "create", "create", "move", "merge", "close"]),
        st.integers(0, 30),
        st.integers(0, 30),
        st.sampled_from(KINDS[1:]),
    ),
    min_size=5,
    max_size=20,
)


def step(verb: str, one: UUID, other: UUID, kind: OrganizationKind) -> UUID | None:
    """One change; the id of what it made."""
    if verb == "create":
        return service.create_organization(parent_id=one, kind=kind, name=f"组织{next_number()}").id
    organization = db.session.get_one(Organization, one)
    if verb == "move":
        structure.move(organization, parent_id=other)
    elif verb == "merge":
        structure.merge(organization, into_id=other)
    else:
        structure.close(organization, reason="撤销")
    return None


def members() -> dict[UUID, list[UUID]]:
    """Every path, present and past, from its own organization up."""
    found: dict[UUID, list[UUID]] = {}
    rows = select(PathMember.path_id, PathMember.ancestor_id).order_by(PathMember.path_id, PathMember.depth)
    for path_id, ancestor_id in db.session.execute(rows):
        found.setdefault(path_id, []).append(ancestor_id)
    return found


def walk_up(parents: dict[UUID, UUID | None], start: UUID) -> list[UUID]:
    found: list[UUID] = []
    here: UUID | None = start
    while here is not None:
        assert here not in found, "a circle"
        found.append(here)
        here = parents[here]
    return found


@settings(max_examples=share_of(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_paths_are_the_walk_up_and_old_paths_stay(unit: Unit, steps: list[tuple[str, int, int, Any]]) -> None:
    root = unit(
        lambda: (
            service.create_organization(
                parent_id=None, kind=OrganizationKind.CITY_OFFICE, name=f"市文明办{next_number()}"
            ).id
        )
    )
    made = [root]
    before: dict[UUID, list[UUID]] = {}
    for verb, first, second, kind in steps:
        one, other = made[first % len(made)], made[second % len(made)]
        try:
            new = unit(lambda verb=verb, one=one, other=other, kind=kind: step(verb, one, other, kind))
        except Conflict:
            new = None
        if new is not None:
            made.append(new)
        now = unit(members)
        assert {path_id: now[path_id] for path_id in before} == before
        before = now
        rows = unit(lambda: db.session.scalars(select(Organization)).all())
        parents = {row.id: row.parent_id for row in rows}
        owners = unit(
            lambda: dict(db.session.execute(select(OrganizationPath.id, OrganizationPath.organization_id)).all())
        )
        for row in rows:
            assert now[row.path_id] == walk_up(parents, row.id)
            assert owners[row.path_id] == row.id
            if row.merged_into_id is not None:
                assert row.closed_at is not None
