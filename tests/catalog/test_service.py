"""The catalogue's rules, below HTTP."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.inventory.factories import make_item
from volunteer_api.catalog.problems import ProhibitedItem

Unit = Callable[[Callable[[], Any]], Any]


def refused(unit: Unit, work: Callable[[], Any], problem: type[Exception]) -> None:
    with pytest.raises(problem):
        unit(work)


@pytest.mark.parametrize(
    "name", ["处方药", "处方药物", "处方药（阿莫西林）", "处 方　药", "Ａ类处方药", "新处方\u2003药"]
)
@pytest.mark.both_databases
def test_prohibited_names_are_found_in_others(unit: Unit, name: str) -> None:
    unit(lambda: make_item(name="处方药", prohibited=True))
    refused(unit, lambda: make_item(name=name), ProhibitedItem)


def test_width_and_case_hide_nothing(unit: Unit) -> None:
    unit(lambda: make_item(name="（B类）Spray", prohibited=True))
    refused(unit, lambda: make_item(name="(Ｂ类) SPRAY 50ml"), ProhibitedItem)
    unit(lambda: make_item(name="(B类)"))
