"""Error exit: the one place that prints errors and chooses the exit code."""

from __future__ import annotations

import os
from collections.abc import Callable

from ftops.cli.console import INTERRUPTED, OutputClosed, Screen
from ftops.cli.switches import DEBUG, is_on
from ftops.core.errors import Diagnostic, FtopsError


def ended(screen: Screen, work: Callable[[], int]) -> int:
    """The exit code of a command, whatever becomes of it. Prints every error; raises none."""
    try:
        return _guarded(screen, work)
    except OutputClosed:
        return 1
    finally:
        screen.close()


def _guarded(screen: Screen, work: Callable[[], int]) -> int:
    try:
        return work()
    except FtopsError as error:
        screen.fail(error.diagnostics, error.exit_code)
        return error.exit_code
    except KeyboardInterrupt:
        screen.fail([Diagnostic("interrupted")], INTERRUPTED)
        return INTERRUPTED
    except RecursionError:
        screen.fail(
            [Diagnostic("the spec or the data is nested too deeply", "", "flatten the spec or the data")], 1
        )
    except OutputClosed:
        raise
    except OSError as error:
        screen.fail([_system_diagnostic(error)], 1)
        _trace()
    except Exception as error:  # noqa: BLE001 - the last line of defence says that it is one
        screen.fail([bug_diagnostic(error)], 1)
        _trace()
    return 1


def _system_diagnostic(error: OSError) -> Diagnostic:
    where = f"{error.filename}: " if error.filename else ""
    return Diagnostic(f"{where}{error.strerror or error}", "", "set FTOPS_DEBUG=1 to see the traceback")


def bug_diagnostic(error: Exception) -> Diagnostic:
    """An exception that nothing expected: what and where, for a report."""
    place = "an unknown place"
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        place = f"{code.co_filename}:{trace.tb_lineno}, in {code.co_name}"
        trace = trace.tb_next
    return Diagnostic(
        f"this is a bug in ftops: {type(error).__name__}: {error}",
        f"It happened at {place}. All changes so far are recorded.",
        "run it again with FTOPS_DEBUG=1 and report the output",
    )


def _trace() -> None:
    if is_on(DEBUG, os.environ):
        import traceback

        traceback.print_exc()
