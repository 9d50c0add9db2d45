"""What tests of training share."""

import pytest

from training.jobs import watched


@pytest.fixture
def job(monkeypatch):
    """The job of the run that a test begins or resumes last, so that the test can break what is in it."""
    found = watched(monkeypatch.setattr)

    class Last:
        def __getattr__(self, name):
            return getattr(found[-1], name)

        def __setattr__(self, name, value):
            setattr(found[-1], name, value)

    return Last()
