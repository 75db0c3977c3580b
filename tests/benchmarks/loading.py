"""How long ``config -q`` takes beside Docker Compose's: one service, ten and a hundred.

Needs neither root nor a daemon.  ``python tests/benchmarks/loading.py`` writes its table into
``docs/performance.md``; ``make bench`` runs it as well.  Rounds are interleaved, so that whatever the
machine does meanwhile strikes both; both programs start cold each time, as they do for a user.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "performance.md"
BEGIN, END = "<!-- loading:begin -->", "<!-- loading:end -->"


def file_of(count: int) -> str:
    """Services with what services usually have: ports, mounts, variables, health, limits, dependencies."""
    parts = ["x-log: &log\n  driver: json-file\n  options: {max-size: 10m}\nservices:\n"]
    for number in range(count):
        needs = f"    depends_on: {{s{number - 1}: {{condition: service_healthy}}}}\n" if number else ""
        parts.append(
            f"  s{number}:\n"
            f"    image: example/img{number}:${{TAG:-latest}}\n"
            f'    ports: ["{8000 + number}:80"]\n'
            f'    environment: {{A: 1, B: two, C: "3", HOME_OF: "${{HOME}}"}}\n'
            f'    volumes: ["./a{number}:/a", "v{number}:/data"]\n'
            f"{needs}"
            "    healthcheck: {test: [CMD, 'true'], interval: 10s, retries: 3}\n"
            '    deploy: {resources: {limits: {cpus: "0.5", memory: 64m}}}\n'
            "    command: serve --all\n"
            "    labels: [a=b, c=d]\n"
            "    logging: *log\n"
        )
    parts.append("volumes:\n")
    parts.extend(f"  v{number}: {{}}\n" for number in range(count))
    return "".join(parts)


def measure(commands: dict[str, str], sizes: list[int], rounds: int) -> dict[int, dict[str, float]]:
    """Median seconds by size and program; the first round of each warms the page cache and is dropped."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("COMPOSE", "DOCKER", "PYTHON"))}
    medians = {}
    with tempfile.TemporaryDirectory(prefix="composer-bench-") as work:
        for size in sizes:
            file = Path(work) / f"{size}.yaml"
            file.write_text(file_of(size))
            samples: dict[str, list[float]] = {name: [] for name in commands}
            for _ in range(rounds + 1):
                for name, program in commands.items():
                    begun = time.perf_counter()
                    subprocess.run(
                        [program, "-f", str(file), "config", "-q"],
                        env=plain, check=True, capture_output=True,
                    )  # fmt: skip
                    samples[name].append(time.perf_counter() - begun)
            medians[size] = {name: statistics.median(taken[1:]) for name, taken in samples.items()}
    return medians


def table_of(medians: dict[int, dict[str, float]], rounds: int) -> str:
    """The medians as Markdown with their ratio."""
    lines = [
        (
            f"Medians of {rounds} interleaved rounds in one run on {os.cpu_count()} cores, "
            f"Linux {platform.release()}, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}."
        ),
        "",
        "| services | Docker Compose | composer | ratio |",
        "|---|---|---|---|",
    ]
    for size, taken in medians.items():
        theirs, ours = taken["Docker Compose"], taken["composer"]
        lines.append(f"| {size} | {theirs * 1000:.0f} ms | {ours * 1000:.0f} ms | {ours / theirs:.2f} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1,10,100")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--print", action="store_true", help="only print; leave docs alone")
    options = parser.parse_args(arguments)
    # As installed: a wheel's modules are compiled once, not at each start.
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(REPOSITORY / "composer")], check=True)
    commands = {
        "Docker Compose": str(REPOSITORY / ".cache" / "peers" / "bin" / "docker-compose"),
        "composer": str(Path(sys.executable).with_name("composer")),
    }
    sizes = [int(size) for size in options.sizes.split(",")]
    table = table_of(measure(commands, sizes, options.rounds), options.rounds)
    print(table)
    if not options.print:
        head, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
        _, _, tail = rest.partition(END)
        PAGE.write_text(f"{head}{BEGIN}\n{table}\n{END}{tail}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
