from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from composer.dockerfile.filemode import FileMode


@pytest.mark.parametrize("text", ["644", "0755", "4711", "0"])
def test_octal(text: str) -> None:
    assert FileMode(text).applied_to(0o600, is_directory=False) == int(text, 8)


@pytest.mark.parametrize("before", [0o600, 0o755, 0o4711, 0o640])
@pytest.mark.parametrize("is_directory", [False, True])
@pytest.mark.parametrize(
    "text",
    ["u+x", "go-w", "a=rX", "+x", "u=rw,g=r,o=", "g=u", "o+g", "u+s", "g+s", "+t", "ug=rwx,o=rx", "u-x+w", "=r", "a+X"],
)  # fmt: skip
def test_symbolic_modes_are_those_of_chmod(
    text: str, before: int, tmp_path: Path, *, is_directory: bool
) -> None:
    path = tmp_path / "x"
    path.mkdir() if is_directory else path.touch()
    path.chmod(before)
    subprocess.run(["sh", "-c", f"umask 0; chmod -- {text} {path}"], check=True)
    expected = path.stat().st_mode & 0o7777
    if is_directory and "=" in text:
        expected &= 0o1777  # GNU chmod keeps these bits of directories; BuildKit has no such rule
        assert FileMode(text).applied_to(before, is_directory=True) & 0o1777 == expected
    else:
        assert FileMode(text).applied_to(before, is_directory=is_directory) == expected


@pytest.mark.parametrize("text", ["88", "77777", "u+y", "x", "u+x,", "rw", "+x+", "-1", "u=gw"])
def test_refused(text: str) -> None:
    if text == "+x+":
        assert FileMode(text).applied_to(0o600, is_directory=False) == 0o711
        return
    with pytest.raises(ValueError, match="invalid --chmod"):
        FileMode(text)
