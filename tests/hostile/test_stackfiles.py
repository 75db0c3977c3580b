"""Hostile stack files (reliability.md, Y1-Y13): each refused at once, with a place, without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from composer import errors
from composer.stackfile.load import LoadRequest, load_stack

BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
SERVICE = "services: {a: {image: x%s}}\n"
CHAIN = (
    "services:\n"
    + "".join(f"  s{n}: {{image: x, depends_on: [s{n + 1}]}}\n" for n in range(3000))
    + "  s3000: {image: x, depends_on: [s0]}\n"
)

ATTACKS: dict[str, bytes] = {
    "Y1 alias bomb": ("x-bomb:\n  " + BOMB.replace("\n", "\n  ") + "\n" + SERVICE % "").encode(),
    "Y2 self alias": b"services: &a\n  a: *a\n",
    "Y3 deep lists": b"x-a: " + b"[" * 10_000 + b"]" * 10_000,
    "Y3 deep maps": b"".join(b" " * n + b"a:\n" for n in range(400)),
    "Y3 deep by aliases": b"".join(
        b"x-%d: &a%d %s%s%s\n" % (n, n, b"[" * 100, b"*a%d" % (n - 1) if n else b"", b"]" * 100)
        for n in range(7)
    ),
    "Y4 huge file": b"# " + b"x" * (5 << 20),
    "Y5 duplicate keys": b"services:\n  a: {image: x}\n  a: {image: y}\n",
    "Y6 python tag": b"services: !!python/object/apply:os.system ['true']\n",
    "Y6 unknown tag": b"services: {a: {image: !shout x}}\n",
    "Y7 utf-16": "services: {}".encode("utf-16"),
    "Y7 nul": b"services: {a: {image: 'x\0'}}\n",
    "Y7 nul by escape": (SERVICE % ', env_file: "a\\0b"').encode(),
    "Y7 tab": b"services:\n\ta: {image: x}\n",
    "Y7 invalid utf-8": b"services: {a: {image: '\xff'}}\n",
    "Y8 replicas": (SERVICE % ", scale: 1000000000").encode(),
    "Y8 nan": (SERVICE % ", cpus: .nan").encode(),
    "Y8 negative size": (SERVICE % ", mem_limit: -5m").encode(),
    "Y8 huge number": (SERVICE % ", pids_limit: " + "9" * 5000).encode(),
    "Y8 huge number as text": (SERVICE % f", scale: '{'9' * 5000}'").encode(),
    "Y8 huge float": (SERVICE % ", scale: 1e300").encode(),
    "Y8 port ranges": (SERVICE % f", ports: [{', '.join(['1-65535'] * 1000)}]").encode(),
    "Y8 infinite size": (SERVICE % ", mem_limit: .inf").encode(),
    "Y9 dependency cycle": CHAIN.encode(),
    "Y9 depends on itself": (SERVICE % ", depends_on: [a]").encode(),
    "Y10 include": b"include: [self.yaml]\nservices: {a: {image: x}}\n",
    "Y11 deep variables": (SERVICE % (", command: '" + "${A:-" * 10_000 + "}" * 10_000 + "'")).encode(),
    "Y11 unterminated": (SERVICE % ", command: '${A'").encode(),
    "Y12 service name": b"services: {'../a': {image: x}}\n",
    "Y12 long volume name": (SERVICE % ", volumes: ['../x y:/d:rw:rw']").encode(),
    "Y12 option as name": b"services: {-rf: {image: x}}\n",
    "Y12 name of 300 letters": b"services: {%s: {image: x}}\n" % (b"w" * 300),
    "Y12 look-alike": "services: {w\u0435b: {image: x}}\n".encode(),
    "Y12 volume outside the store": (
        SERVICE % ", volumes: ['vv:/d']" + "volumes: {vv: {name: ../../x}}\n"
    ).encode(),
    "Y12 host name with a line": (SERVICE % ', hostname: "a\\n10.0.0.1 bank"').encode(),
    "Y13 env file is a directory": (SERVICE % ", env_file: /").encode(),
    "Y13 env file is a device": (SERVICE % ", env_file: /dev/zero").encode(),
    "40000 unknown keys": (SERVICE % "".join(f", z{n}: 1" for n in range(40_000))).encode(),
    "binary": os.urandom(1000),
    "empty": b"",
    "a list": b"- a\n",
    "a string": b"hello",
}


CHAIN_LENGTH = 40
SEVERAL: dict[str, dict[str, str]] = {
    "Y9 extends in a ring over files": {
        "compose.yaml": "services: {a: {extends: {file: b.yaml, service: b}}}\n",
        "b.yaml": "services: {b: {extends: {file: compose.yaml, service: a}}}\n",
    },
    "Y9 extends doubling": {
        "compose.yaml": "services: {a0: {extends: {file: f0.yaml, service: a0}}, "
        "b0: {extends: {file: f0.yaml, service: b0}}}\n",
        **{
            f"f{n}.yaml": "services:\n"
            + "".join(
                f"  {kind}{n}: {{extends: {{file: f{n + 1}.yaml, service: {other}{n + 1}}}}}\n"
                for kind, other in (("a", "b"), ("b", "a"))
            )
            for n in range(CHAIN_LENGTH)
        },
    },
    "Y10 include in a ring": {
        "compose.yaml": "include: [a.yaml]\n",
        "a.yaml": "include: [b.yaml]\n",
        "b.yaml": "include: [a.yaml]\n",
    },
    "Y10 include doubling": {
        "compose.yaml": "include: [d0.yaml, e0.yaml]\n",
        **{
            f"{kind}{n}.yaml": f"include: [d{n + 1}.yaml, e{n + 1}.yaml]\n"
            for n in range(CHAIN_LENGTH)
            for kind in "de"
        },
    },
    "Y10 include of a device": {"compose.yaml": "include: [/dev/zero]\n"},
    "Y10 include of a directory": {"compose.yaml": "include: [/tmp]\n"},
    "Y11 variables that double each other": {
        "compose.yaml": "services: {a: {image: 'x${V40}'}}\n",
        ".env": "V0=xxxxxxxxxx\n" + "".join(f"V{n}=${{V{n - 1}}}${{V{n - 1}}}\n" for n in range(1, 41)),
    },
    "Y11 env files that double": {
        "compose.yaml": "services: {a: {image: x, env_file: a.env}}\n",
        "a.env": "V0=xxxxxxxxxx\n" + "".join(f"V{n}=${{V{n - 1}}}${{V{n - 1}}}\n" for n in range(1, 41)),
    },
}


@pytest.mark.parametrize("name", sorted(SEVERAL))
def test_chains_of_files_are_refused_at_once(name: str, tmp_path: Path) -> None:
    for file, content in SEVERAL[name].items():
        (tmp_path / file).write_text(content)
    begun = time.process_time()
    with pytest.raises(errors.StackFileError) as caught:
        load_stack(LoadRequest(directory=str(tmp_path)))
    assert time.process_time() - begun < 5.0
    assert len(caught.value.problems) <= 200
    assert all(len(str(problem)) < 20_000 for problem in caught.value.problems)


def test_none_of_it_needs_much_memory(tmp_path: Path) -> None:
    """All attacks in one process: its peak is that of the worst."""
    for number, name in enumerate(sorted(ATTACKS)):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "compose.yaml").write_bytes(ATTACKS[name])
    code = """
import os, sys
from composer import errors
from composer.stackfile.load import LoadRequest, load_stack
for directory in os.scandir(sys.argv[1]):
    try:
        load_stack(LoadRequest(directory=directory.path))
    except errors.StackFileError:
        pass
for line in open("/proc/self/status"):  # ru_maxrss would be the parent's: it outlives exec
    if line.startswith("VmHWM:"):
        print(line.split()[1])
"""
    argv = [sys.executable, "-c", code, str(tmp_path)]
    answer = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert int(answer.stdout) < 100 * 1024


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_refused_at_once(name: str, tmp_path: Path) -> None:
    path = tmp_path / "compose.yaml"
    path.write_bytes(ATTACKS[name])
    begun = time.process_time()
    with pytest.raises(errors.StackFileError) as caught:
        load_stack(LoadRequest(directory=str(tmp_path)))
    assert time.process_time() - begun < 5.0  # a second on a quiet machine; what matters is: not for ever
    assert all(problem.message for problem in caught.value.problems)
    assert caught.value.exit_code == 15


def test_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "compose.yaml")
    with pytest.raises(errors.StackFileError, match="not a regular file"):
        load_stack(LoadRequest(directory=str(tmp_path)))
    os.unlink(tmp_path / "compose.yaml")
    (tmp_path / "compose.yaml").write_text(SERVICE % "")
    os.mkfifo(tmp_path / ".env")
    with pytest.raises(errors.StackFileError, match="not a regular file"):
        load_stack(LoadRequest(directory=str(tmp_path)))
