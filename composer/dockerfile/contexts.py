"""Opens build contexts: a directory, a tar archive, a git repository, an archive at a URL.

Whatever it comes from, a context ends as a directory that is read beneath one descriptor.  Archives and
repositories are put into a staging directory of the store and go when the build ends.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import ExitStack
from pathlib import Path

import attrs

from composer import errors
from composer.dockerfile import archive, copy, ignore
from composer.dockerfile.ignore import IgnoreRules
from composer.dockerfile.lexer import LARGEST_FILE
from composer.dockerfile.origins import Origin
from composer.dockerfile.remote import Remotes, is_remote
from composer.dockerfile.stop import Stop
from composer.dockerfile.tree import Tree
from composer.host import durable
from composer.model.protocols import ImageStore

_IGNORE_FILE = ".dockerignore"
_KEEP_GIT = "BUILDKIT_CONTEXT_KEEP_GIT_DIR"


@attrs.frozen(kw_only=True)
class Contexts:
    """The contexts of one build; ``stack`` says when they go."""

    images: ImageStore
    remotes: Remotes
    stop: Stop
    stack: ExitStack

    def directory_of(self, context: Path | str) -> Path:
        """The directory of a context; raises ``BuildError``."""
        if isinstance(context, str) and is_remote(context):
            return self._fetched(context)
        path = Path(context)
        return self._unpacked(path) if path.is_file() else path

    def opened(self, context: Path | str) -> Origin:
        """A named context with its own ``.dockerignore``."""
        directory = self.directory_of(context)
        if not directory.is_dir():
            message = f"unable to read the build context {context}: there is no such directory"
            raise errors.BuildError(message)
        return Origin(directory=directory, rules=rules_of(directory))

    def _fetched(self, address: str) -> Path:
        keeps_git = self.remotes.request.args.get(_KEEP_GIT, "").lower() in {"1", "true"}
        try:
            fetched = self.stack.enter_context(self.remotes.fetched(address, keeps_git_directory=keeps_git))
        except (ValueError, OSError, errors.OperationFailed) as error:
            message = f"unable to fetch the build context {address}: {error}"
            raise errors.BuildError(message) from error
        if fetched.is_repository:
            return fetched.directory
        file = fetched.directory / fetched.name
        with open(file, "rb") as opened:
            if archive.is_archive(opened):
                return self._unpacked(file)
        # A text at a URL is a Dockerfile, and there is no other file.
        file.rename(fetched.directory / "Dockerfile")
        (fetched.directory / "Dockerfile").chmod(0o644)
        return fetched.directory

    def _unpacked(self, file: Path) -> Path:
        room = self.images.staging("context")
        self.stack.callback(shutil.rmtree, room, ignore_errors=True)
        top = room / "tree"
        durable.make_directory(top, 0o755)
        try:
            with open(file, "rb") as opened, Tree(top) as root:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
                opened.seek(0)
                # Owners in a context count for nothing, so nothing is given away here.
                mine = copy.Ownership(owner=(os.geteuid(), os.getegid()))
                archive.unpack(opened, copy.Writer(root, self.stop), "/", mine, digest=digest)
        except (ValueError, OSError) as error:
            message = f"unable to read the build context {file}: {error}"
            raise errors.BuildError(message) from error
        return top


def rules_of(directory: Path) -> IgnoreRules:
    """The ``.dockerignore`` of a context, else no rules."""
    try:
        with Tree(directory) as tree:
            content = tree.read(_IGNORE_FILE, limit=LARGEST_FILE)
        return ignore.parse("" if content is None else content.decode("utf-8", "surrogateescape"))
    except (ValueError, OSError) as error:
        message = f"{_IGNORE_FILE}: {error}"
        raise errors.BuildError(message) from error
