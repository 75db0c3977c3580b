"""Single containers on the command line: who is asked, and what a failure of one does to the others."""

from argparse import Namespace
from io import StringIO
from pathlib import Path

import pytest

from composer import errors
from composer.cli import hand
from composer.cli.session import Session
from composer.engine.records import Records
from composer.host.database import Database
from composer.host.paths import Paths
from composer.model.container import ContainerSpec
from tests.fakes.supervisor import FakeConnection


def _session(connections: dict[str, FakeConnection]) -> Session:
    return Session(
        Namespace(progress="plain", ansi="never"),
        out=StringIO(),
        err=StringIO(),
        open_connection=lambda _run, stack, _reopen: connections.get(stack),  # type: ignore[arg-type, return-value]
    )


@pytest.fixture
def _containers() -> None:
    paths = Paths.of_environment()
    database = Database(paths.database)
    for stack, name in (("demo", "web"), ("demo", "db"), ("default", "box")):
        Records(database).add_container(
            ContainerSpec(stack=stack, service=name, number=1, name=name, image="busybox")
        )
    database.close()


@pytest.mark.usefixtures("_containers")
def test_each_request_goes_to_the_supervisor_of_its_stack() -> None:
    connections = {"demo": FakeConnection(), "default": FakeConnection()}
    session = _session(connections)
    assert hand.ask_each(session, ["web", "box"], "container_stop", {"timeout": 3}) == 0
    assert session.out.getvalue() == "web\nbox\n"
    ((command, arguments),) = connections["demo"].asked
    assert command == "container_stop"
    assert arguments["timeout"] == 3
    assert arguments["id"] == hand.find_id(session, "web").id
    assert len(connections["default"].asked) == 1


@pytest.mark.usefixtures("_containers")
def test_one_failure_keeps_nobody_from_their_turn() -> None:
    refusal = errors.ConflictError("it is busy")
    session = _session({"demo": FakeConnection({"container_stop": refusal}), "default": FakeConnection()})
    assert hand.ask_each(session, ["web", "nobody", "box"], "container_stop", {}) == 1
    assert session.out.getvalue() == "box\n"
    assert "it is busy" in session.err.getvalue()
    assert "no such container: nobody" in session.err.getvalue()


@pytest.mark.usefixtures("_containers")
def test_supervisors_describe_what_they_look_after() -> None:
    described = {"containers": [{"document": {"Id": "1"}, "status": "Up"}]}
    connections = {stack: FakeConnection({"container_inspect": described}) for stack in ("demo", "default")}
    assert len(hand.every(_session(connections))) == 2


@pytest.mark.root
@pytest.mark.usefixtures("_containers")
def test_a_missing_supervisor_is_made_up_for_by_a_look() -> None:
    session = _session({"demo": FakeConnection({"container_inspect": {"containers": []}})})
    found = hand.every(session)
    assert sorted(one["document"]["Name"] for one in found) == ["/box", "/db", "/web"]


@pytest.mark.parametrize(
    ("answer", "expected"), [("y\n", True), ("YES\n", True), ("n\n", False), ("", False)]
)
def test_asking(answer: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(answer))
    assert hand.confirmed(_session({}), "This will remove it.", force=False) is expected
    assert hand.confirmed(_session({}), "This will remove it.", force=True)


def test_nothing_is_there_without_a_store() -> None:
    assert not Path(Paths.of_environment().database).exists()
    assert hand.every(_session({})) == []
    with pytest.raises(errors.UsageError, match="no such container"):
        hand.find_id(_session({}), "web")
