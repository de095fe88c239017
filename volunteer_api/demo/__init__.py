"""The demo district: 410403 卫东区 with its network, people, stock and some weeks of activities, all made up.

Everything is made through the services, at moments relative to the present, with a fixed seed: each load has the same
shape. Only the divisions are real.
"""

from collections.abc import Callable
from random import Random

from volunteer_api.accounts.service import find_by_phone
from volunteer_api.core import clock
from volunteer_api.demo import history, lending, network, news, paper, people, stock, today
from volunteer_api.demo.stage import ADMINISTRATOR, Stage

SEED = 410403


def load_demo(report: Callable[[int, int], None]) -> bool:
    """Load the demo district; False where it is loaded already. The caller runs it as one unit.

    `report` is told (steps done, steps in all) as it goes on.
    """
    if find_by_phone(ADMINISTRATOR) is not None:
        return False
    stage = Stage(Random(SEED), clock.now())
    steps: list[Callable[[], None]] = [
        lambda: network.build(stage),
        lambda: people.register(stage),
        lambda: network.open_stations(stage),
        lambda: people.appoint(stage),
        *stock.steps(stage),
        *history.steps(stage),
        lambda: lending.begin(stage),
        lambda: today.begin(stage),
        lambda: paper.hand_in(stage),
        lambda: news.settle(stage),
    ]
    report(0, len(steps))
    for done, step in enumerate(steps, start=1):
        step()
        report(done, len(steps))
    return True
