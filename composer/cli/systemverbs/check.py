"""``composer system check``: names what is damaged on disk; with ``--repair`` puts it right."""

from __future__ import annotations

import json

from composer import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Json, Session

EXAMPLES = """composer system check
composer system check --repair --format json"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``system check``."""
    add = parser.add_argument
    add("--repair", action="store_true", help="put right what can be; give up by name what cannot")
    add("-q", "--quiet", action="store_true", help="only what is damaged")
    add("--format", choices=("text", "json"), default="text", help="how to show it")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Check; fails with the exit code of a damaged store when damage remains."""
    found = damages(session, repairs=options.repair, is_quiet=options.quiet)
    remaining = [one for one in found if not one["repair"]]
    if options.format == "json":
        session.say(json.dumps(found, indent=2))
    else:
        for one in found:
            session.say(f"damaged: {one['text']}")
            if one["repair"]:
                session.say(f"repaired: {one['repair']}")
        if not found:
            session.say("nothing is damaged")
    if remaining and not options.repair:
        session.note("hint: `composer system check --repair` puts right what it can.")
    return errors.StoreDamaged.exit_code if remaining else 0


def damages(session: Session, *, repairs: bool, is_quiet: bool) -> list[Json]:
    """Everything damaged, in the image store and in the records of stacks."""
    from composer.engine import salvage
    from composer.image import check

    drivers = session.drivers()

    def say(line: str) -> None:
        if not is_quiet:
            session.note(line)

    found: list[Json] = [
        {
            "kind": one.kind.value,
            "subject": one.subject,
            "problem": one.problem,
            "images": list(one.images),
            "text": one.text,
            "repair": one.repair,
        }
        for one in check.check(drivers.images, repairs=repairs, say=say)
    ]
    for record in salvage.unreadable(drivers.database):
        kind = record.table.removesuffix("s")
        problem = "its record is unreadable"
        found.append(
            {
                "kind": kind,
                "subject": record.name,
                "problem": problem,
                "images": [],
                "text": f"{kind} {record.name} of stack {record.stack}: {problem}",
                "repair": salvage.put_right(drivers, record) if repairs else "",
            }
        )
    return found
