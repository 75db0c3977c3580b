"""``composer completion``: the script that makes a shell complete composer's command lines."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer completion bash > /etc/bash_completion.d/composer
composer completion zsh > "${fpath[1]}/_composer"
composer completion fish > ~/.config/fish/completions/composer.fish
source <(composer completion bash)"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``completion``."""
    parser.add_argument("shell", choices=("bash", "fish", "zsh"), metavar="SHELL", help="bash, fish or zsh")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Print the script."""
    from composer.cli import completion

    session.out.write(completion.script_for(options.shell))
    return 0
