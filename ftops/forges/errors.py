"""Errors of Git hosting services, as a tree.

ForgeError                it can't be done; `status` is that of HTTP, 0 without a reply
├── Refused               the service refuses: no login, no permission, or nothing there
│   └── Gone              the object doesn't exist (any more)
├── TooLong               the text is longer than the service takes
├── Busy                  the service asks to wait longer than a command waits
└── Unanswered            no reply: it may have been done, or not
"""

from __future__ import annotations

from ftops.core.errors import FtopsError


class ForgeError(FtopsError):
    def __init__(self, summary: str, detail: str = "", hint: str = "", *, status: int = 0) -> None:
        super().__init__(summary, detail, hint)
        self.status = status


class Refused(ForgeError):
    pass


class Gone(Refused):
    pass


class TooLong(ForgeError):
    pass


class Busy(ForgeError):
    pass


class Unanswered(ForgeError):
    pass


def unnamed(what: str, title: str) -> ForgeError:
    """The error if a reply to a creation doesn't have the object that was created."""
    hint = "check the URL of the API, and whether a proxy answers in its place"
    return ForgeError(f"can't {what}", f"{title} doesn't say that it did: its answer has no id.", hint)
