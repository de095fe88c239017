"""What the core's tests share."""

import dataclasses
from collections.abc import Iterator

import pytest

from volunteer_api.core.tasks import REGISTRY


@pytest.fixture
def core_tasks() -> Iterator[None]:
    """Only the core's own work is ever due: a sweep through that of all features takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        for name, found in list(REGISTRY.items()):
            if not name.startswith("core."):
                patch.setitem(REGISTRY, name, dataclasses.replace(found, every=None))
        yield
