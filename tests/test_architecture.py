"""Imports point down, and what is heavy is loaded only by those who need it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from pkgutil import resolve_name

import pytest
from msgspec.structs import asdict

from ftops.core.backend_types import BACKEND_TYPES
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import RESOURCE_TYPES

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "ftops"

LAYERS: tuple[frozenset[str], ...] = tuple(
    frozenset(row.split())
    for row in (
        "__main__",
        "cli",
        "views emulator",
        "session",
        "applying",
        "planning",
        "providers forges trackers",
        "state",
        "config",
        "generation",
        "evaluation",
        "dataset catalog",
        "yaml",
        "core",
    )
)
"""Packages from top to bottom. A module may import anything within its own package, and packages of the rows
below; not those beside it. Beside the packages there is only what starts them, so a new module has to find
its package first."""

HEAVY = (
    "openai",
    "azure",
    "deepdiff",
    "rich",
    "numpy",
    "starlette",
    "uvicorn",
    "httpx",
    "httpx2",
    "bpe_openai",
    "obstore",
    "cryptography",
)


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py"))


def part(path: Path) -> str:
    """The package that a file belongs to; `ftops/__init__.py` is `ftops` itself."""
    inside = path.relative_to(PACKAGE)
    return inside.parts[0].removesuffix(".py")


def rank(name: str) -> int:
    return next(number for number, row in enumerate(LAYERS) if name in row)


@cache
def imports_of(path: Path) -> frozenset[str]:
    """The modules that a file imports, anywhere in it, and with a dot what it imports from them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def imported(path: Path) -> set[str]:
    """Packages of ftops that a file imports from, anywhere in it."""
    return {name.split(".")[1] for name in imports_of(path) if name.startswith("ftops.")}


def libraries(path: Path) -> set[str]:
    """All packages that a file imports from, anywhere in it."""
    return {name.partition(".")[0] for name in imports_of(path)}


def test_every_module_is_in_a_package_of_a_row() -> None:
    known = frozenset().union(*LAYERS) | {"__init__"}
    assert {part(path) for path in modules()} <= known


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    own = part(path)
    if own == "__init__":
        assert imported(path) == set()
        return
    known = frozenset().union(*LAYERS)
    for other in imported(path) & known - {own}:
        assert rank(other) > rank(own), f"{path.name} ({own}) imports {other}, which is not below it"


def test_the_document_has_the_same_rows() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("| row | packages |")[2].partition("\n\n")[0]
    columns = [
        line.split("|")[2] for line in table.splitlines() if line.startswith("| ") and "---" not in line
    ]
    assert tuple(frozenset(re.findall(r"`(\w+)`", names)) for names in columns) == LAYERS


def test_the_document_names_modules_that_exist() -> None:
    """`planning.reuse` is a module, or a name in one: `config.config.Config`."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    packages = "|".join(sorted(frozenset().union(*LAYERS)))
    named = set(re.findall(rf"`((?:{packages})(?:\.\w+)+)`", text))
    files = {path.relative_to(PACKAGE).with_suffix("").as_posix() for path in modules()}
    known = {file.removesuffix("/__init__").replace("/", ".") for file in files}
    assert named
    assert {name for name in named if name not in known and name.rpartition(".")[0] not in known} == set()


def test_modules_import_each_other_in_no_circle() -> None:
    """While they are loaded; what a function imports when it is called is loaded later."""
    named = {
        ".".join(("ftops", *path.relative_to(PACKAGE).with_suffix("").parts)): path for path in modules()
    }
    named = {name.removesuffix(".__init__"): path for name, path in named.items()}
    imports: dict[str, set[str]] = {}
    for module, path in named.items():
        found = imports[module] = set()
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                full = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= {name if name in named else node.module for name in full} & named.keys()
    tuple(TopologicalSorter(imports).static_order())  # raises CycleError, which names the modules


def test_the_emulator_shares_only_the_count_of_tokens_with_ftops() -> None:
    for path in (PACKAGE / "emulator").rglob("*.py"):
        allowed = (
            "ftops.emulator",
            *(("ftops.dataset.profile.tokens",) if path.name == "billing.py" else ()),
        )
        others = {name for name in imports_of(path) if name.startswith("ftops.")}
        assert {name for name in others if not name.startswith(allowed)} == set(), path


@pytest.mark.parametrize("name", ["deepdiff"])
def test_deepdiff_is_known_in_one_place(name: str) -> None:
    users = [p for p in modules() if f"import {name}" in (t := p.read_text("utf-8")) or f"from {name}" in t]
    assert [str(p.relative_to(PACKAGE)) for p in users] == ["core/value_diff.py"]


@pytest.mark.parametrize("sdk", ["openai", "azure"])
def test_only_providers_know_the_sdks(sdk: str) -> None:
    assert {part(path) for path in modules() if sdk in libraries(path)} == {"providers"}


@pytest.mark.parametrize(
    ("library", "homes"),
    [("obstore", {"bucket_services.py"}), ("cryptography", {"encryption.py", "certificate.py"})],
)
def test_libraries_for_one_purpose_are_known_where_they_serve_it(library: str, homes: set[str]) -> None:
    assert {path.name for path in modules() if library in libraries(path)} == homes


@pytest.mark.parametrize(
    "module",
    [
        "ftops.session.session",
        "ftops.config.loader",
        "ftops.cli",
        "ftops.providers.azure.provider",
        "ftops.emulator",
    ],
)
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not set(HEAVY) & set(done.stdout.split())


FILES = {"confined_files.py", "private_files.py"}
"""What opens files: within the project and regular, or private and through no link."""
_OPENS = {"read_text", "read_bytes", "write_text", "write_bytes", "FileIO"}
_OWN_CHOICE = {
    "console.py": "the null device",
    "installation.py": "what an installer has written of the package",
    "account_import.py": "a file that was created just before",
    "uploads.py": "a file that was opened and hashed just before",
}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_are_opened_in_two_places(path: Path) -> None:
    """Elsewhere only with mode `x`, which follows no link, or with an opener."""
    if part(path) == "emulator" or path.name in FILES | _OWN_CHOICE.keys():
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        is_method = isinstance(node.func, ast.Attribute)
        assert not (is_method and name in _OPENS), f"{path}:{node.lineno}"
        texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        is_open = name == "open" and (not is_method or not node.args or texts)
        is_safe = any(text.startswith("x") for text in texts) or any(k.arg == "opener" for k in node.keywords)
        assert not is_open or is_safe, f"{path}:{node.lineno}"


def test_values_are_made_anew_by_msgspec() -> None:
    """`dataclasses.replace` and `asdict` refuse a Struct only when they run, which mypy does not see."""
    own = {"clients.py", "deployment_wire.py"}  # their values are dataclasses
    for path in modules():
        if part(path) != "emulator" and path.name not in own:
            assert not imports_of(path) & {"dataclasses.replace", "dataclasses.asdict"}, path


KINDS_AND_TYPES = {
    *RESOURCE_TYPES,
    *PROVIDER_TYPES,
    *(row.section for row in RESOURCE_TYPES.values()),
    *(name for name, row in BACKEND_TYPES.items() if row.opens),  # `local` is a provider's name as well
}
TABLES = {"core/resource_types.py", "core/provider_types.py", "core/backend_types.py"}
OTHER_TABLES = {
    "catalog/fields.py": "limits and models in a catalogue file, which has keys of these names",
    "catalog/reader.py": "a key of a catalogue file",
    "cli/command_table.py": "`emulator` is a command",
    "cli/foreign_terms.py": "`job` is a group of commands, and other tools have commands of these names",
    "cli/commands/import_.py": "the names of providers in a spec that it writes",
    "providers/azure/deployment_wire.py": "speaks to the service about deployments",
    "providers/azure/inspect.py": "limits of an account, which have these names",
    "providers/dataplane/dispatch.py": "what the data plane does with each kind",
    "views/spec_report/document.py": "a document with a list of each kind",
    "views/model_card.py": "keys of the metadata at Hugging Face, and a line about the job",
    "providers/memory.py": "the attributes that it invents for each kind",
}
"""Modules that have a row for some kind or type in a table of their own."""


def asked_names(node: ast.AST) -> set[str]:
    """The names of kinds, types and backends that a node compares with, looks up, or lists."""
    match node:
        case ast.Compare():
            parts: list[ast.expr] = [node.left, *node.comparators]
        case ast.Dict():
            parts = [key for key in node.keys if key is not None]
        case ast.Set() | ast.Tuple() | ast.List():
            parts = node.elts
        case ast.MatchValue():
            parts = [node.value]
        case ast.Call(func=ast.Attribute(attr="startswith" | "get" | "pop")):
            parts = node.args
        case ast.Subscript(slice=ast.Constant()):
            parts = [node.slice]
        case _:
            return set()
    constants = (inner.value for one in parts for inner in ast.walk(one) if isinstance(inner, ast.Constant))
    found = {value for value in constants if value in KINDS_AND_TYPES}
    is_a_list = isinstance(node, ast.Tuple | ast.List)
    return set() if is_a_list and len(found) == 1 else found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_branches_on_the_name_of_a_kind_or_provider_type(path: Path) -> None:
    """What is asked of a kind, a type or a backend is a field of its row."""
    if part(path) != "emulator" and str(path.relative_to(PACKAGE)) not in TABLES | OTHER_TABLES.keys():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert asked_names(node) == set(), f"{path}:{getattr(node, 'lineno', '')}"


def test_what_rows_name_can_be_loaded() -> None:
    for row in (*RESOURCE_TYPES.values(), *PROVIDER_TYPES.values(), *BACKEND_TYPES.values()):
        for value in asdict(row).values():
            if isinstance(value, str) and value.startswith("ftops.") and ":" in value:
                assert callable(resolve_name(value))
