"""A composer store of the module's own, as scenarios have it."""

from tests.scenarios.conftest import store  # noqa: F401 -- a fixture is found by its name here
