"""Everything ftops can refuse, as one tree. A message says what is wrong, why it matters and what to do.

FtopsError                exit 1
├── SpecError             the spec is not valid; carries every Diagnostic that was found
├── UsageError            the command line asks for something that cannot be
├── Blocked               exit 3: protection or policy stands in the way
├── StateError            the state can't be read, written or trusted
│   └── StateLocked       somebody else is at work on it
└── ProviderError         what a provider may raise; nothing else may leave one
    ├── Temporary         worth another try, after a while
    └── Permanent         another try would fail in the same way
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class Place(Struct, frozen=True, order=True):
    """A place in a text file. Lines and columns count from 1; `width` is in characters."""

    file: str
    line: int = 1
    column: int = 1
    text: str = ""
    """The line itself, without its end; empty where it is not known."""
    width: int = 1
    """0: a secret may stand there, and the line is shown nowhere."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def veiled(self) -> Place:
        """The same, and its line is shown nowhere."""
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
    """The id of the rule that found it, such as `chat/no-assistant`; empty where it has none."""
    path: str = ""
    """The way to the value within its line, such as `messages[2].content`; empty outside of data."""

    @property
    def sort_key(self) -> tuple[str, int, int, str]:
        place = self.place or Place("")
        return (place.file, place.line, place.column, self.summary)


class FtopsError(Exception):
    """An expected refusal. `detail` explains, `hint` says what to do next."""

    exit_code = 1

    def __init__(self, summary: str, detail: str = "", hint: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail
        self.hint = hint

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return (Diagnostic(self.summary, self.detail, self.hint),)


class SpecError(FtopsError):
    """The spec is not valid. All findings of the run, sorted by place."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self._diagnostics = tuple(sorted(diagnostics, key=lambda d: d.sort_key))
        count = len(self._diagnostics)
        super().__init__(f"the spec has {count} error{'s' if count != 1 else ''}")

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return self._diagnostics


class UsageError(FtopsError):
    """The command line asks for something that cannot be."""


class Blocked(FtopsError):
    """Protection or policy stands in the way of a plan."""

    exit_code = 3

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self._diagnostics = tuple(diagnostics)
        super().__init__(self._diagnostics[0].summary)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return self._diagnostics


class StateError(FtopsError):
    """The state can't be read, written or trusted. `place` is that of the setting that it is about."""

    def __init__(self, summary: str, detail: str = "", hint: str = "", place: Place | None = None) -> None:
        super().__init__(summary, detail, hint)
        self.place = place

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return (Diagnostic(self.summary, self.detail, self.hint, self.place),)


class StateLocked(StateError):
    """Somebody else is at work on this state."""


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


class Temporary(ProviderError):
    """Worth another try.

    `retry_after` is in seconds, None where the service named no time. `effect_unknown` is True when
    the request may have taken effect although no reply came: the object has to be looked for by its
    token before anything is created again.
    """

    def __init__(
        self,
        summary: str,
        detail: str = "",
        hint: str = "",
        *,
        code: str = "",
        request_id: str = "",
        retry_after: float | None = None,
        effect_unknown: bool = False,
    ) -> None:
        super().__init__(summary, detail, hint, code=code, request_id=request_id)
        self.retry_after = retry_after
        self.effect_unknown = effect_unknown


class Permanent(ProviderError):
    """Another try would fail in the same way."""
