"""Rankings are tested as they run: from folded sums, whatever is not folded yet beside them."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.rankings.factories import fold_nothing

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture(autouse=True)
def folded(request: pytest.FixtureRequest) -> None:
    """Folded tables that are made, and empty; where a test has a database."""
    if "app" in request.fixturenames:
        request.getfixturevalue("unit")(fold_nothing)
