"""Exit codes of a process that could not be started, from the runtimes' words."""

import pytest

from composer.runtime import execution


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("executable file `x` not found in $PATH: No such file or directory", 127),  # crun 1.8
        ('exec: "x": executable file not found in $PATH', 127),  # runc 1.1
        ('exec: "/x": stat /x: no such file or directory', 127),
        ("open executable: Operation not permitted", 126),
        ("open executable: Permission denied", 126),
        ('exec: "/etc": is a directory', 126),
        ("exec format error", 126),
        ("cannot set the memory limit", None),
    ],
)
def test_codes(said: str, code: int | None) -> None:
    assert execution.code_for(said) == code
    assert execution.NotStarted(said).exit_code == (code or 126)
