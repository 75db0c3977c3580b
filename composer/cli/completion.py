"""Shell completion: what may come next on a command line, from the very tables that are parsed.

The shells' scripts (``composer completion bash|zsh|fish``) ask ``composer __complete WORD ...`` at each
press of the key, where the last word is what stands at the cursor; the answer is a line for each candidate,
its text and its help with a tab between.  No candidate means: files, as the shell completes them.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
from collections.abc import Callable, Iterable

from composer import errors
from composer.cli import arguments
from composer.cli.verbs import VERBS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from composer.cli.session import Session

Candidate = tuple[str, str]
"""A word and what it means."""

SHELLS = ("bash", "zsh", "fish")

_BASH = r"""# composer: completion for bash; source it, or put it into /etc/bash_completion.d
_composer() {
    local line=${COMP_LINE:0:COMP_POINT} current word words=() prefix
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    current=${words[${#words[@]}-1]}
    # readline replaces only what follows the last = or :, so that is all it must be given
    prefix=${current%"${current##*[=:]}"}
    COMPREPLY=()
    while IFS=$'\t' read -r word _; do
        COMPREPLY+=("${word#"$prefix"}")
    done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
    return 0
}
complete -o default -o bashdefault -F _composer composer
"""

_ZSH = r"""#compdef composer
# composer: completion for zsh; put it into a directory of $fpath as _composer, or source it
_composer() {
    local -a candidates
    local word text
    while IFS=$'\t' read -r word text; do
        candidates+=("${word//:/\\:}${text:+:$text}")
    done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( $#candidates )); then
        _describe -V composer candidates
    else
        _files
    fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _composer "$@"
else
    compdef _composer composer
fi
"""

_FISH = r"""# composer: completion for fish; put it into ~/.config/fish/completions/composer.fish
function __composer_candidates
    set -l words (commandline -opc) (commandline -ct)
    set -l found (command $words[1] __complete $words[2..-1] 2>/dev/null)
    if set -q found[1]
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c composer -f -k -a '(__composer_candidates)'
"""


def script_for(shell: str) -> str:
    """The script that makes a shell ask us."""
    return {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}[shell]


def candidates(words: list[str], known: Callable[[str], Iterable[Candidate]]) -> list[Candidate]:
    """What the last word may become; ``known`` names what there is of a kind (``SERVICE``, ``IMAGE``)."""
    *before, current = words or [""]
    root = arguments.root_parser()
    _, verb, rest = arguments.split(before)
    if not verb:
        if before and _takes_value(root, before[-1]):
            found = _values(root, before[-1], known)
        else:
            found = _options(root) if current.startswith("-") else list(VERBS.items())
        return _beginning(current, found)
    parser = _parser_of(verb, rest)
    if isinstance(parser, list):
        return _beginning(current, parser)
    if parser is None:
        return []
    return _beginning(current, _of_verb(parser, rest, current, known))


def _parser_of(verb: str, rest: list[str]) -> arguments.Parser | list[Candidate] | None:
    """The parser of a verb, the verbs below it while none is chosen, or nothing for an unknown one.

    Of ``rest`` the verb below is taken away.
    """
    if verb not in VERBS:
        return None
    module = importlib.import_module(f"composer.cli.commands.{verb}")
    parser = arguments.Parser(prog=f"composer {verb}", description="", conflicts="resolve")
    below = getattr(module, "VERBS", None)
    if below is None:
        module.add_options(parser)
        arguments.add_dry_run(parser)
        return parser
    if not rest:
        return [(name, text) for name, (_, text) in below.items()]
    chosen = rest.pop(0)
    if chosen not in below:
        return None
    module = importlib.import_module(f"composer.cli.{verb}verbs.{below[chosen][0]}")
    module.add_options(parser)
    return parser


def _of_verb(
    parser: arguments.Parser, rest: list[str], current: str, known: Callable[[str], Iterable[Candidate]]
) -> list[Candidate]:
    name, has_value, _ = current.partition("=")
    if has_value and name in parser._option_string_actions:
        return [(f"{name}={word}", text) for word, text in _values(parser, name, known)]
    if rest and _takes_value(parser, rest[-1]):
        return _values(parser, rest[-1], known)
    positionals = _positionals_in(parser, rest)
    actions = parser._get_positional_actions()
    if parser.takes_a_command and len(positionals) >= len(actions) - 1 and len(actions) > 1:
        return []  # the command's own words
    if current.startswith("-"):
        return _options(parser)
    if not actions:
        return []
    action = actions[min(len(positionals), len(actions) - 1)]
    if len(positionals) >= len(actions) and action.nargs not in ("*", "+", "..."):
        return []
    return [found for found in _of_action(action, known) if found[0] not in positionals]


def _positionals_in(parser: arguments.Parser, words: list[str]) -> list[str]:
    found = []
    position = 0
    while position < len(words):
        word = words[position]
        if not word.startswith("-"):
            found.append(word)
        elif _takes_value(parser, word):
            position += 1
        position += 1
    return found


def _takes_value(parser: arguments.Parser, word: str) -> bool:
    action = parser._option_string_actions.get(word)
    return action is not None and action.nargs != 0


def _values(
    parser: arguments.Parser, option: str, known: Callable[[str], Iterable[Candidate]]
) -> list[Candidate]:
    return _of_action(parser._option_string_actions[option], known)


def _of_action(action: argparse.Action, known: Callable[[str], Iterable[Candidate]]) -> list[Candidate]:
    if action.choices:
        return [(str(choice), "") for choice in action.choices]
    return list(known(str(action.metavar or "")))


def _options(parser: arguments.Parser) -> list[Candidate]:
    """Each option once, by its long name."""
    found = []
    for action in parser._actions:
        if action.option_strings and action.help is not argparse.SUPPRESS:
            name = next(
                (text for text in action.option_strings if text.startswith("--")), action.option_strings[0]
            )
            found.append((name, str(action.help or "")))
    return found


def _beginning(current: str, found: list[Candidate]) -> list[Candidate]:
    return [candidate for candidate in found if candidate[0].startswith(current)]


class Known:
    """What there is on this host of each kind; whatever cannot be told is not offered."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, kind: str) -> list[Candidate]:
        """The names of a kind, which is the ``metavar`` of an argument."""
        ask = {
            "SERVICE": self._services,
            "SERVICE=N": self._services,
            "CONTAINER": self._containers,
            "IMAGE": self._images,
            "VOLUME": self._volumes,
        }.get(kind)
        found: list[Candidate] = []
        if ask is not None:
            with contextlib.suppress(errors.ComposerError, OSError):
                found = ask()
        return [(f"{name}=", text) for name, text in found] if kind == "SERVICE=N" else found

    def _services(self) -> list[Candidate]:
        stack = self._session.load().stack
        return [(name, service.image or "") for name, service in sorted(stack.services.items())]

    def _containers(self) -> list[Candidate]:
        if not self._session.paths.database.exists():
            return []
        return [(one.spec.name, one.spec.image) for one in self._session.records().every_container()]

    def _images(self) -> list[Candidate]:
        if not self._session.paths.database.exists():
            return []
        tags = {tag for image in self._session.drivers().images.list() for tag in image.tags}
        return sorted((tag.removeprefix("docker.io/").removeprefix("library/"), "") for tag in tags)

    def _volumes(self) -> list[Candidate]:
        if not self._session.paths.database.exists():
            return []
        return sorted((volume.name, "") for volume, _ in self._session.records().every_volume())
