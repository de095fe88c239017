"""Makers of what every feature's tests need, and the decorator that makes more of them."""

import functools
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from flask import Flask, has_app_context

from volunteer_api.accounts.models import Volunteer
from volunteer_api.accounts.service import create_volunteer
from volunteer_api.core.database import db
from volunteer_api.core.unit_of_work import run_unit

Parameters = ParamSpec("Parameters")
Made = TypeVar("Made")

_numbers = itertools.count(1)
_apps: list[Flask] = []


@contextmanager
def current_app_is(app: Flask) -> Iterator[None]:
    """Let factories that are called outside of a unit work on this application: the test's `app`."""
    _apps.append(app)
    try:
        yield
    finally:
        _apps.pop()


def unit_of(app: Flask) -> Callable[[Callable[[], Any]], Any]:
    """A runner of committed units on the application."""

    def work_then_detach(work: Callable[[], Any]) -> Any:
        result = work()
        db.session.flush()
        # Detached before the commit expires them: a test goes on reading what a service returned.
        db.session.expunge_all()
        return result

    def run(work: Callable[[], Any]) -> Any:
        with app.app_context():
            return run_unit(lambda: work_then_detach(work), writes=True)

    return run


def factory(make: Callable[Parameters, Made]) -> Callable[Parameters, Made]:
    """Decorate a maker: inside a unit it is part of it; called by a test outside of one, it is a committed unit."""

    @functools.wraps(make)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Made:
        if has_app_context():
            return make(*args, **kwargs)
        made: Made = unit_of(_apps[-1])(lambda: make(*args, **kwargs))
        return made

    return call


def next_number() -> int:
    """A number that no other call in this process gets."""
    return next(_numbers)


@factory
def make_volunteer(*, name: str | None = None, phone: str | None = None, **values: Any) -> Volunteer:
    """A registered volunteer with a phone number of their own."""
    number = next_number()
    return create_volunteer(phone=phone or f"+86139{number:08d}", name=name or f"志愿者{number}", **values)
