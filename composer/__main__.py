"""The program's entry point: a stub, so that starting costs nothing but the command itself."""

import sys


def main() -> None:
    """Run the command line of this process and end with its exit code."""
    from composer.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
