"""What ``logging`` comes to."""

from __future__ import annotations

import pytest

from composer.model import logging
from composer.model.logging import LogPolicy
from composer.model.stack import Logging


@pytest.mark.parametrize(
    ("driver", "options", "expected"),
    [
        ("", {}, LogPolicy()),
        ("json-file", {"max-size": "10m"}, LogPolicy(max_size=10_000_000)),
        ("json-file", {"max-size": "10MB", "max-file": "3"}, LogPolicy(max_size=10_000_000, max_files=3)),
        ("json-file", {"max-size": "4.5KiB"}, LogPolicy(max_size=4500)),  # Docker's FromHumanSize
        ("json-file", {"max-file": "3"}, LogPolicy()),  # nothing to rotate by
        ("json-file", {"max-size": "-1", "max-file": "3"}, LogPolicy()),
        ("local", {}, LogPolicy(max_size=20_000_000, max_files=5)),
        ("local", {"max-file": "1"}, LogPolicy(max_size=20_000_000)),
        ("journald", {"tag": "{{.Name}}"},
         LogPolicy(to_journal=True, max_size=20_000_000, max_files=5, tag="{{.Name}}")),
        ("none", {}, LogPolicy(is_kept=False)),
    ],
)  # fmt: skip
def test_policy(driver: str, options: dict[str, str], expected: LogPolicy) -> None:
    assert logging.policy_of(Logging(driver=driver, options=options)) == expected


@pytest.mark.parametrize(
    ("driver", "options", "words"),
    [
        ("syslog", {}, "another system"),
        ("jsonfile", {}, "no logging driver 'jsonfile'"),
        ("json-file", {"max-sze": "1m"}, "'max-sze' is no option"),
        ("none", {"max-size": "1m"}, "'max-size' is no option"),
        ("json-file", {"max-size": "ten"}, "is no size"),
        ("json-file", {"max-size": "100"}, "less than 4096"),
        ("json-file", {"max-file": "0"}, "from 1 to 9999"),
        ("json-file", {"max-file": "x"}, "from 1 to 9999"),
    ],
)
def test_what_there_is_not(driver: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        logging.policy_of(Logging(driver=driver, options=options))


def test_what_changes_nothing_is_named_with_its_reason() -> None:
    options = {"max-size": "1m", "compress": "true", "labels": "a", "mode": "blocking", "tag": "x"}
    found = logging.idle_options(Logging(driver="json-file", options=options))
    assert set(found) == {"compress", "labels", "tag"}


def test_saying_what_holds_anyway_is_no_news() -> None:
    options = {"compress": "false", "mode": "blocking", "tag": "x"}
    assert logging.idle_options(Logging(driver="journald", options=options)) == {}


def test_a_tag_is_filled_in_and_the_rest_kept() -> None:
    tag = logging.tag_of(
        "{{.Name}}/{{ .ID }}/{{.Other}}", container_id="a" * 64, name="n", image="i", image_id=""
    )
    assert tag == f"n/{'a' * 12}/{{{{.Other}}}}"
