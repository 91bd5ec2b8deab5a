"""Console: writes text or JSON, coloured or plain. The only module that writes to a stream."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TextIO

from ftops.cli.diagnostics import fitted, with_lines
from ftops.core.address import Json
from ftops.core.errors import Diagnostic, FtopsError, UsageError
from ftops.views import diagnostics as diagnostics_view
from ftops.views.paint import Painter, clean_json, clean_lines, wants_color

HELD = 5
"""The exit code if a gate or --fail-if holds a model back."""
INTERRUPTED = 130
STREAMING = frozenset({"apply", "destroy", "promote", "rollback"})
"""Commands whose JSON is a line for each event instead of one document."""


class OutputClosed(Exception):
    """The program that reads the output has exited."""


class Screen:
    """Standard output and standard error of one command."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._out = _ready(sys.stdout)
        self._err = _ready(sys.stderr)
        self.command = ""
        self.words: tuple[str, ...] = ()
        """The words of the command line that name the spec, for commands in hints."""
        self.is_untrusted = False
        self.json = _asks_for_json(argv)
        self.markdown = False
        self.format = ""
        """The value of -o; empty if it wasn't given."""
        self.report = ""
        """The format of a report of the findings, which is all that is printed then."""
        self.keeps_going = False
        """Output that can't be written is dropped, so that a run doesn't end because nobody reads it."""
        self.use_color(no_color="--no-color" in argv)

    def use_color(self, *, no_color: bool) -> None:
        self.paint = Painter(wants_color(self._environ, self.is_terminal, no_color))
        self._paint_err = Painter(wants_color(self._environ, self._err.isatty(), no_color))

    @property
    def is_terminal(self) -> bool:
        return self._out.isatty()

    @property
    def width(self) -> int | None:
        """Columns of the terminal; None where lines may have any length."""
        return self._columns(self._out) if self.is_terminal else None

    @property
    def has_braille(self) -> bool:
        """Whether the terminal shows braille characters, as far as can be told: that of Linux has none."""
        return _is_utf8(self._out) and self._environ.get("TERM") not in ("linux", "dumb")

    @property
    def is_live(self) -> bool:
        """Whether lines can be redrawn."""
        is_text = not (self.json or self.markdown)
        return self.is_terminal and is_text and self._environ.get("TERM") not in (None, "", "dumb")

    @property
    def is_interactive(self) -> bool:
        """Whether the user can be asked."""
        is_for_people = not (self.json or self.markdown)
        return is_for_people and sys.stdin is not None and sys.stdin.isatty()

    def text(self, text: str) -> None:
        """For people, folded to the terminal's width. Lines need their line ends."""
        self._write(self._out, self._folded(clean_lines(text), self._out))

    def whole(self, text: str) -> None:
        """For people, to be copied: lines aren't folded."""
        self._write(self._out, clean_lines(text))

    def paged(self, text: str) -> None:
        """For people on a terminal, who leaf through it with their pager: in colours if that shows them."""
        import click

        os.environ.setdefault("LESS", "-FRX")  # click passes colours to less alone, and only with -R
        click.echo_via_pager(clean_lines(text), color=None if self.paint.on else False)

    def raw(self, text: str) -> None:
        """For programs: unchanged, unless it goes to a terminal."""
        self._write(self._out, clean_lines(text) if self.is_terminal else text)

    def result(
        self,
        document: Callable[[], Mapping[str, Json]],
        lines: Callable[[], Iterable[str]],
        *,
        whole: bool = False,
    ) -> int:
        """The result of a command: a JSON document, or lines for people, which aren't folded if `whole`.
        Returns the exit code 0."""
        if self.json:
            self.document({"format_version": 1, **document()})
        elif whole:
            self.whole("".join(f"{line}\n" for line in lines()))
        else:
            self.lines(lines())
        return 0

    def lines(self, lines: Iterable[str]) -> None:
        """For people, without line ends."""
        self.text("".join(f"{line}\n" for line in lines))

    @property
    def height(self) -> int:
        """The lines that a terminal has room for, above the cursor. Only if `is_live`."""
        return max(1, os.get_terminal_size(self._out.fileno()).lines - 1)

    def redrawn(self, lines: Sequence[str], before: int) -> int:
        """Lines in place of the `before` lines that were drawn last, as many as the terminal has room for.
        Only if `is_live`. Returns their number."""
        text = self._folded(clean_lines("".join(f"{line}\n" for line in lines)), self._out)
        shown = "".join(text.splitlines(keepends=True)[: self.height])
        up = f"\x1b[{before}A" if before else ""
        self._write(self._out, f"{up}\r\x1b[J{shown}")
        return shown.count("\n")

    def document(self, document: Mapping[str, Json]) -> None:
        """The one JSON document of a command."""
        self._write(self._out, self._json(document, indent=2))

    def line(self, document: Mapping[str, Json]) -> None:
        """One JSON line of many."""
        self._write(self._out, self._json(document, indent=None))

    def note(self, text: str) -> None:
        """For people, on standard error; nothing in JSON."""
        if not self.json:
            self._write(self._err, self._folded(clean_lines(text), self._err))

    def warn(self, diagnostics: Sequence[Diagnostic]) -> None:
        """Findings in addition to a result. In JSON the document of the command contains them."""
        if self.report:
            return  # the command reports them
        diagnostics = self._completed(diagnostics)
        if not self.json:
            self._write(self._err, self._drawn(diagnostics))
        elif self.command in STREAMING:
            for diagnostic in diagnostics:
                self.line({"event": "diagnostic", **diagnostics_view.to_json(diagnostic)})

    def findings(self, diagnostics: Sequence[Diagnostic], exit_code: int) -> None:
        """The preflight findings of a plan. In JSON the document of the plan contains them."""
        if diagnostics and not self.json:
            self._write(self._err, "\n")
            self.fail(diagnostics, exit_code)

    def fail(self, diagnostics: Sequence[Diagnostic], exit_code: int, **more: Json) -> None:
        """The errors of a command that fails. In JSON, its document or last line."""
        if self.report:
            self.reported(diagnostics)
            return
        diagnostics = self._completed(diagnostics)
        if not self.json:
            if exit_code == INTERRUPTED and self._err.isatty():
                self._write(self._err, "\n")  # after the ^C that the terminal shows
            count = diagnostics_view.count(diagnostics)
            self._write(self._err, self._drawn(diagnostics) + (f"{count}\n" if count else ""))
        elif self.command in STREAMING:
            self.warn(diagnostics)
            self.line({"event": "result", "result": "error", "exit_code": exit_code})
        else:
            found: list[Json] = [diagnostics_view.to_json(d) for d in diagnostics]
            self.document({"format_version": 1, **more, "exit_code": exit_code, "diagnostics": found})

    def reported(self, diagnostics: Sequence[Diagnostic]) -> None:
        """The findings in the format of a CI system."""
        from ftops.cli.repository import folder_in_repository
        from ftops.views.annotations import REPORTS

        self.raw(REPORTS[self.report](self._completed(diagnostics), folder_in_repository(self._environ)))

    def approve(
        self,
        question: str,
        what: str = "this",
        hint: str = "run with -y, or with --dry-run to see what would change",
        warning: str = "",
    ) -> bool:
        """Whether the user says yes. Raises UsageError with this hint if there is no terminal to ask."""
        if not self.is_interactive:
            raise UsageError(
                f"{what} needs approval, and there is no terminal to ask for it",
                "standard input isn't a terminal, or the output isn't text.",
                hint,
            )
        self.text(f"{warning}{self.paint(f'{question} Only `yes` is accepted: ', 'bold')}")
        answer = sys.stdin.readline().strip()
        self.text("\n")
        if answer != "yes":
            self.note("Cancelled. Nothing was changed.\n")
        return answer == "yes"

    def ask(self, question: str) -> str | None:
        """The line that the user types, without blanks around it; None if they end the input. Only if
        `is_interactive`."""
        self.text(self.paint(question, "bold"))
        line = sys.stdin.readline()
        if not line:
            self.text("\n")
        return line.strip() if line else None

    def counter(self, label: str) -> Callable[[int, int], None]:
        """A progress line that is removed at the end; only on a terminal."""
        if self.json or not self._err.isatty() or self._environ.get("TERM") == "dumb":
            return lambda done, total: None

        def show(done: int, total: int) -> None:
            if done < total and done % max(1, total // 100):
                return
            text = "" if done == total else f"{label} {done:,} of {total:,}…"
            self._write(self._err, f"\r\x1b[K{text}")

        return show

    def close(self) -> None:
        """Flushes. A closed stream is silenced, so that Python doesn't fail when it exits."""
        for stream in (self._out, self._err):
            try:
                stream.flush()
            except (OSError, ValueError):
                _silence(stream)

    def _folded(self, text: str, stream: TextIO) -> str:
        """As it is if it is for programs, or may have lines of any length."""
        columns = self._columns(stream)
        if columns is None or self.markdown or self.format not in ("", "text"):
            return text
        from ftops.views.folding import folded

        return folded(text, columns)

    def _columns(self, stream: TextIO) -> int | None:
        """Those of a terminal, COLUMNS taking precedence; None if it isn't one."""
        try:
            found = os.get_terminal_size(stream.fileno()).columns if stream.isatty() else None
        except (OSError, ValueError):
            return None
        if found is None:
            return None
        wished = self._environ.get("COLUMNS", "")
        return int(wished) if wished.isdecimal() and int(wished) else found or None

    def _completed(self, diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
        return fitted(with_lines(diagnostics), self.words, is_untrusted=self.is_untrusted)

    def _drawn(self, diagnostics: Sequence[Diagnostic]) -> str:
        drawn = diagnostics_view.draw(diagnostics, self._paint_err, self._columns(self._err))
        return f"{self._folded(drawn, self._err)}\n" if drawn else ""

    def _json(self, document: Mapping[str, Json], indent: int | None) -> str:
        ascii_only = not _is_utf8(self._out)
        text = json.dumps(document, indent=indent, ensure_ascii=ascii_only) + "\n"
        return clean_json(text) if self.is_terminal else text

    def _write(self, stream: TextIO, text: str) -> None:
        if not text:
            return
        try:
            stream.write(text)
            stream.flush()
        except OSError as error:
            _silence(stream)
            if self.keeps_going:
                return
            if error.errno in (errno.EPIPE, errno.EINVAL, errno.EBADF):
                raise OutputClosed from error
            hint = "check the disk or pipe that the output is written to"
            raise FtopsError(f"can't write the output: {error.strerror}", "", hint) from error


def _ready(stream: TextIO | None) -> TextIO:
    """A stream that spells out or escapes characters that its encoding lacks."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - for the whole process
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
        if not _is_utf8(stream):
            reconfigure(errors=_spelled_out())
    return stream


def _is_utf8(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "") == "utf8"


def _spelled_out() -> str:
    """The name of an error handler for encodings that lack our symbols."""
    import codecs

    from ftops.views.paint import IN_ASCII

    def spell(error: UnicodeError) -> tuple[str | bytes, int]:
        if isinstance(error, UnicodeEncodeError) and (known := IN_ASCII.get(error.object[error.start])):
            return known, error.start + 1
        return codecs.backslashreplace_errors(error)

    codecs.register_error("ftops", spell)
    return "ftops"


def _silence(stream: TextIO) -> None:
    """Further output of this stream goes nowhere."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


def _asks_for_json(argv: Sequence[str]) -> bool:
    """Known before the command line is parsed, so that usage errors are JSON too."""
    separate = any(flag in ("-o", "--output") and value == "json" for flag, value in pairwise(argv))
    return separate or "-ojson" in argv or "--output=json" in argv
