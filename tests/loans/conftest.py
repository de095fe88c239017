"""What the tests of loans share."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from volunteer_api.core.settings import EXTENSION


@pytest.fixture
def change_rules(app: Flask, change_settings: Callable[..., None]) -> Callable[..., None]:
    """`change_rules(loans_per_borrower=2)`: other rules until the end of the test."""

    def change(**values: Any) -> None:
        change_settings(app, rules=dataclasses.replace(app.extensions[EXTENSION].rules, **values))

    return change
