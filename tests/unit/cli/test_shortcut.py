"""The index gives a name only while everything it rests on is unchanged."""

from pathlib import Path

import pytest

from composer.cli import shortcut


def _remember(tmp_path: Path, environment: dict[str, str]) -> None:
    shortcut.remember(
        str(tmp_path / "run"),
        "key",
        name="demo",
        files=[shortcut.stamp(str(tmp_path / "compose.yaml")), shortcut.stamp(str(tmp_path / ".env"))],
        variables=["TAG", "HOME_OF"],
        environment=environment,
    )


def test_remembers_the_name(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {}")
    _remember(tmp_path, {"TAG": "1"})
    assert shortcut.lookup(str(tmp_path / "run"), "key", {"TAG": "1", "OTHER": "x"}) == "demo"
    assert shortcut.lookup(str(tmp_path / "run"), "another", {"TAG": "1"}) is None


@pytest.mark.parametrize(
    "change", ["edit", "replace", "appear", "variable", "new variable", "torn", "foreign"]
)
def test_any_change_ends_trust(tmp_path: Path, change: str) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text("services: {}")
    environment = {"TAG": "1"}
    _remember(tmp_path, environment)
    entry = tmp_path / "run/index/key"
    match change:
        case "edit":
            file.write_text("services: {a: {}}")
        case "replace":
            other = tmp_path / "other"
            other.write_text("services: {}")
            other.rename(file)
        case "appear":
            (tmp_path / ".env").write_text("")
        case "variable":
            environment = {"TAG": "2"}
        case "new variable":
            environment = {"TAG": "1", "HOME_OF": ""}
        case "torn":
            entry.write_bytes(entry.read_bytes()[:-9])
        case "foreign":
            entry.write_text('{"name": 1}')
    assert shortcut.lookup(str(tmp_path / "run"), "key", environment) is None


def test_no_value_is_written_down(tmp_path: Path) -> None:
    _remember(tmp_path, {"TAG": "hunter2"})
    entry = tmp_path / "run/index/key"
    assert b"hunter2" not in entry.read_bytes()
    assert entry.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in entry.parent.iterdir()] == ["key"]


def test_the_key_depends_on_what_selects_a_stack() -> None:
    base = shortcut.key_of("/a", (["f"], None), {"COMPOSE_FILE": "x", "HOME": "/root"})
    assert shortcut.key_of("/a", (["f"], None), {"COMPOSE_FILE": "x", "HOME": "/other"}) == base
    others = {
        shortcut.key_of("/b", (["f"], None), {"COMPOSE_FILE": "x"}),
        shortcut.key_of("/a", (["g"], None), {"COMPOSE_FILE": "x"}),
        shortcut.key_of("/a", (["f"], "p"), {"COMPOSE_FILE": "x"}),
        shortcut.key_of("/a", (["f"], None), {"COMPOSE_FILE": "y"}),
    }
    assert len(others | {base}) == 5


def test_bytes_that_are_no_text_make_a_key() -> None:
    assert shortcut.key_of("/a\udcff", (), {"COMPOSE_X": "\udcfe"})


def test_questions_are_noted() -> None:
    environment = shortcut.ConsultedVariables({"A": "1"})
    assert (environment.get("A"), environment.get("B"), environment.get("C", "x")) == ("1", None, "x")
    assert environment.names == {"A", "B", "C"}
    assert dict(environment) == {"A": "1"}


def test_a_wrong_entry_can_be_forgotten(tmp_path: Path) -> None:
    _remember(tmp_path, {})
    for _ in range(2):
        shortcut.forget(str(tmp_path / "run"), "key")
        assert shortcut.lookup(str(tmp_path / "run"), "key", {}) is None


def test_an_unwritable_run_directory_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file is in the way")
    _remember(tmp_path, {})
    assert shortcut.lookup(str(tmp_path / "run"), "key", {}) is None
