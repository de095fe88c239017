"""Who is asking, and how a route declares who may ask."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class Principal:
    """The signed-in caller: whose account, and on which device session."""

    volunteer_id: UUID
    session_id: UUID


@dataclass(frozen=True)
class Access:
    """A route's declaration of who may use it.

    `anonymous` lets callers without a token in. `load` takes the principal (or None) and the path's arguments, and
    returns the resource that the view works on, or raises NotFound (404) or Forbidden (403).
    """

    anonymous: bool
    load: Callable[..., Any] | None = None


public = Access(anonymous=True)
signed_in = Access(anonymous=False)


def open_to_all(load: Callable[..., Any]) -> Access:
    """Decorate a loader: anybody may ask, `load(principal | None, **path)` decides what is visible."""
    return Access(anonymous=True, load=load)


def for_signed_in(load: Callable[..., Any]) -> Access:
    """Decorate a loader: a token is needed, `load(principal, **path)` decides the rest."""
    return Access(anonymous=False, load=load)
