"""``composer plan``: what ``up`` would do, each step with its cause; changes nothing.

Exit code 0 says that there is nothing to do, 2 that there is, 1 that it cannot be told.
"""

from __future__ import annotations

import json

from composer.cli import arguments, bringup

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session
    from composer.model.plan import Plan

EXAMPLES = """composer plan
composer plan --format json --build web"""

ERROR_EXIT_CODE = 1
CHANGES_EXIT_CODE = 2


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``plan``."""
    arguments.add_reconciliation(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how to show it")
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Show the plan."""
    from composer.engine import observe
    from composer.model import plan as plans
    from composer.planner import providing
    from composer.supervisor import asking, providers

    arguments.check_reconciliation(options)
    loaded = session.load(options.services).stack
    stack = providing.with_provided(loaded, providers.remembered(session.paths.provided(loaded.name)))
    observed = observe.observe_wanted(session.drivers(), stack, will_build=options.build)
    plan = asking.plan_of("up", bringup.request_of(session, options), stack, observed)
    for warning in (*stack.warnings, *plan.warnings):
        session.note(f"warning: {warning}")
    session.out.write(json_of(plan) if options.format == "json" else plans.text_of(plan))
    if not plan.is_final:
        session.note("what happens to containers depends on the outcome of the builds")
    return 0 if plan.is_empty else CHANGES_EXIT_CODE


def json_of(plan: Plan) -> str:
    """The plan as one JSON object."""
    value = {
        "v": 1,
        "is_final": plan.is_final,
        "warnings": list(plan.warnings),
        "steps": [
            {
                "id": step.id,
                "action": step.operation.action,
                "resource": step.operation.resource,
                "cause": step.cause,
                "after": list(step.after),
            }
            for step in plan.steps
        ],
    }
    return json.dumps(value, indent=2) + "\n"
