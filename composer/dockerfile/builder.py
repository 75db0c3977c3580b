"""Drives one build: stages in order, each instruction a step, each step a layer or nothing.

Nothing is kept in memory that matters: a step's layer is published by the image store before its
key is remembered, so a build that is killed at any point goes on from the last finished step when it
is asked for again; its staging directory is the store's to sweep.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import attrs

from composer import errors
from composer.dockerfile import archive, cachekey, copy, draft, parser, run, source, stages, users, workspace
from composer.dockerfile.context import Selection, Selector
from composer.dockerfile.draft import Draft
from composer.dockerfile.expand import expand
from composer.dockerfile.progress import Progress, StepProgress
from composer.dockerfile.stages import Stage
from composer.dockerfile.syntax import Arg, Copy, Dockerfile, Instruction, Maintainer, Run, Workdir
from composer.dockerfile.tree import Tree
from composer.dockerfile.turns import Turns
from composer.dockerfile.workspace import Overlay, Workspace
from composer.model.image import HistoryEntry, Image, ImageConfig
from composer.model.protocols import BuildRequest, ImageStore, Interrupt, Network, Runtime

_MARK = " # buildkit"
"""What BuildKit ends the history of its layers with; tools look for it."""

_LARGEST_DATABASE = 1 << 20
_LONGEST_TEXT = 80
_OCTAL_LIMIT = 0o7777
_FOREIGN_ARGUMENTS = frozenset({"SOURCE_DATE_EPOCH"})

_serial = itertools.count(1)


class DockerfileBuilder:
    """Builds images (``protocols.Builder``); one instance serves several builds at once."""

    def __init__(
        self, images: ImageStore, runtime: Runtime, network: Network, *, overlay: Overlay | None = None
    ) -> None:
        self._images = images
        self._runtime = runtime
        self._network = network
        self._overlay = overlay or workspace.KernelOverlay()
        self._turns = Turns()

    def build(self, request: BuildRequest, say: Callable[[str], None], interrupt: Interrupt) -> Image:
        """Build, tag and return; ``say`` receives progress and output lines.

        Raises ``BuildError`` (with the output's tail), ``ImageNotFound``, ``Interrupted``.
        """
        dockerfile = source.dockerfile_of(request)
        plan = stages.plan(dockerfile, request.args, request.target)
        epoch = source.epoch_of(request)
        settings = draft.Settings(
            arguments=request.args,
            global_arguments=plan.arguments,
            escape=dockerfile.escape,
            created=source.timestamp(epoch),
        )
        with ExitStack() as stack:
            stack.enter_context(self._images.lease())
            try:
                context = stack.enter_context(Tree(request.context))
            except OSError as error:
                message = f"unable to read the build context {request.context}: {error.strerror}"
                raise errors.BuildError(message) from error
            commands = run.Commands(self._runtime, self._network, interrupt)
            stack.callback(commands.close)
            work = _Build(
                images=self._images,
                overlay=self._overlay,
                turns=self._turns,
                commands=commands,
                progress=Progress(say),
                interrupt=interrupt,
                request=request,
                dockerfile=dockerfile,
                stages=plan.stages,
                settings=settings,
                epoch=epoch,
                context=Selector(
                    context, interrupt, rules=source.rules_of(request, context), keeps_owner=False
                ),
            )
            for index in plan.order:
                work.build_stage(plan.stages[index])
            work.warn_of_unused_arguments()
            return work.publish(plan.stages[plan.order[-1]])


@attrs.define(kw_only=True)
class _Build:
    """The state of one build: the draft of every stage that is done."""

    images: ImageStore
    overlay: Overlay
    turns: Turns
    commands: run.Commands
    progress: Progress
    interrupt: Interrupt
    request: BuildRequest
    dockerfile: Dockerfile
    stages: tuple[Stage, ...]
    settings: draft.Settings
    epoch: int | None
    context: Selector
    drafts: dict[int, Draft] = attrs.field(factory=dict)

    # ----------------------------------------------------------------- stages

    def build_stage(self, stage: Stage) -> None:
        """Carry out every instruction of a stage."""
        place = self.dockerfile.place(stage.opening)
        base, triggers = self._base(stage, place)
        instructions = [*triggers, *((self.dockerfile.place(one), one) for one in stage.instructions)]
        total = 1 + sum(isinstance(one, Run | Copy | Workdir) for _, one in instructions)
        prefix = f"{stage.title} " if stage.name or len(self.stages) > 1 else ""
        self.progress.begin(f"[{prefix}1/{total}] {stage.opening.text}").cached()
        number = 1
        for where, instruction in instructions:
            if self.interrupt.is_set:
                message = "the build was stopped"
                raise errors.Interrupted(message)
            if isinstance(instruction, Run | Copy | Workdir):
                number += 1
                step = self.progress.begin(f"[{prefix}{number}/{total}] {instruction.text}")
                with _located(where, instruction, step):
                    base = self._work(base, instruction, step, where)
                continue
            if isinstance(instruction, Maintainer):
                self.progress.note(f"{where}: MAINTAINER is deprecated and ignored: use a LABEL")
            with _located(where, instruction, None):
                base = draft.after(base, instruction, self.settings)
        self.drafts[stage.index] = base

    def _base(self, stage: Stage, place: str) -> tuple[Draft, list[tuple[str, Instruction]]]:
        """The draft that a stage starts with, and the triggers of the image it starts on."""
        if stage.parent is not None:
            return attrs.evolve(self.drafts[stage.parent], has_command=False), []
        if stage.base == stages.SCRATCH:
            return draft.draft_on(None), []
        image = self._image(stage.base, place)
        triggers: list[tuple[str, Instruction]] = []
        for text in image.config.on_build:
            parsed = parser.parse_trigger(text, stage.base)
            triggers.extend((parsed.place(one), one) for one in parsed.instructions)
        return draft.draft_on(image), triggers

    def _image(self, reference: str, place: str) -> Image:
        try:
            return self.images.get(reference)
        except errors.ImageNotFound as error:
            message = f"{place}: {error.message}"
            raise errors.ImageNotFound(message, hint=error.hint) from error

    def _work(self, base: Draft, instruction: Run | Copy | Workdir, step: StepProgress, place: str) -> Draft:
        match instruction:
            case Run():
                return self._run(base, instruction, step, place)
            case Workdir():
                return self._change_directory(base, instruction, step)
            case Copy():
                return self._copy(base, instruction, step, place)

    # ----------------------------------------------------------------- steps

    def _step(
        self,
        base: Draft,
        key: str,
        step: StepProgress,
        perform: Callable[[str, Workspace], None],
    ) -> tuple[str, ...]:
        """The layer of a step: remembered, or made by ``perform`` in a fresh workspace."""
        found = self._remembered(key)
        if found is None:
            with self.turns.hold(key, self.interrupt):
                found = self._remembered(key)
                if found is None:
                    layers = self._perform(base, key, perform)
                    step.done()
                    return layers
        step.cached()
        return found

    def _remembered(self, key: str) -> tuple[str, ...] | None:
        return None if self.request.no_cache else self.images.cached(key)

    def _perform(self, base: Draft, key: str, perform: Callable[[str, Workspace], None]) -> tuple[str, ...]:
        name = f"build-{os.getpid()}-{next(_serial)}"
        with workspace.opened(self.images, name, base.layers) as place:
            perform(name, place)
            layers: tuple[str, ...] = ()
            if not place.is_unchanged:
                if self.epoch is not None:
                    workspace.clamp_times(place.upper, self.epoch)
                layers = (self.images.add_layer(place.upper),)
        self.images.remember(key, layers)
        return layers

    def _run(self, base: Draft, instruction: Run, step: StepProgress, place: str) -> Draft:
        argv = base.argv_of(instruction.command)
        _check_directory(base.working_dir)
        seen = {**base.arguments, **base.config.environment}
        proxies = {
            name: value
            for name, value in self.request.args.items()
            if name in draft.PROXY_ARGUMENTS and name not in seen
        }
        settled = run.RunStep(
            argv=argv,
            environment={**proxies, **seen},
            user=base.config.user,
            working_dir=base.working_dir,
            has_network=instruction.network != "none",
        )
        key = cachekey.of_run(
            base.layers,
            argv,
            seen,
            user=settled.user,
            working_dir=settled.working_dir,
            network=instruction.network,
        )

        def perform(name: str, room: Workspace) -> None:
            code = self.commands.run(name, settled, room, step)
            if code:
                message = f"{place}: {_shortened(instruction.text)} exited with {code}"
                raise errors.BuildError(message, hint=run.hint_for(code, argv), output=step.tail)
            workspace.remove_stubs(room)

        layers = self._step(base, key, step, perform)
        return base.with_layer(self.settings.created, _run_history(argv, base.arguments), layers)

    def _change_directory(self, base: Draft, instruction: Workdir, step: StepProgress) -> Draft:
        text = self._expanded(base, instruction.path)
        if not text:
            message = "WORKDIR is blank after its variables were expanded"
            raise ValueError(message)
        path, _ = copy.destination_of(text, base.working_dir)
        _check_directory(path)

        def perform(_: str, room: Workspace) -> None:
            with self._root(room) as root:
                _check_directory("/" + root.resolve(path))
                copy.Writer(root, self.interrupt).make_directories(path, copy.Ownership())

        layers = self._step(base, cachekey.of_directory(base.layers, path), step, perform)
        changed = attrs.evolve(base, config=attrs.evolve(base.config, working_dir=path))
        return changed.with_layer(self.settings.created, f"WORKDIR {path}", layers)

    def _copy(self, base: Draft, instruction: Copy, step: StepProgress, place: str) -> Draft:
        wanted = self._settled(base, instruction)
        text = f"{instruction.keyword} {' '.join((*wanted.sources, wanted.destination))}{_MARK}"
        with ExitStack() as stack:
            origin = self._origin(instruction, place)
            quick_key = ""
            if origin is None:
                selector = self.context
            else:
                quick_key = cachekey.of_copy_between_layers(
                    base.layers, origin, wanted.sources, (wanted.identity,)
                )
                found = self._remembered(quick_key)
                if found is not None:
                    step.cached()
                    return base.with_layer(self.settings.created, text, found)
                selector = Selector(self._readable(stack, origin), self.interrupt, keeps_owner=True)
            selections = [one for name in wanted.sources for one in selector.select(name)]
            key = cachekey.of_copy(base.layers, selections, wanted.identity)

            def perform(_: str, room: Workspace) -> None:
                with self._root(room) as root:
                    self._write(root, selector.tree, selections, wanted)

            layers = self._step(base, key, step, perform)
            if quick_key:
                self.images.remember(quick_key, layers)
        return base.with_layer(self.settings.created, text, layers)

    def _settled(self, base: Draft, instruction: Copy) -> _Wanted:
        """A copy with its variables expanded."""
        text = self._expanded(base, instruction.destination)
        path, is_directory = copy.destination_of(text, base.working_dir)
        inline = tuple(
            (
                one.name,
                expand(one.body, base.variables, escape=self.settings.escape, keeps_quotes=True)
                if one.expands
                else one.body,
            )
            for one in instruction.inline
        )
        sources = tuple(self._expanded(base, one) for one in instruction.sources)
        if not is_directory and len(sources) + len(inline) > 1:
            message = "more than one source file: the destination must be a directory and end with a /"
            raise ValueError(message)
        return _Wanted(
            sources=sources,
            inline=inline,
            destination=path,
            is_directory=is_directory,
            owner=self._expanded(base, instruction.owner),
            mode=_mode(self._expanded(base, instruction.mode)),
            unpacks=instruction.unpacks,
        )

    def _write(self, root: Tree, tree: Tree, selections: Sequence[Selection], wanted: _Wanted) -> None:
        """Carry a settled copy out in the merged root."""
        writer = copy.Writer(root, self.interrupt)
        ownership = copy.Ownership(owner=_owner(root, wanted.owner), mode=wanted.mode)
        rest = [
            one
            for one in selections
            if not (wanted.unpacks and self._unpacked(tree, one, writer, wanted, ownership))
        ]
        is_directory = wanted.is_directory or root.is_directory(root.resolve(wanted.destination))
        for placement in copy.placements(rest, wanted.destination, is_directory=is_directory):
            writer.place(placement, tree, ownership)
        for name, content in wanted.inline:
            data = content.encode("utf-8", "surrogateescape")
            writer.write_content(wanted.destination, name if is_directory else "", data, ownership)

    def _unpacked(
        self,
        tree: Tree,
        selection: Selection,
        writer: copy.Writer,
        wanted: _Wanted,
        ownership: copy.Ownership,
    ) -> bool:
        """Unpack a source of ADD if it is an archive; whether it was one."""
        entry = selection.entries[0]
        if not entry.digest:
            return False
        with os.fdopen(tree.open_file(entry.location), "rb") as file:
            if not archive.is_archive(file):
                return False
            archive.unpack(file, writer, wanted.destination, ownership, digest=entry.digest)
        return True

    # ----------------------------------------------------------------- roots

    @contextmanager
    def _root(self, room: Workspace) -> Iterator[Tree]:
        """The merged, writable root of a step."""
        with workspace.mounted(self.overlay, room) as merged, Tree(merged) as root:
            yield root

    def _readable(self, stack: ExitStack, layers: tuple[str, ...]) -> Tree:
        """The root of another stage or image, read-only, until ``stack`` closes."""
        name = f"build-{os.getpid()}-{next(_serial)}"
        room = stack.enter_context(workspace.opened(self.images, name, layers))
        merged = stack.enter_context(workspace.mounted(self.overlay, room, is_writable=False))
        return stack.enter_context(Tree(merged))

    def _origin(self, instruction: Copy, place: str) -> tuple[str, ...] | None:
        """The layers that ``--from`` names; ``None`` is the build context."""
        if not instruction.origin:
            return None
        index = stages.stage_named(instruction.origin, self.stages)
        if index is None:
            return self._image(instruction.origin, place).layers
        if index not in self.drafts:
            message = f"--from={instruction.origin} in an ONBUILD trigger is unsupported"
            raise ValueError(message)
        return self.drafts[index].layers

    def _expanded(self, base: Draft, text: str) -> str:
        return expand(text, base.variables, escape=self.settings.escape)

    # ----------------------------------------------------------------- the end

    def warn_of_unused_arguments(self) -> None:
        """Say which build arguments no ARG declares: usually a slip of the pen."""
        declared = {
            name for one in self.dockerfile.instructions if isinstance(one, Arg) for name, _ in one.pairs
        }
        known = declared | draft.PROXY_ARGUMENTS | _FOREIGN_ARGUMENTS
        unused = sorted(
            name for name in self.request.args if name not in known and not name.startswith("BUILDKIT_")
        )
        if unused:
            self.progress.note(f"[Warning] One or more build-args [{' '.join(unused)}] were not consumed")

    def publish(self, stage: Stage) -> Image:
        """Record and tag the image, or find it: a build that changed nothing gives the same image."""
        done = self.drafts[stage.index]
        config = attrs.evolve(done.config, labels={**done.config.labels, **self.request.labels})
        step = self.progress.begin("exporting to image")
        image = self._same_image(config, done)
        if image is None:
            image = self.images.add_image(
                config,
                done.layers,
                history=done.history,
                tags=self.request.tags,
                created=self.settings.created,
            )
        else:
            for tag in self.request.tags:
                self.images.tag(tag, image.id)
        for tag in self.request.tags:
            self.progress.note(f"naming to {tag}")
        step.done()
        return image

    def _same_image(self, config: ImageConfig, done: Draft) -> Image | None:
        """An image of the store that differs at most in its times."""
        if self.request.no_cache or self.epoch is not None:
            return None
        tagged = (self.images.find(tag) for tag in self.request.tags)
        for image in itertools.chain(tagged, self.images.list()):
            if (
                image is not None
                and image.layers == done.layers
                and image.config == config
                and _texts(image.history) == _texts(done.history)
            ):
                return image
        return None


@attrs.frozen(kw_only=True)
class _Wanted:
    """A COPY or ADD with its variables expanded; owner names are not resolved yet."""

    sources: tuple[str, ...]
    inline: tuple[tuple[str, str], ...]
    destination: str
    is_directory: bool
    owner: str
    mode: int | None
    unpacks: bool

    @property
    def identity(self) -> tuple[object, ...]:
        """What of it makes another layer, besides the sources' content."""
        return (self.inline, self.destination, self.is_directory, self.owner, self.mode, self.unpacks)


@contextmanager
def _located(place: str, instruction: Instruction, step: StepProgress | None) -> Iterator[None]:
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


def _mode(text: str) -> int | None:
    """``--chmod`` in octal."""
    if not text:
        return None
    if not all(digit in "01234567" for digit in text):
        message = f"--chmod={text} is unsupported: only octal modes are"
        raise ValueError(message)
    mode = int(text, 8)
    if mode > _OCTAL_LIMIT:
        message = f"invalid --chmod={text}"
        raise ValueError(message)
    return mode


def _owner(root: Tree, text: str) -> tuple[int, int] | None:
    """``--chown`` in numbers, by the root's own databases."""
    if not text:
        return None

    def database(path: str) -> str:
        return (root.read(path, limit=_LARGEST_DATABASE) or b"").decode("utf-8", "replace")

    return users.owner_of(text, passwd=database("etc/passwd"), group=database("etc/group"))


def _run_history(argv: tuple[str, ...], arguments: Mapping[str, str]) -> str:
    """The line of a RUN; arguments stand before it as ``|count name=value ...``."""
    pairs = " ".join(f"{name}={value}" for name, value in sorted(arguments.items()))
    head = f"|{len(arguments)} {pairs} " if arguments else ""
    return f"RUN {head}{' '.join(argv)}{_MARK}"


def _texts(history: Sequence[HistoryEntry]) -> list[tuple[str, bool]]:
    return [(entry.created_by, entry.is_empty) for entry in history]
