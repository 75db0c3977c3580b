"""History: lines newest first, each layer's size at the line that made it."""

from __future__ import annotations

from composer.cli.imageverbs import history
from composer.image.store import Store
from tests.fakes.command_line import Stage


def lines(*argv: str) -> list[str]:
    stage = Stage(None, [])
    assert stage.run(history, list(argv)) == 0
    return stage.out.getvalue().splitlines()


def test_lines_and_sizes(store: Store) -> None:
    form = "{{.ID}}|{{.CreatedBy}}|{{.Size}}"
    assert lines("app:1", "--format", form) == [
        f"{store.get('app:1').id[7:19]}|RUN make a very long line that nobody wants …|500kB",
        "<missing>|ENV A=1|0B",
        "<missing>|ADD rootfs /|1kB",
    ]
    assert lines("app:1", "--no-trunc", "--format", "{{.CreatedBy}}")[0].endswith("to see whole")


def test_for_programs(store: Store) -> None:
    form = "{{.CreatedSince}} {{.Size}} {{.Comment}}"
    assert lines("base:1", "-H=false", "--format", form) == ["2026-01-01T00:00:00Z 1000 imported"]
    assert lines("base:1", "-q", "--no-trunc") == [store.get("base:1").id]
