"""Errors as the command line shows them: the message, without a trace, and an exit code."""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterable
from pathlib import Path

_REASONS = {
    errno.ENOENT: "no such file or folder",
    errno.EACCES: "no permission; check the owner and the mode of the file and its folder",
    errno.EPERM: "no permission; check the owner and the mode of the file and its folder",
    errno.EROFS: "the disk is read-only; give another path",
    errno.EISDIR: "a folder; expected a file",
    errno.ENOTDIR: "a part of this path is a file; expected a folder",
    errno.EEXIST: "a file or folder with this name exists already; give another path",
    errno.ENOSPC: "no space left on the disk; free some, or give a path on another disk",
    errno.EDQUOT: "the disk quota is used up; free some space, or give a path on another disk",
    errno.EFBIG: "the file is larger than this system allows; give a path on another disk",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "a loop of symbolic links",
}
"""What a path can be wrong with, by the system's error number."""


def path_error(error: OSError) -> str | None:
    """The message for an error of the file system; None for any other, which is not the user's mistake."""
    reason = _REASONS.get(error.errno or 0)
    if reason is None:
        return None
    if error.filename is None:
        return f"{reason} ({error})"
    path = Path(str(error.filename))
    if error.errno == errno.ENOENT and not path.parent.is_dir():
        return f"{path.parent}: no such folder; create it first, or give another path"
    return f"{_asked(path)}: {reason}"


def suggestion(message: str, names: Iterable[str]) -> str:
    """The question "Did you mean ...?" for a command that does not exist, else nothing."""
    unknown = re.search(r"No such command '(.+?)'", message)
    close = difflib.get_close_matches(unknown[1], names, n=2) if unknown else []
    return f" Did you mean {' or '.join(close)}?" if close else ""


def _asked(path: Path) -> Path:
    """The name that was asked for: files are written beside it as .NAME.partial first."""
    if path.name.startswith(".") and path.name.endswith(".partial"):
        return path.with_name(path.name[1 : -len(".partial")])
    return path
