"""``--dry-run``: the plan that a command would carry out, with its causes; nothing is changed.

The same pure function plans for the supervisor (``supervisor.asking``), so the two cannot differ.
Commands that only look run as ever; one that could not say beforehand what it does is refused.
"""

from __future__ import annotations

from composer import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Json, Session

PLANNING = frozenset(
    {
        "create", "down", "pause", "pull", "push", "restart", "rm", "scale", "start", "stop", "unpause", "up",
    }
)  # fmt: skip
LOOKING = frozenset(
    {
        "completion", "config", "events", "graph", "images", "logs", "ls", "plan", "port", "ps", "stats",
        "system", "top", "version", "volumes", "wait",
    }
)  # fmt: skip
PREFIX = "DRY-RUN MODE - "


def check(root: argparse.Namespace, verb: str) -> None:
    """Raise ``UsageError`` when ``--dry-run`` is asked of a verb that cannot keep the promise."""
    if root.dry_run and verb not in PLANNING | LOOKING:
        message = f"{verb} cannot say beforehand what it would do"
        raise errors.UsageError(message, hint=f"--dry-run is for {', '.join(sorted(PLANNING))}.")


def show(session: Session, command: str, arguments: Json) -> int:
    """Print the plan for a request."""
    from composer.engine import observe
    from composer.planner import providing
    from composer.supervisor import asking, providers

    needs_file = bool(arguments.get("source"))
    stack = session.load(asking.texts(arguments, "services")).stack if needs_file else None
    if stack is not None:
        stack = providing.with_provided(stack, providers.remembered(session.paths.provided(stack.name)))
    if stack is None:
        observed = observe.observe(session.drivers(), session.stack_name())
    else:
        will_build = bool(arguments.get("build"))
        observed = observe.observe_wanted(session.drivers(), stack, will_build=will_build)
    plan = asking.plan_of(command, arguments, stack, observed)
    for warning in (*(stack.warnings if stack else ()), *plan.warnings):
        session.note(f"warning: {warning}")
    for step in plan.steps:
        session.say(f"{PREFIX}{step.line}")
    if plan.is_empty:
        session.say(f"{PREFIX}nothing to do")
    if not plan.is_final:
        session.say(f"{PREFIX}what happens to containers depends on the outcome of the builds")
    return 0
