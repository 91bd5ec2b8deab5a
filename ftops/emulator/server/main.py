"""Starting and ending the server: arguments, its folder, its life.

One server per folder. It says where it is in one JSON line on stdout and in ``server.json``;
both have ``url, pid, api_key, subscription_id, resource_group, account, data``.
"""

from __future__ import annotations

import argparse
import errno
import gc
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from ftops.emulator.account.folder_ownership import Foreign, claim
from ftops.emulator.account.settings import TYPES, Settings, changed, tolerated

KEY_VARIABLE = "FTOPS_EMULATOR_KEY"
DEFAULT_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"


def run(argv: Sequence[str]) -> int:
    """Serve until told to end; the exit code."""
    options = _parser().parse_args(argv)
    # One core is enough for small matrices, and threads of BLAS would slow requests down.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.umask(0o077)  # what clients send may hold secrets
    folder = options.data.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # Imported here: --help need not load the server. Nothing of it is garbage, so why look.
    gc.disable()
    from ftops.emulator.server.process import AlreadyRunning, serve

    gc.freeze()
    gc.enable()
    try:
        claim(folder, trust=options.trust)
        return serve(folder, options, _settings(folder, options))
    except (AlreadyRunning, Foreign) as exc:
        return _refused(str(exc))
    except ValueError as exc:
        return _refused(f"bad settings: {exc}")
    except OSError as exc:
        where = f"port {options.port}: " if exc.errno == errno.EADDRINUSE else ""
        return _refused(f"{where}{exc}")


def _refused(message: str) -> int:
    sys.stderr.write(f"emulator: {message}\n")
    if not sys.stdout.isatty():
        sys.stdout.write(json.dumps({"error": message}) + "\n")
    return 1


def _settings(folder: Path, options: argparse.Namespace) -> Settings:
    from ftops.emulator.account.storage import read_json

    stored = tolerated(read_json(folder / "settings.json") or {})
    given = {name: getattr(options, name) for name in TYPES}
    return changed(stored, {name: value for name, value in given.items() if value is not None})


class _Parser(argparse.ArgumentParser):
    """Wrong usage exits with 1, as in every command; 2 means changes."""

    def error(self, message: str) -> NoReturn:
        self.exit(1, f"emulator: {message}\nSee ftops emulator --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ftops emulator",
        usage="ftops emulator [--data DIR] [--port PORT] [OPTIONS]",
        description="A stand-in for Azure OpenAI on 127.0.0.1: files, fine-tuning, deployments, "
        "chat; data plane and control plane.",
    )
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    parser.add_argument(
        "--data", type=Path, default=Path(".ftops", "emulator"), metavar="DIR",
        help="where everything is kept (default: .ftops/emulator, as a spec in this folder does)",
    )  # fmt: skip
    parser.add_argument(
        "--api-key",
        default=os.environ.get(KEY_VARIABLE) or None,
        help=f"the account's key; better in {KEY_VARIABLE}, as arguments can be seen by all users of the "
        "machine; by default made once per folder",
    )
    parser.add_argument("--subscription-id", default=DEFAULT_SUBSCRIPTION)
    parser.add_argument("--resource-group", default="rg-emulator")
    parser.add_argument("--account", default="emulator")
    parser.add_argument("--location", default="swedencentral")
    parser.add_argument(
        "--clock-rate", type=float, metavar="R", help="virtual seconds per second (default 1)"
    )
    parser.add_argument("--parent-pipe", action="store_true", help="end by itself after stdin was closed")
    parser.add_argument(
        "--linger", type=float, default=5.0, metavar="SECONDS",
        help="how long after the last request it then ends (default 5)",
    )  # fmt: skip
    parser.add_argument(
        "--idle", type=int, default=30, metavar="SECONDS",
        help="how long a connection may send nothing before it is closed (default 30)",
    )  # fmt: skip
    parser.add_argument("--trust", action="store_true", help="go on with a DIR that is a copy of your own")
    about = "Also settings.json in DIR, and PATCH /_emulator/settings; docs/emulator.md says what they mean."
    _add_settings(parser.add_argument_group("settings", about))
    return parser


def _add_settings(group: argparse._ArgumentGroup) -> None:
    defaults = Settings()
    for name, kind in TYPES.items():
        convert: Any = _boolean if kind is bool else kind
        alone: Any = {"nargs": "?", "const": True} if kind is bool else {}  # --strict is --strict true
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=convert,
            **alone,
            metavar=kind.__name__.upper(),
            help=f"default {getattr(defaults, name)}",
        )


def _boolean(text: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in words:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return words[text.lower()]
