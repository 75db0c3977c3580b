"""``down`` goes by the file, else by the records, else says that nothing is there."""

import pytest

from composer import errors
from composer.cli.commands import down
from tests.fakes.command_line import Stage
from tests.fakes.supervisor import FakeConnection

ROOT = ["-p", "demo", "--progress", "plain"]


def _wrong(line: int) -> errors.StackFileError:
    return errors.StackFileError([errors.Problem("wrong", file="compose.yaml", line=line)])


def test_asks_with_the_file() -> None:
    connection = FakeConnection({"down": {"changed": True}})
    stage = Stage(connection, ROOT)
    assert stage.run(down, ["-v", "--rmi", "local"]) == 0
    ((_, arguments),) = connection.asked
    assert arguments["source"]
    assert (arguments["volumes"], arguments["rmi"]) == (True, "local")
    assert stage.out.getvalue() == ""


@pytest.mark.parametrize(("line", "warns"), [(3, True), (0, False)])
def test_a_broken_file_does_not_keep_a_stack_up(line: int, *, warns: bool) -> None:
    connection = FakeConnection({"down": [_wrong(line), {"changed": True}]})
    stage = Stage(connection, ROOT)
    assert stage.run(down, []) == 0
    assert [bool(arguments["source"]) for _, arguments in connection.asked] == [True, False]
    assert ("warning" in stage.err.getvalue()) is warns


def test_images_can_only_be_known_from_the_file() -> None:
    connection = FakeConnection({"down": [_wrong(3), {"changed": True}]})
    with pytest.raises(errors.StackFileError):
        Stage(connection, ROOT).run(down, ["--rmi", "all"])


def test_nothing_is_made_where_nothing_is(tmp_path: object) -> None:
    del tmp_path
    stage = Stage(None, ROOT)
    assert stage.run(down, ["-v"]) == 0
    assert stage.out.getvalue() == "nothing to do\n"
    assert not stage.session.paths.database.exists()
