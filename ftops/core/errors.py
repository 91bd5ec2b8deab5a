"""Errors: all expected errors, as one tree. A message says what is wrong, why it matters and what to do.

FtopsError                exit 1
├── SpecError             the spec is invalid; has every Diagnostic that was found
├── UsageError            the command line asks for something impossible
├── Blocked               exit 3: a protection or policy forbids the plan
├── StateError            the state can't be read, written or trusted
│   └── StateLocked       another run has locked it
└── ProviderError         what a provider may raise; it must not raise anything else
    ├── Temporary         a retry may succeed
    │   └── NoRoom        it will, when other objects of the account have ended
    └── Permanent         a retry would fail in the same way
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from ftops.core.plurals import plural

_TOO_MANY_REQUESTS = 429
"""As a number, because every command imports this module, and few need `http`."""


class Place(Struct, frozen=True, order=True):
    """A place in a text file. Lines and columns count from 1; `width` is in characters."""

    file: str
    line: int = 1
    column: int = 1
    text: str = ""
    """The line, without its end; empty if it isn't known."""
    width: int = 1
    """0: the line may contain a secret and is never shown."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def veiled(self) -> Place:
        """The same place, without its line."""
        return Place(self.file, self.line, self.column, width=0)


class Diagnostic(Struct, frozen=True):
    """One finding: what is wrong, why it matters, what to do, and where."""

    summary: str
    detail: str = ""
    hint: str = ""
    place: Place | None = None
    severity: str = "error"
    """`error`, `warning` or `note`."""
    rule: str = ""
    """The ID of the data rule that found it, such as `chat/no-assistant`."""
    path: str = ""
    """The path of the value within a line of data, such as `messages[2].content`."""

    @property
    def sort_key(self) -> tuple[str, int, int, bool, str]:
        """By place. Of several at one place, those that are about the whole file come last."""
        place = self.place or Place("")
        return (place.file, place.line, place.column, not place.text, self.summary)


class FtopsError(Exception):
    """An expected error. `detail` explains it, `hint` says what to do next, `place` is where it is caused."""

    exit_code = 1
    _found: tuple[Diagnostic, ...] = ()
    """The findings, if it stands for several."""

    def __init__(self, summary: str, detail: str = "", hint: str = "", place: Place | None = None) -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail
        self.hint = hint
        self.place = place

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return self._found or (Diagnostic(self.summary, self.detail, self.hint, self.place),)


class SpecError(FtopsError):
    """The spec is invalid. All findings, sorted by place."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self._found = tuple(sorted(diagnostics, key=lambda d: d.sort_key))
        super().__init__(f"the spec has {plural(len(self._found), 'error')}")


class UsageError(FtopsError):
    """The command line asks for something impossible."""


class Blocked(FtopsError):
    """A protection or policy forbids a plan."""

    exit_code = 3

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self._found = tuple(diagnostics)
        super().__init__(self._found[0].summary)


class StateError(FtopsError):
    """The state can't be read, written or trusted. `place`: of the setting that causes it."""


class StateLocked(StateError):
    """Another run has locked the state."""


class ProviderError(FtopsError):
    """What a provider may raise."""

    def __init__(
        self,
        summary: str,
        detail: str = "",
        hint: str = "",
        *,
        code: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(summary, detail, hint)
        self.code = code
        self.request_id = request_id


class GateHeld(FtopsError):
    """A gate didn't pass: the step isn't made, and nothing was called."""

    def __init__(self, summary: str, reasons: tuple[str, ...] = (), hint: str = "") -> None:
        super().__init__(summary, "; ".join(reasons), hint)
        self.reasons = reasons


class Temporary(ProviderError):
    """A retry may succeed.

    `retry_after` is in seconds, None if the service gave no time. `status` is that of HTTP, 0 without a
    reply. `effect_unknown`: the request may have taken effect without a reply, so the object must be searched
    for by its token before anything is created again."""

    def __init__(
        self,
        *texts: str,
        retry_after: float | None = None,
        status: int = 0,
        effect_unknown: bool = False,
        **more: str,
    ) -> None:
        super().__init__(*texts, **more)
        self.retry_after, self.status, self.effect_unknown = retry_after, status, effect_unknown

    @property
    def is_busy(self) -> bool:
        """Whether the service asks for fewer requests: others should wait as well."""
        return self.status == _TOO_MANY_REQUESTS or self.retry_after is not None


class NoRoom(Temporary):
    """The account has no room for another object of the kind until some of those in it have ended. Nothing
    was created."""


class Permanent(ProviderError):
    """A retry would fail in the same way."""
