"""Documentation that a reader can follow: links lead somewhere, decisions are numbered, tables are true."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from composer.stackfile import support
from tests.gates import source
from tests.tools import attribute_tests, support_table

if TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted(
    [
        source.REPOSITORY / "README.md",
        *source.REPOSITORY.glob("docs/**/*.md"),
        *source.REPOSITORY.glob("examples/**/*.md"),
    ]
)
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")
CODE_PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)+\.(?:py|json|md))`")


def relative(path: Path) -> str:
    return path.relative_to(source.REPOSITORY).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_to_files_that_exist(page: Path) -> None:
    targets = [match[1] for match in LINK.finditer(page.read_text("utf-8")) if "://" not in match[1]]
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_code_that_a_page_names_exists(page: Path) -> None:
    named = [match[1] for match in CODE_PATH.finditer(page.read_text("utf-8"))]
    roots = (source.REPOSITORY, source.PACKAGE)  # pages leave `composer/` out
    missing = [name for name in named if not any((root / name).exists() for root in roots)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_nothing_is_promised_for_later(page: Path) -> None:
    assert not re.search(
        r"\b(TODO|TBD|FIXME|coming soon|placeholder)\b", page.read_text("utf-8"), re.IGNORECASE
    )


def test_decisions_have_a_number_of_their_own_and_three_parts() -> None:
    pages = sorted((source.REPOSITORY / "docs/decisions").glob("*.md"))
    assert len({page.name[:4] for page in pages}) == len(pages)
    for page in pages:
        text = page.read_text("utf-8")
        assert text.startswith(f"# {page.name[:4]}: "), page
        assert re.findall(r"^## (.*)$", text, re.MULTILINE)[:3] == ["Context", "Decision", "Consequences"], (
            page
        )


def test_decisions_that_the_code_names_exist() -> None:
    numbers = {page.name[:4] for page in (source.REPOSITORY / "docs/decisions").glob("*.md")}
    named = {
        number
        for path in source.modules()
        for number in re.findall(r"decisions?[/ ](\d{4})", path.read_text("utf-8"))
    }
    assert named <= numbers


def test_the_support_table_is_what_the_code_says() -> None:
    page = support_table.PAGE.read_text("utf-8")
    assert page == support_table.page_with_table(page), "run python -m tests.tools.support_table"


def test_every_honoured_attribute_has_a_test_that_is_there() -> None:
    honoured = {
        pattern
        for pattern in support.patterns()
        if (row := support.row_for(pattern))
        and row.path == pattern
        and row.support is support.Support.HONOURED
    }
    assert honoured - attribute_tests.TESTS.keys() == set(), "name its test in tests/tools/attribute_tests.py"
    missing = {
        name: test for name, test in attribute_tests.TESTS.items() if not attribute_tests.is_there(test)
    }
    assert missing == {}


def test_every_dependency_has_a_reason() -> None:
    import tomllib

    project = tomllib.loads((source.REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    page = (source.REPOSITORY / "docs/dependencies.md").read_text("utf-8")
    names = {re.split(r"[<>=!~\[ ]", requirement)[0] for requirement in project["dependencies"]}
    assert {name for name in names if not re.search(rf"^\| {name} \|", page, re.MULTILINE)} == set()


def test_exit_codes_of_errors_are_documented() -> None:
    from composer import errors

    kinds = [value for value in vars(errors).values() if isinstance(value, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, errors.ComposerError)}
    page = (source.REPOSITORY / "docs/compatibility.md").read_text("utf-8")
    assert {code for code in codes if f"| {code} |" not in page} == set()


def test_verbs_are_documented() -> None:
    from composer.cli.verbs import VERBS

    page = (source.REPOSITORY / "docs/compatibility.md").read_text("utf-8")
    assert {verb for verb in VERBS if f"`{verb}`" not in page} == set()
