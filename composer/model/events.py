"""The event stream: what a running operation says, as versioned JSON objects.

``--progress json`` and the supervisor's socket carry the same objects, one per line.  Keys:

``v``         format version, 1
``type``      ``step`` (a plan step), ``log`` (a line of a build), ``message`` (a sentence),
              ``transfer`` (progress of one layer), ``container`` (something happened to a container),
              ``build`` (a step of a build)
``time``      Unix seconds
``resource``  ``container web-1``, ``image app``; absent for messages
``action``    step: the operation's action; container: ``start die health_status restart ...``
``status``    step: ``working`` ``progress`` ``done`` ``failed`` ``skipped``
              transfer: a word of ``distribution.TransferState``
``layer``     transfer: the blob's digest
``done`` ``total`` transfer: bytes
``level``     message: ``info`` ``warning`` ``error``
``text``      a sentence, a log line, or the cause of a step
``elapsed``   seconds the step has taken (on ``done`` and ``failed``; always for ``build``)
``step``      number of the step; ``title`` of a build's step what it does, ``line`` what it printed
``attributes`` container events: string map as Docker's (``exitCode``, ``signal``, ...)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from composer.model.distribution import Transfer
    from composer.model.protocols import StepReport

VERSION = 1

Event = dict[str, object]
EventSink = Callable[[Event], None]


def step(
    resource: str, action: str, status: str, *, step_id: int, text: str = "", elapsed: float | None = None
) -> Event:
    """A plan step changed its status."""
    event = _event("step", resource=resource, action=action, status=status, step=step_id)
    if text:
        event["text"] = text
    if elapsed is not None:
        event["elapsed"] = round(elapsed, 4)
    return event


def log(resource: str, text: str) -> Event:
    """One line of output of a build or of another long step."""
    return _event("log", resource=resource, text=text)


def build(resource: str, report: StepReport, text: str) -> Event:
    """A step of a build began, printed a line or ended; ``text`` is that as plain progress."""
    event = _event(
        "build",
        resource=resource,
        step=report.number,
        title=report.title,
        status=report.state.value,
        elapsed=round(report.elapsed, 4),
        text=text,
    )
    if report.line is not None:
        event["line"] = report.line
    return event


def message(level: str, text: str) -> Event:
    """A sentence for the user; ``level`` is ``info``, ``warning`` or ``error``."""
    return _event("message", level=level, text=text)


def transfer(resource: str, action: str, moved: Transfer) -> Event:
    """One layer of an image came (``pull``) or went (``push``) a bit further."""
    return _event(
        "transfer",
        resource=resource,
        action=action,
        layer=moved.digest,
        status=moved.state.value,
        done=moved.done,
        total=moved.total,
    )


def container(name: str, action: str, *, identity: str, service: str, attributes: Mapping[str, str]) -> Event:
    """Something happened to a container (the vocabulary of ``docker events``)."""
    return _event(
        "container",
        resource=f"container {name}",
        action=action,
        id=identity,
        service=service,
        attributes=dict(attributes),
    )


def _event(kind: str, **fields: object) -> Event:
    return {"v": VERSION, "type": kind, "time": round(time.time(), 6), **fields}
