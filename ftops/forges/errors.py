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
