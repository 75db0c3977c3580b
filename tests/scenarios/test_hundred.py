"""A hundred containers on one network: everybody is found by name, and nothing is left."""

from __future__ import annotations

import pytest

from tests.benchmarks import hundred
from tests.scenarios.conftest import why_not


@pytest.mark.root
@pytest.mark.scenario
@pytest.mark.slow
def test_a_hundred_idle_containers() -> None:
    if why_not():
        pytest.skip(why_not())
    found = hundred.run(100)
    assert found.answered == found.questions == 400
    assert found.left == ()
