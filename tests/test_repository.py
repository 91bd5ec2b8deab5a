"""What the repository says of itself is true: paths, commands and hooks exist, and the wheel is complete."""

from __future__ import annotations

import configparser
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ftops import __version__
from ftops.cli.command_table import COMMANDS
from tools.licenses import locked
from tools.release import problems

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "ftops"
GITHUB = ROOT / ".github"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
_TOP = frozenset(path.name for path in ROOT.iterdir()) - {"build"}  # `make` writes there


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def code(text: str) -> list[str]:
    """What stands in code spans, and the lines of code blocks without their comments."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.M | re.S)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))
    return [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()] + spans


def paths(words: list[str]) -> Iterator[str]:
    """The words that begin with something at the top of the repository; `.venv` is made, not kept."""
    for word in words:
        path = word.partition("::")[0].rstrip("/")
        if path.partition("/")[0] in _TOP and not path.startswith(".venv"):
            yield path


def targets() -> set[str]:
    written = re.findall(r"^(\S+):(?!=)", MAKEFILE, re.M)
    return {target.replace("$(VENV)", ".venv") for target in written}


# CONTRIBUTING.md


def test_paths_in_the_guide_exist() -> None:
    named = {*paths([word for line in code(GUIDE) for word in line.split()])}
    named |= {link.partition("#")[0] for link in re.findall(r"\]\((?!https:)([^)]+)\)", GUIDE)}
    assert len(named) > 40
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_sections_that_the_guide_links_to_exist() -> None:
    for page, anchor in re.findall(r"\]\(([\w./-]+)#([\w-]+)\)", GUIDE):
        headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(encoding="utf-8"), re.M)
        assert anchor in {heading.lower().replace(" ", "-") for heading in headings}, (page, anchor)


def test_commands_in_the_guide_exist() -> None:
    text = "\n".join(code(GUIDE))
    made = re.findall(r"\bmake ([\w./-]+)", text)
    assert {"test", "lint", ".venv/.dev"} <= {*made} <= targets()
    for command in re.findall(r"^ftops (\w+)", text, re.M):
        assert command in COMMANDS
    for module in re.findall(r"python -m ([\w.]+)", text):
        assert importlib.util.find_spec(module), module


@pytest.mark.parametrize("step", re.findall(r"^\d\. (`(?:ftops|tests)/.*(?:\n   .*)*)", GUIDE, re.M))
def test_names_in_the_guide_are_where_it_says(step: str) -> None:
    """A table or function that a step names is in one of the files that it names."""
    words = code(step)
    files = [ROOT / path for path in paths(words)]
    texts = [path.read_text(encoding="utf-8") for path in files if path.is_file()]
    texts += [path.read_text(encoding="utf-8") for folder in files for path in folder.rglob("*.py")]
    names = [word for word in words if re.fullmatch(r"_\w+|_?[A-Z]\w+", word)]
    assert [name for name in names if not any(re.search(rf"\b{name}\b", text) for text in texts)] == []


def test_every_package_is_in_the_guide() -> None:
    rows = re.findall(r"^\| `ftops/(\w+)` \|", GUIDE, re.M)
    assert sorted(rows) == sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists())


def test_the_readme_leads_to_the_guide() -> None:
    assert "(CONTRIBUTING.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


# Who reviews, what is asked


def owners() -> dict[str, list[str]]:
    lines = (GITHUB / "CODEOWNERS").read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    return {pattern: teams for pattern, *teams in rows}


def test_paths_with_owners_exist() -> None:
    for pattern, teams in owners().items():
        assert teams and all(re.fullmatch(r"@[\w-]+/[\w-]+", team) for team in teams), pattern
    patterns = [pattern for pattern in owners() if pattern != "*"]
    assert all(pattern.startswith("/") for pattern in patterns)
    assert [p for p in patterns if not (ROOT / p[1:]).exists()] == []
    assert [p for p in patterns if (ROOT / p[1:]).is_dir() is not p.endswith("/")] == []


def test_every_package_has_an_owner() -> None:
    packages = [path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()]
    assert [name for name in packages if f"/ftops/{name}/" not in owners()] == []


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_an_issue_form_is_well_formed(path: Path) -> None:
    form = loaded(path)
    assert form.keys() == {"name", "description", "labels", "body"}
    for part in form["body"]:
        assert part["type"] in {"markdown", "input", "textarea", "dropdown", "checkboxes"}
        assert part["attributes"].get("value" if part["type"] == "markdown" else "label")
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids))


def test_a_bug_report_asks_for_what_it_takes_and_warns_of_secrets() -> None:
    bug = loaded(GITHUB / "ISSUE_TEMPLATE" / "bug.yml")
    required = {part.get("id") for part in bug["body"] if part.get("validations", {}).get("required")}
    assert {"version", "commands"} <= required
    assert bug["body"][0]["type"] == "markdown" and "public" in bug["body"][0]["attributes"]["value"]
    (redacted,) = [part for part in bug["body"] if part.get("id") == "redacted"]
    assert all(option["required"] for option in redacted["attributes"]["options"])
    assert loaded(GITHUB / "ISSUE_TEMPLATE" / "config.yml")["blank_issues_enabled"] is False


# Tools of those who write code


def test_hooks_run_the_locked_tools() -> None:
    (repository,) = loaded(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        program = Path(hook["entry"].split()[0])
        assert hook["language"] == "system" and program.parent == Path(".venv/bin")
        assert program.name in locked("dev") and (Path(sys.executable).parent / program.name).exists()


def test_the_dev_container_is_pinned_and_made_by_make() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", container["image"])
    assert container["postCreateCommand"].removeprefix("make ") in targets()


def test_editors_break_lines_where_ruff_does() -> None:
    editors = configparser.ConfigParser()
    editors.read_string(f"[top]\n{(ROOT / '.editorconfig').read_text(encoding='utf-8')}")
    assert editors["*.py"].getint("max_line_length") == PROJECT["tool"]["ruff"]["line-length"]


def test_a_citation_says_what_the_package_says() -> None:
    citation = loaded(ROOT / "CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    same = ("title", "name"), ("license", "license"), ("abstract", "description"), ("keywords", "keywords")
    for theirs, ours in same:
        assert str(citation[theirs]).removesuffix(".") == str(PROJECT["project"][ours]).removesuffix("."), (
            ours
        )


# Releases


DATED = "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-01-31\n\n### Added\n\n- A thing.\n"


@pytest.mark.parametrize(
    ("tag", "changelog", "expected"),
    [
        ("v1.2.0", DATED, []),
        ("1.2.0", DATED, ["the tag is 1.2.0; it must be v1.2.0, as ftops/__init__.py has 1.2.0"]),
        ("v1.2.1", DATED, ["the tag is v1.2.1; it must be v1.2.0, as ftops/__init__.py has 1.2.0"]),
        ("v1.2.0", "## [Unreleased]\n", ["CHANGELOG.md has no heading `## [1.2.0] - YYYY-MM-DD`"]),
        ("v1.2.0", "## [1.2.0]\n", ["CHANGELOG.md has no heading `## [1.2.0] - YYYY-MM-DD`"]),
        (
            "v1.2.0",
            DATED.replace("1.2.0", "1x2.0"),
            ["CHANGELOG.md has no heading `## [1.2.0] - YYYY-MM-DD`"],
        ),
        ("v1.2.0", "## [1.2.0] - 2026-01-31\n\n## [1.1.0]\n- x\n", ["CHANGELOG.md says nothing about 1.2.0"]),
    ],
)
def test_a_release_agrees_with_itself(tag: str, changelog: str, expected: list[str]) -> None:
    assert problems(tag, "1.2.0", changelog) == expected


def test_a_wrong_tag_stops_a_release() -> None:
    command = [sys.executable, "-m", "tools.release", "v999.0.0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"the tag is v999.0.0; it must be v{__version__}" in done.stderr


def test_a_release_is_checked_before_it_is_built_and_attested_before_it_is_published() -> None:
    jobs = loaded(GITHUB / "workflows" / "release.yml")["jobs"]
    ran = [step["run"] for step in jobs["build"]["steps"] if "run" in step]
    assert ran[0] == 'python -m tools.release "$GITHUB_REF_NAME"'
    assert {line.split()[1] for line in ran[1:]} == {"dist", "sbom"} <= targets()
    assert (jobs["attest"]["needs"], jobs["publish"]["needs"]) == ("build", "attest")
    assert jobs["publish"]["environment"] == "pypi"


def test_the_wheel_has_every_file_of_the_package_and_runs(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        archive.extractall(unpacked)
    files = (path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    pages = [page for name in ("*.md", "recipes/*.md") for page in (ROOT / "docs").glob(name)]
    shipped = {path.relative_to(ROOT) for path in files} | {
        "ftops" / page.relative_to(ROOT) for page in pages
    }
    assert names == {path.as_posix() for path in shipped}
    assert {"ftops/schema.json", "ftops/catalog/models.yaml"} <= names
    expected = {"version": f"ftops {__version__}", "schema": '"title": "ftops spec"', "docs": "recipes/sweep"}
    for command, said in expected.items():
        run = [sys.executable, "-P", "-c", "import ftops.__main__ as m; print(m.__file__); m.main()", command]
        environment = {**os.environ, "PYTHONPATH": str(unpacked)}
        done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.startswith(str(unpacked)) and said in done.stdout


def test_pages_that_the_program_names_exist() -> None:
    texts = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")]
    named = {page for text in texts for page in re.findall(r"`ftops docs ([a-z/-]+)`", text)}
    assert {"catalog", "state"} <= named
    assert [page for page in sorted(named) if not (ROOT / "docs" / f"{page}.md").exists()] == []
