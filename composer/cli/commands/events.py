"""``composer events``: what happens to the stack's containers, as it happens."""

from __future__ import annotations

import json
import time

from composer import errors
from composer.cli import arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Json, Session

EXAMPLES = """composer events
composer events --json --since 1h --until 10m web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``events``."""
    add = parser.add_argument
    add("--json", dest="as_json", action="store_true", help="one object per line")
    arguments.add_period(parser)
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Stream until interrupted, the stack is down, or ``--until`` has passed."""
    wanted = {name: arguments.moment(f"--{name}", getattr(options, name)) for name in ("since", "until")}
    connection = session.connect_or_adopt()
    if connection is None:
        message = f"the stack {session.stack_name()} is not up"
        raise errors.UsageError(message, hint="`composer up -d` starts it.")

    def show(event: Json) -> None:
        if event.get("type") != "container":
            return
        if options.services and event.get("service") not in options.services:
            return
        session.say(json_of(event) if options.as_json else line_of(event))
        session.out.flush()

    with connection:
        try:
            connection.call("events", dict(wanted), show)
        except errors.OperationFailed:
            return 0  # the supervisor ended: the stack is down
    return 0


def json_of(event: Json) -> str:
    """The event with the keys of ``docker compose events --json``."""
    seconds = _seconds(event)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1e6):06d}Z"
    value = {
        "time": stamp,
        "type": "container",
        "service": event.get("service"),
        "id": event.get("id"),
        "action": event.get("action"),
        "attributes": event.get("attributes"),
    }
    return json.dumps(value, separators=(",", ":"))


def line_of(event: Json) -> str:
    """The event as ``docker compose events`` prints it, in local time."""
    seconds = _seconds(event)
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)) + f".{int(seconds % 1 * 1e6):06d}"
    attributes = event.get("attributes")
    pairs = sorted(attributes.items()) if isinstance(attributes, dict) else []
    details = ", ".join(f"{name}={value}" for name, value in pairs)
    return f"{stamp} container {event.get('action')} {event.get('id')} ({details})"


def _seconds(event: Json) -> float:
    moment = event.get("time")
    return float(moment) if isinstance(moment, int | float) else 0.0
