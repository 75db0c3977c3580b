"""Which container a word means, and names that are unique on a host."""

from pathlib import Path

import pytest

from composer import errors
from composer.engine.records import Records
from composer.host.database import Database
from composer.model.container import ContainerSpec


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(Database(tmp_path / "state.db"))


def _add(records: Records, name: str, stack: str = "demo") -> str:
    return records.add_container(
        ContainerSpec(stack=stack, service=name, number=1, name=name, image="busybox")
    )


def test_a_container_is_found_by_name_id_and_beginning_of_its_id(records: Records) -> None:
    web, db = _add(records, "web"), _add(records, "db", "other")
    for word in ("web", "/web", web, web[:12], web[:2] if web[:2] != db[:2] else web[:20]):
        assert records.container_meant(word).id == web
    assert records.container_meant("db").spec.stack == "other"


def test_a_name_goes_before_the_beginning_of_an_id(records: Records) -> None:
    web = _add(records, "web")
    other = _add(records, web[:3])
    assert records.container_meant(web[:3]).id == other


@pytest.mark.parametrize("word", ["nope", "", "*", "we", "w%"])
def test_a_word_that_means_nothing(records: Records, word: str) -> None:
    _add(records, "web")
    with pytest.raises(errors.UsageError, match="no such container"):
        records.container_meant(word)


def test_an_ambiguous_beginning(records: Records) -> None:
    ids = [_add(records, f"c{number}") for number in range(17)]  # two of 17 begin alike
    first = next(one[0] for one in ids if sum(other[0] == one[0] for other in ids) > 1)
    with pytest.raises(errors.UsageError, match="several containers"):
        records.container_meant(first)


def test_renaming(records: Records) -> None:
    web = _add(records, "web")
    _add(records, "db", "other")
    assert records.rename_container(web, "front").name == "front"
    assert records.container_meant("front").spec.name == "front"
    with pytest.raises(errors.ConflictError, match="the name db is that of"):
        records.rename_container(web, "db")
    assert records.container_meant("front").id == web
    assert [record.spec.name for record in records.every_container()].count("db") == 1
