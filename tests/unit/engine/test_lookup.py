"""Which stacks have containers; what a word means is in ``test_records``."""

from pathlib import Path

from composer.engine import lookup
from composer.engine.records import Records
from composer.host.database import Database
from composer.model.container import ContainerSpec


def test_stacks_with_containers(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.db")
    records = Records(database)
    assert lookup.stacks_with_containers(database) == []
    for stack, name in (("b", "x"), ("a", "y"), ("b", "z")):
        records.add_container(ContainerSpec(stack=stack, service=name, number=1, name=name, image="busybox"))
    assert lookup.stacks_with_containers(database) == ["a", "b"]


def test_what_is_meant_is_where_to_ask(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.db")
    identity = Records(database).add_container(
        ContainerSpec(stack="demo", service="web", number=1, name="web", image="busybox")
    )
    found = lookup.container_meant(database, "web")
    assert (found.id, found.stack) == (identity, "demo")
