"""Errors read as text: what a person sees for the mistakes that people make.

Each ``.txt`` beside this file is one case: ``--- NAME`` begins a file, the last section is what is
said.  To change one: delete what stands below ``--- said``, run, and review what was written.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from composer import errors
from composer.stackfile import load, problems

HERE = Path(__file__).parent
CASES = sorted(path.stem for path in HERE.glob("*.txt"))


def sections(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in ("\n" + text).split("\n--- ")[1:]:
        name, _, content = part.partition("\n")
        found[name] = content + "\n" if not content.endswith("\n") else content
    return found


def said(directory: Path) -> str:
    """What ``config`` says, or else what keeps ``up`` from going on."""
    request = load.LoadRequest(directory=str(directory), environment={"HOME": "/home/me"})
    try:
        document = load.read_document(request)
        load.load_stack(request)
    except errors.StackFileError as error:
        text = problems.text_of(error)
    else:
        pytest.fail("nothing is wrong with it")
    notes = [f"config warns: {warning}" for warning in document.warnings] if "document" in locals() else []
    return "\n".join([*notes, text]).replace(f"{directory}/", "") + "\n"


@pytest.mark.parametrize("name", CASES)
def test_said(name: str, tmp_path: Path) -> None:
    case = HERE / f"{name}.txt"
    parts = sections(case.read_text())
    expected = parts.pop("said", "\n")
    for file, content in parts.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(content)
    found = said(tmp_path)
    if not expected.strip():
        case.write_text(case.read_text().partition("\n--- said")[0].rstrip("\n") + f"\n--- said\n{found}")
        pytest.fail(f"{case} had no expectation; one was written: review it")
    assert found == expected


def test_there_are_enough() -> None:
    assert len(CASES) >= 40
