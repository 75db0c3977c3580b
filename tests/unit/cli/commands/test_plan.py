"""The plan as JSON."""

import json

from composer.cli.commands import plan
from composer.model.plan import Plan, RemoveVolume, StartContainer, Step


def test_json_says_what_why_and_after_what() -> None:
    steps = (
        Step(id=1, operation=RemoveVolume(name="v"), cause="asked"),
        Step(id=2, operation=StartContainer(name="web-1", service="web"), cause="new", after=(1,)),
    )
    value = json.loads(plan.json_of(Plan(steps=steps, warnings=("w",), is_final=False)))
    assert value == {
        "v": 1,
        "is_final": False,
        "warnings": ["w"],
        "steps": [
            {"id": 1, "action": "remove", "resource": "volume v", "cause": "asked", "after": []},
            {"id": 2, "action": "start", "resource": "container web-1", "cause": "new", "after": [1]},
        ],
    }
