"""Command line of the emulator: arguments, settings, exit code.

There is one server for each folder. It writes its URL, pid, key and names in a line of JSON to stdout and to
``server.json``.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from ftops.emulator.account.folder_ownership import ForeignFolder, claim
from ftops.emulator.account.settings import HELP, TYPES, Settings, changed, from_file
from ftops.emulator.account.storage import read_json

KEY_VARIABLE = "FTOPS_EMULATOR_KEY"
DEFAULT_TENANT = "00000000-0000-0000-0000-000000000001"
DEFAULT_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"


def run(argv: Sequence[str]) -> int:
    """Serve until stopped. Returns the exit code."""
    options = _parser().parse_args(argv)
    # One core is enough for small matrices; more threads of BLAS would slow requests down.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.umask(0o077)  # requests may contain secrets
    folder = options.data.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # Imported here: --help doesn't need the server. Without the collector, as nothing in it is garbage.
    gc.disable()
    from ftops.emulator.server.process import AlreadyRunning, serve

    gc.freeze()
    gc.enable()
    try:
        claim(folder, trust=options.trust)
        if options.allow_python_graders and (why := _unconfined()):
            return _refused(why)
        return serve(folder, options, _settings(folder, options))
    except (AlreadyRunning, ForeignFolder) as exc:
        return _refused(str(exc))
    except ValueError as exc:
        return _refused(f"bad settings: {exc}")
    except OSError as exc:
        return _refused(str(exc))


def _unconfined() -> str:
    """Why code of graders could do harm on this machine; empty if it can't."""
    from ftops.emulator.grading.python_code import refusal

    why = refusal()
    needs = "It needs Linux 5.12 or later, and user namespaces without privileges: `ftops docs emulator`."
    return f"--allow-python-graders: this machine can't isolate their code ({why}). {needs}" if why else ""


def _refused(message: str) -> int:
    sys.stderr.write(f"emulator: {message}\n")
    if not sys.stdout.isatty():
        sys.stdout.write(json.dumps({"error": message}) + "\n")
    return 1


def _settings(folder: Path, options: argparse.Namespace) -> Settings:
    flags = {name: getattr(options, name) for name in TYPES}
    stored = from_file(read_json(folder / "settings.json") or {})
    return changed(stored, {name: value for name, value in flags.items() if value is not None})


class _Parser(argparse.ArgumentParser):
    """Exits with 1 for wrong usage, as every command does: 2 means changes."""

    def error(self, message: str) -> NoReturn:
        self.exit(1, f"emulator: {message}\nSee ftops emulator --help\n")


_NAMES = {
    "--tenant-id": DEFAULT_TENANT,
    "--subscription-id": DEFAULT_SUBSCRIPTION,
    "--resource-group": "rg-emulator",
    "--account": "emulator",
    "--location": "swedencentral",
}
"""What the account is called, and where it is, if it isn't said."""


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ftops emulator",
        usage="ftops emulator [--data DIR] [--port PORT] [OPTIONS]",
        description="Emulates Azure OpenAI on 127.0.0.1: files, fine-tuning, deployments and chat; data "
        "plane and control plane.",
    )
    parser.add_argument("--port", type=int, default=0, help="default: a free port")
    parser.add_argument(
        "--tls", type=int, nargs="?", const=0, metavar="PORT",
        help="also serve HTTPS on a second port (default: a free one); clients have to trust DIR/ca.pem",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, default=Path(".ftops", "emulator"), metavar="DIR",
        help="folder for all data (default: .ftops/emulator, as for a spec in this folder)",
    )  # fmt: skip
    parser.add_argument(
        "--api-key",
        default=os.environ.get(KEY_VARIABLE) or None,
        help=f"the account's key (default: created once for each folder); better set {KEY_VARIABLE}, because "
        "all users of the machine can see arguments",
    )
    for option, default in _NAMES.items():
        parser.add_argument(option, default=default)
    parser.add_argument(
        "--clock-rate", type=float, metavar="R", help="virtual seconds per real second (default: 1)"
    )
    parser.add_argument("--parent-pipe", action="store_true", help="exit after stdin is closed")
    parser.add_argument(
        "--linger", type=float, default=5.0, metavar="SECONDS",
        help="how long after the last request it then exits (default: 5)",
    )  # fmt: skip
    parser.add_argument(
        "--idle", type=int, default=30, metavar="SECONDS",
        help="close a connection after this time without data (default: 30)",
    )  # fmt: skip
    parser.add_argument("--trust", action="store_true", help="accept a DIR that is a copy of your own")
    parser.add_argument(
        "--allow-python-graders", action="store_true",
        help="run the code of python graders, which requests contain, isolated from this machine (Linux)",
    )  # fmt: skip
    parser.add_argument(
        "--allow-remote-graders", action="store_true",
        help="let endpoint graders be on other hosts than this machine",
    )  # fmt: skip
    _add_settings(parser)
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """An option for each setting of the emulated account."""
    about = (
        "Also in DIR/settings.json, which is read at the start, under `settings` of a provider in a spec, "
        "and by PATCH /_emulator/settings. Durations are in virtual seconds."
    )
    group = parser.add_argument_group("settings", about)
    for name, kind in TYPES.items():
        options: Any = {"type": kind}
        if kind is bool:  # --strict is short for --strict true
            options = {"type": _boolean, "nargs": "?", "const": True}
        group.add_argument(
            f"--{name.replace('_', '-')}",
            **options,
            metavar=kind.__name__.upper(),
            help=f"{HELP[name]} (default: {getattr(Settings(), name)})",
        )


def _boolean(text: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in words:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return words[text.lower()]
