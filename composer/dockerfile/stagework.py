"""One stage of a build: its instructions in order, each a step that gives a layer or nothing.

Nothing is kept in memory that matters: a step's layer is published by the image store before its key
is remembered, so a build that is killed at any point goes on from the last finished step when it is
asked for again.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import attrs

from composer import errors
from composer.dockerfile import (
    cachekey,
    copy,
    copying,
    draft,
    mountflag,
    parser,
    remote,
    run,
    runmounts,
    stages,
    workspace,
)
from composer.dockerfile.context import Selector
from composer.dockerfile.copying import Batch, Wanted
from composer.dockerfile.draft import Draft
from composer.dockerfile.expand import expand
from composer.dockerfile.kit import Kit
from composer.dockerfile.origins import Origin
from composer.dockerfile.progress import StepProgress
from composer.dockerfile.stages import Stage
from composer.dockerfile.syntax import Copy, Dockerfile, Instruction, Run, Workdir
from composer.dockerfile.tree import Tree
from composer.dockerfile.workspace import Workspace
from composer.model.protocols import BuildRequest, MaterialFile

MARK = " # buildkit"
"""What BuildKit ends the history of its layers with; tools look for it."""

NETWORK_HOST = "network.host"
SECURITY_INSECURE = "security.insecure"

_LONGEST_TEXT = 80
_SANDBOX_HOSTNAME = "BUILDKIT_SANDBOX_HOSTNAME"
_SCRIPT_MODE = 0o755


@attrs.frozen(kw_only=True)
class StageWork:
    """A stage and what it works with.

    ``draft_of`` gives the draft of another stage, waiting until it is there; ``begin`` lets one be
    worked on meanwhile.
    """

    kit: Kit
    dockerfile: Dockerfile
    stage: Stage
    stages: tuple[Stage, ...]
    begin: Callable[[int], None]
    draft_of: Callable[[int], Draft]

    def perform(self) -> Draft:
        """Carry out every instruction."""
        stage = self.stage
        for needed in stage.needs:
            if needed != stage.parent:
                self.begin(needed)
        base, triggers = self._base(self.dockerfile.place(stage.opening))
        instructions = [*triggers, *((self.dockerfile.place(one), one) for one in stage.instructions)]
        total = 1 + sum(isinstance(one, Run | Copy | Workdir) for _, one in instructions)
        prefix = f"{stage.title} " if stage.name or len(self.stages) > 1 else ""
        self.kit.progress.begin(f"[{prefix}1/{total}] {stage.opening.text}").cached()
        number = 1
        for where, instruction in instructions:
            self.kit.stop.check()
            if isinstance(instruction, Run | Copy | Workdir):
                number += 1
                step = self.kit.progress.begin(f"[{prefix}{number}/{total}] {instruction.text}")
                with located(where, instruction, step):
                    base = self._work(base, instruction, step, where)
                continue
            with located(where, instruction, None):
                base = draft.after(base, instruction, self.kit.settings)
        return base

    @property
    def _is_fresh(self) -> bool:
        """Whether the steps of this stage are all run again."""
        request = self.kit.request
        names = {self.stage.name, str(self.stage.index)} - {""}
        return request.no_cache or not names.isdisjoint(name.lower() for name in request.uncached)

    def _base(self, place: str) -> tuple[Draft, list[tuple[str, Instruction]]]:
        """The draft that the stage starts with, and the triggers of the image it starts on."""
        stage = self.stage
        if stage.parent is not None:
            inherited = attrs.evolve(self.draft_of(stage.parent), has_command=False)
            return _without_triggers(inherited), _triggers_of(inherited, stage.base)
        if stage.base == stages.SCRATCH and not stage.is_context:
            return draft.draft_on(None), []
        with _placed(place):
            origin = self.kit.origins.origin(stage.base)
        if origin.image is None:
            layers = self.kit.materialised(origin)
            return attrs.evolve(draft.draft_on(None), layers=layers), []
        begun = draft.draft_on(origin.image)
        return _without_triggers(begun), _triggers_of(begun, stage.base)

    def _work(self, base: Draft, instruction: Run | Copy | Workdir, step: StepProgress, place: str) -> Draft:
        match instruction:
            case Run():
                return self._run(base, instruction, step, place)
            case Workdir():
                return self._change_directory(base, instruction, step)
            case Copy():
                return self._copy(base, instruction, step, place)

    # ----------------------------------------------------------------- RUN

    def _run(self, base: Draft, instruction: Run, step: StepProgress, place: str) -> Draft:
        kit = self.kit
        argv = base.argv_of(instruction.command)
        _check_directory(base.working_dir)
        network = instruction.network if instruction.network != "default" else kit.request.network
        check_entitlements(instruction, kit.request)
        mounts = [mountflag.parse(text, lambda word: self._read(base, word)) for text in instruction.mounts]
        sources = runmounts.sources_of(mounts, base.working_dir, kit, lambda name: self._origin(name, place))
        step.hide(runmounts.secrets_in(sources, kit.request.secrets))
        seen = {**base.arguments, **base.config.environment}
        script = instruction.script
        hostname = kit.request.args.get(_SANDBOX_HOSTNAME, run.HOSTNAME)
        key = cachekey.of_run(
            base.layers,
            argv,
            seen,
            user=base.config.user,
            working_dir=base.working_dir,
            network=network,
            rest=(
                tuple(source.identity for source in sources),
                script.body if script else None,
                instruction.is_insecure,
                kit.request.hosts,
                tuple((name, one.soft, one.hard) for name, one in sorted(kit.request.ulimits.items())),
                kit.request.shm_size,
                hostname,
            ),
        )
        proxies = {
            name: value
            for name, value in kit.request.args.items()
            if name in draft.PROXY_ARGUMENTS and name not in seen
        }

        def perform(name: str, room: Workspace) -> None:
            targets: list[str] = []
            with runmounts.prepared(sources, kit, room) as ready, kit.slot():
                files = list(ready.files)
                if script is not None:
                    target = posixpath.join(parser.SCRIPTS, script.name)
                    content = script.body.encode("utf-8", "surrogateescape")
                    files.append(MaterialFile(target=target, content=content, mode=_SCRIPT_MODE))
                settled = run.RunStep(
                    argv=argv,
                    environment={**proxies, **ready.environment, **seen, **ready.secrets},
                    user=base.config.user,
                    working_dir=base.working_dir,
                    network=network,
                    is_insecure=instruction.is_insecure,
                    hostname=hostname,
                    binds=tuple(ready.binds),
                    tmpfs=tuple(ready.tmpfs),
                    files=tuple(files),
                )
                targets += [bind.target for bind in ready.binds]
                targets += [mount.target for mount in ready.tmpfs]
                targets += [file.target for file in files]
                code = kit.commands.run(name, settled, room, step)
            if code:
                message = f"{place}: {_shortened(instruction.text)} exited with {code}"
                raise errors.BuildError(message, hint=run.hint_for(code, argv), output=step.tail)
            workspace.remove_stubs(room, targets)

        layers = kit.layers_of(base.layers, key, step, perform, is_fresh=self._is_fresh)
        return base.with_layer(kit.settings.created, _run_history(argv, base.arguments), layers)

    # ----------------------------------------------------------------- WORKDIR

    def _change_directory(self, base: Draft, instruction: Workdir, step: StepProgress) -> Draft:
        kit = self.kit
        text = self._read(base, instruction.path)
        if not text:
            message = "WORKDIR is blank after its variables were expanded"
            raise ValueError(message)
        path, _ = copy.destination_of(text, base.working_dir)
        _check_directory(path)

        def perform(_: str, room: Workspace) -> None:
            with kit.slot(), kit.root(room) as root:
                _check_directory("/" + root.resolve(path))
                copy.Writer(root, kit.stop).make_directories(path, copy.Ownership())

        key = cachekey.of_directory(base.layers, path)
        layers = kit.layers_of(base.layers, key, step, perform, is_fresh=self._is_fresh)
        changed = attrs.evolve(base, config=attrs.evolve(base.config, working_dir=path))
        return changed.with_layer(kit.settings.created, f"WORKDIR {path}", layers)

    # ----------------------------------------------------------------- COPY, ADD

    def _copy(self, base: Draft, instruction: Copy, step: StepProgress, place: str) -> Draft:
        kit = self.kit
        wanted = copying.settled(base, instruction, kit.settings.escape)
        text = f"{instruction.keyword} {' '.join((*wanted.sources, wanted.destination))}{MARK}"
        below = () if instruction.is_link else base.layers
        with ExitStack() as stack:
            origin = self._origin(instruction.origin, place)
            quick_key = ""
            if origin.directory is None:
                quick_key = cachekey.of_copy_between_layers(
                    below, origin.layers, wanted.sources, (wanted.identity,)
                )
                found = kit.remembered(quick_key, is_fresh=self._is_fresh)
                if found is not None:
                    step.cached()
                    return base.with_layer(kit.settings.created, text, found)
            batches = self._batches(stack, origin, wanted, instruction)
            selections = [one for batch in batches for one in batch.selections]
            key = cachekey.of_copy(below, selections, wanted.identity)

            def perform(_: str, room: Workspace) -> None:
                with kit.slot(), kit.root(room) as root:
                    copying.write(root, batches, wanted, kit.stop)

            layers = kit.layers_of(below, key, step, perform, is_fresh=self._is_fresh)
            if quick_key:
                kit.remember(quick_key, layers)
        return base.with_layer(kit.settings.created, text, layers)

    def _batches(
        self, stack: ExitStack, origin: Origin, wanted: Wanted, instruction: Copy
    ) -> tuple[Batch, ...]:
        """Every source, found."""
        selector: Selector | None = None
        batches: list[Batch] = []
        for source in wanted.sources:
            if instruction.unpacks and remote.is_remote(source):
                batches.append(self._fetched(stack, source, wanted, instruction))
                continue
            if wanted.checksum:
                message = "checksum can't be specified for sources that are neither URLs nor repositories"
                raise ValueError(message)
            if selector is None:
                selector = self.kit.selector(stack, origin)
            selections = selector.select(source, excluded=wanted.rules, keeps_parents=wanted.keeps_parents)
            may_unpack = instruction.unpacks and wanted.extracts is not False
            batches.append(Batch(selector=selector, selections=selections, may_unpack=may_unpack))
        return tuple(batches)

    def _fetched(self, stack: ExitStack, source: str, wanted: Wanted, instruction: Copy) -> Batch:
        """A URL or repository of ADD."""
        fetched = stack.enter_context(
            self.kit.remotes.fetched(
                source, checksum=wanted.checksum, keeps_git_directory=instruction.keeps_git_directory
            )
        )
        tree = stack.enter_context(Tree(fetched.directory))
        selector = Selector(tree, self.kit.stop, keeps_owner=False)
        return Batch(
            selector=selector,
            selections=selector.select(fetched.name, excluded=wanted.rules),
            may_unpack=wanted.extracts is True and not fetched.is_repository,
        )

    def _origin(self, name: str, place: str) -> Origin:
        """What ``--from`` or ``from`` names; "" is the build context."""
        if not name:
            return self.kit.origins.context
        index = stages.stage_named(name, self.stages)
        if index is None:
            with _placed(place):
                return self.kit.origins.origin(name)
        if index not in self.stage.needs and index >= self.stage.index:
            message = f"--from={name} in an ONBUILD trigger must name an earlier stage"
            raise ValueError(message)
        return Origin(layers=self.draft_of(index).layers)

    def _read(self, base: Draft, text: str) -> str:
        return expand(text, base.variables, escape=self.kit.settings.escape)


def check_entitlements(instruction: Run, request: BuildRequest) -> None:
    """What weakens the isolation of a build is for its caller to allow, not for its Dockerfile."""
    for is_wanted, entitlement, flag in (
        (instruction.network == "host", NETWORK_HOST, "--network=host"),
        (instruction.is_insecure, SECURITY_INSECURE, "--security=insecure"),
    ):
        if is_wanted and entitlement not in request.entitlements:
            message = f"{flag} is not allowed: the build lacks the entitlement {entitlement}"
            hint = f"Say `--allow {entitlement}`, or list it in build.entitlements."
            raise errors.BuildError(message, hint=hint)


def _triggers_of(base: Draft, name: str) -> list[tuple[str, Instruction]]:
    """The instructions that what a stage starts on has for it, each with its place."""
    triggers: list[tuple[str, Instruction]] = []
    for text in base.config.on_build:
        parsed = parser.parse_trigger(text, name)
        triggers.extend((parsed.place(one), one) for one in parsed.instructions)
    return triggers


def _without_triggers(base: Draft) -> Draft:
    return attrs.evolve(base, config=attrs.evolve(base.config, on_build=()))


@contextmanager
def _placed(place: str) -> Iterator[None]:
    try:
        yield
    except errors.ImageNotFound as error:
        message = f"{place}: {error.message}"
        raise errors.ImageNotFound(message, hint=error.hint) from error


@contextmanager
def located(place: str, instruction: Instruction, step: StepProgress | None = None) -> Iterator[None]:
    """Turn whatever a step runs into into a ``BuildError`` that says where."""
    text = f"{place}: {_shortened(instruction.text)}"
    try:
        try:
            yield
        except ValueError as error:
            message = f"{text}: {error}"
            raise errors.BuildError(message) from error
        except OSError as error:
            name = f": {error.filename}" if isinstance(error.filename, str) else ""
            message = f"{text}: {error.strerror or error}{name}"
            raise errors.BuildError(message) from error
        except (errors.ImageNotFound, errors.StoreDamaged):
            raise
        except errors.BuildError as error:
            if error.message.startswith(place):
                raise
            message = f"{text}: {error.message}"
            raise errors.BuildError(message, hint=error.hint, output=error.output) from error
        except (errors.RuntimeFailure, errors.OperationFailed, errors.ImageError) as error:
            message = f"{text}: {error.message}"
            raise errors.BuildError(message, hint=error.hint, output=step.tail if step else "") from error
    except errors.ComposerError as error:
        if step is not None:
            step.failed(error.message)
        raise


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."


def _check_directory(path: str) -> None:
    """No step works below /proc: its links lead to open descriptors (CVE-2024-21626)."""
    if path == "/proc" or path.startswith("/proc/"):
        message = f"a working directory below /proc is refused: {path}"
        raise ValueError(message)


def _run_history(argv: tuple[str, ...], arguments: Mapping[str, str]) -> str:
    """The line of a RUN; arguments stand before it as ``|count name=value ...``."""
    pairs = " ".join(f"{name}={value}" for name, value in sorted(arguments.items()))
    head = f"|{len(arguments)} {pairs} " if arguments else ""
    return f"RUN {head}{' '.join(argv)}{MARK}"
