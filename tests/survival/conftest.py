"""The long form of these tests takes minutes: it runs only where -m names it."""

import pytest

from survival.processes import Server
from survival.whole import TRAININGS, Reference


def pytest_collection_modifyitems(config, items):
    if "long" in config.option.markexpr:
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture(scope="session")
def server():
    with Server() as found:
        yield found


@pytest.fixture(scope="session")
def references(server, tmp_path_factory):
    """Each training without a break, made when it is asked for."""
    made = {}

    def reference(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            made[name] = Reference.of(server, folder, TRAININGS[name])
        return made[name]

    return reference
