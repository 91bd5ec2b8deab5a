"""What a checkout names stays inside of its project: nothing outside is read, printed, written or deleted."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from tests.golden.cli import SPEC, Done, Folder, examples
from tests.security.canaries import WORD, Canaries
from tests.support.command import FTOPS, run

COMMANDS = (("validate",), ("plan", "--offline"), ("apply", "-y"), ("destroy", "-y"))
Plant = Callable[[Path, Path], object]
"""What somebody has put into the project. Takes the project and the folder of the canaries."""


def ftops(folder: Path, *argv: str, environ: Mapping[str, str] | None = None) -> Done:
    """The real command."""
    done = run([*FTOPS, *argv], folder, environ, stdin=subprocess.DEVNULL)
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project" / ".git").mkdir(parents=True)
    Folder.make(tmp_path / "project" / "spec")
    return tmp_path / "project"


@pytest.fixture
def canaries(tmp_path: Path) -> Iterator[Canaries]:
    made = Canaries(tmp_path / "outside")
    made.file("data.jsonl", examples(12))
    made.file("spec.yaml", f"datasets: {{{WORD}: {{path: data.jsonl}}}}\n")
    made.file("secrets.yaml", f"password: {WORD}: x\n")
    made.file("bashrc")
    made.file("state/drone/default.json", "{}")
    yield made
    made.close()


def edit(project: Path, old: str, new: str) -> bool:
    Folder(project / "spec").edit(old, new)
    return True


def link(project: Path, name: str, target: Path) -> bool:
    place = project / name
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)
    return True


def settings(project: Path, text: str) -> bool:
    return edit(project, "ftops: {name: drone}", f"ftops: {{name: drone, {text}}}")


NAMED: Mapping[str, tuple[str, Plant]] = {
    "data with dots": (
        "spec/ftops.yaml:13:",
        lambda p, _: edit(p, "data/train.jsonl", "../../outside/data.jsonl"),
    ),
    "data by an absolute path": (
        "spec/ftops.yaml:13:",
        lambda p, o: edit(p, "data/train.jsonl", str(o / "data.jsonl")),
    ),
    "data through a link": (
        "spec/ftops.yaml:13:",
        lambda p, o: link(p, "spec/data/train.jsonl", o / "data.jsonl"),
    ),
    "data through a folder": (
        "spec/ftops.yaml:13:",
        lambda p, o: (link(p, "spec/far", o), edit(p, "data/train.jsonl", "far/data.jsonl")),
    ),
    "a pattern in another folder": (
        "spec/ftops.yaml:13:",
        lambda p, o: (link(p, "spec/far", o), edit(p, "data/train.jsonl", '"far/*.jsonl"')),
    ),
    "a pattern with dots": (
        "spec/ftops.yaml:13:",
        lambda p, _: edit(p, "data/train.jsonl", '"data/*/../../../../outside/*.jsonl"'),
    ),
    "a pattern that names a link": (
        "spec/ftops.yaml:13:",
        lambda p, o: (
            link(p, "spec/data/more.jsonl", o / "data.jsonl"),
            edit(p, "data/train.jsonl", '"data/*.jsonl"'),
        ),
    ),
    "a pattern that goes through a link": (
        "spec/ftops.yaml:13:",
        lambda p, o: (link(p, "spec/data/far", o), edit(p, "data/train.jsonl", '"data/*/*.jsonl"')),
    ),
    "a file of the spec": ("more.yaml", lambda p, o: link(p, "spec/more.yaml", o / "spec.yaml")),
    "the spec itself": ("ftops.yaml", lambda p, o: link(p, "spec/ftops.yaml", o / "spec.yaml")),
    "a catalogue": (
        "ftops.catalog.yaml",
        lambda p, o: link(p, "ftops.catalog.yaml", o / "spec.yaml"),
    ),
    "the state by dots": ("spec/ftops.yaml:1:", lambda p, _: settings(p, "state: {path: ../outside/state}")),
    "the state by an absolute path": (
        "spec/ftops.yaml:1:",
        lambda p, o: settings(p, f"state: {{path: {o / 'state'}}}"),
    ),
    "the state through a link": ("state", lambda p, o: link(p, "state", o / "state")),
    "the state of the spec": ("state/drone", lambda p, o: link(p, "state/drone", o / "state" / "drone")),
    "a snapshot": ("default.json", lambda p, o: link(p, "state/drone/default.json", o / "bashrc")),
    "a journal": ("default.journal", lambda p, o: link(p, "state/drone/default.journal", o / "bashrc")),
    "a lock": ("default.lock", lambda p, o: link(p, "state/drone/default.lock", o / "bashrc")),
    "an audit log": (
        "default.audit.jsonl",
        lambda p, o: link(p, "state/drone/default.audit.jsonl", o / "bashrc"),
    ),
    "a history": ("default.history", lambda p, o: link(p, "state/drone/default.history", o / "state")),
    "the cache of the state": ("datasets.json", lambda p, o: link(p, "state/.cache", o)),
    "the key": (
        "spec/ftops.yaml:1:",
        lambda p, _: settings(p, "state: {encryption: {key_file: ../outside/bashrc}}"),
    ),
    "the key through a link": (
        "spec/ftops.yaml:1:",
        lambda p, o: (
            link(p, "key", o / "bashrc"),
            settings(p, "state: {encryption: {key_file: key}}"),
        ),
    ),
    "the emulator's data": (
        "spec/ftops.yaml:4:",
        lambda p, _: edit(p, "m: {type: memory}", "m: {type: emulator, data: ../outside/cloud}"),
    ),
    "ftops' own folder": (".ftops", lambda p, o: link(p, ".ftops", o)),
    "what keeps it out of Git": (".gitignore", lambda p, o: link(p, ".ftops/.gitignore", o / "bashrc")),
    "what keeps it out of Git, to a new file": (
        ".gitignore",
        lambda p, o: link(p, ".ftops/.gitignore", o / "new"),
    ),
}


@pytest.mark.parametrize(("place", "plant"), NAMED.values(), ids=NAMED.keys())
def test_what_a_checkout_names_outside_is_refused(
    project: Path, canaries: Canaries, place: str, plant: Plant
) -> None:
    plant(project, canaries.folder)
    for argv in (("validate",), ("plan", "--offline"), ("apply", "-y")):
        done = ftops(project, *argv, "spec")
        assert done.code == 1, done
        assert place in done.err, done.err
        assert "Traceback" not in done.err and "bug in ftops" not in done.err
        assert WORD not in done.out + done.err
        canaries.assert_untouched()


@pytest.mark.parametrize(
    "plant",
    [
        lambda p, _: edit(p, "data/train.jsonl", "../../outside/data.jsonl"),
        lambda p, o: link(p, "spec/data/train.jsonl", o / "data.jsonl"),
        lambda p, o: settings(p, f"state: {{path: {o / 'new'}}}"),
        lambda p, o: link(p, "spec/more.yaml", o / "environments.yaml"),
    ],
    ids=["data", "data through a link", "state", "a file of the spec"],
)
def test_the_environment_lets_a_folder_in(project: Path, canaries: Canaries, plant: Plant) -> None:
    canaries.file("environments.yaml", "environments: {prod: {}}\n")
    plant(project, canaries.folder)
    allowed = os.pathsep.join(("/nowhere", str(canaries.folder)))
    done = ftops(project, "apply", "-y", "spec", environ={"FTOPS_ALLOW_OUTSIDE": allowed})
    assert done.code == 0, done
    elsewhere = str(project.parent / "else")
    assert ftops(project, "plan", "spec", environ={"FTOPS_ALLOW_OUTSIDE": elsewhere}).code == 1
    for command in ("validate", "plan"):
        done = ftops(project, command, "--untrusted", "spec", environ={"FTOPS_ALLOW_OUTSIDE": allowed})
        assert done.code == 1, done
        assert "remove --untrusted" in " ".join(done.err.split())


@pytest.mark.parametrize(
    ("entry", "why"),
    [("../outside", "its path isn't absolute"), ("/there/is/none", "there is no such folder")],
)
def test_an_entry_that_lets_nothing_in_is_told(
    project: Path, canaries: Canaries, entry: str, why: str
) -> None:
    edit(project, "data/train.jsonl", "../../outside/data.jsonl")
    allowed = os.pathsep.join((str(project), entry))
    for command in ("validate", "plan"):
        done = ftops(project, command, "spec", environ={"FTOPS_ALLOW_OUTSIDE": allowed})
        assert done.code == 1, done
        assert f"`{entry}` in it has no effect: {why}" in " ".join(done.err.split())
        untrusted = ftops(project, command, "--untrusted", "spec", environ={"FTOPS_ALLOW_OUTSIDE": allowed})
        assert "has no effect" not in untrusted.err


def test_a_link_that_is_planted_later_is_refused_too(project: Path, canaries: Canaries) -> None:
    """What was made of the spec is kept, and not read again."""
    assert ftops(project, "plan", "spec").code == 0
    link(project, "spec/data/train.jsonl", canaries.folder / "data.jsonl")
    done = ftops(project, "plan", "spec")
    assert done.code == 1 and "spec/ftops.yaml:13:" in done.err
    canaries.assert_untouched()


def test_links_within_the_project_are_followed(project: Path) -> None:
    (project / "shared").mkdir()
    shutil.move(project / "spec" / "data" / "train.jsonl", project / "shared" / "train.jsonl")
    link(project, "spec/data/train.jsonl", project / "shared" / "train.jsonl")
    (project / "states").mkdir()
    link(project, "state", project / "states")
    assert ftops(project, "apply", "-y", "spec").code == 0
    assert (project / "states" / "drone" / "default.json").is_file()


def test_a_project_below_a_link_is_whole(tmp_path: Path, project: Path) -> None:
    (tmp_path / "way").symlink_to(project)
    assert ftops(tmp_path / "way", "apply", "-y", "spec").code == 0
    assert "No changes" in ftops(tmp_path, "plan", "way/spec/ftops.yaml").out


def test_what_the_command_line_names_may_be_anywhere(project: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "vars.yaml").write_text("capacity: 7\n")
    (tmp_path / "link").symlink_to(project / "spec" / "ftops.yaml")
    saved = tmp_path / "elsewhere" / "plan"
    options = ("--var-file", str(tmp_path / "elsewhere" / "vars.yaml"))
    assert ftops(project, "plan", "spec", *options, "--out", str(saved)).code == 0
    assert ftops(project, "apply", str(saved), *options).code == 0
    assert "7" in ftops(project, "state", "show", "deployment.base", "spec").out
    catalogue = tmp_path / "elsewhere" / "catalogue.yaml"
    catalogue.write_text("format_version: 1\n")
    assert ftops(project, "plan", "spec", environ={"FTOPS_CATALOG": str(catalogue)}).code == 0
    assert ftops(tmp_path / "elsewhere", "fmt", "--check", "../link").code == 0


def _bind(path: Path) -> None:
    """Its own name is too long for a socket."""
    here = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{here}/{path.name}")
    finally:
        os.close(here)


SPECIAL: Mapping[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a socket": _bind,
    "a device": partial(Path.symlink_to, target="/dev/zero"),
    "a folder": Path.mkdir,
}
READ = {
    "data": ("spec/data/train.jsonl", "spec/ftops.yaml:13:", ""),
    "spec": ("spec/ftops.yaml", "spec", ""),
    "catalogue": ("ftops.catalog.yaml", "ftops.catalog.yaml", ""),
    "snapshot": ("state/drone/default.json", "default.json", ""),
    "journal": ("state/drone/default.journal", "default.journal", ""),
    "key": ("key", "key", "state: {encryption: {key_file: key}}"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="sockets are made below /proc")
@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize(("name", "place", "setting"), READ.values(), ids=READ.keys())
def test_only_regular_files_are_read(project: Path, name: str, place: str, setting: str, kind: str) -> None:
    file = project / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    SPECIAL[kind](file)
    if setting:
        settings(project, setting)
    for argv in (("plan", "--offline", "spec"), ("apply", "-y", "spec")):
        done = ftops(project, *argv)
        assert done.code == 1 and place in done.err, done
        assert "Traceback" not in done.err and "bug in ftops" not in done.err
    assert file.is_dir() or not file.is_file()


@pytest.mark.parametrize("kind", ["a pipe", "a device"])
@pytest.mark.parametrize(
    "argv",
    [
        ("plan", "spec", "--var-file", "it"),
        ("plan", "it"),
        ("data", "check", "it"),
        ("data", "stats", "it"),
        ("data", "convert", "it", "--out", "new.jsonl"),
        ("fmt", "it"),
        ("apply", "it"),
        ("state", "push", "it", "spec"),
        ("plan", "spec", "--out", "it"),
    ],
    ids=" ".join,
)
def test_what_the_command_line_names_is_a_regular_file(
    project: Path, argv: tuple[str, ...], kind: str
) -> None:
    SPECIAL[kind](project / "it")
    done = ftops(project, *argv)
    assert done.code in (1, 2), done
    assert "Traceback" not in done.err and "bug in ftops" not in done.err


@pytest.mark.parametrize("name", ["spec/ftops.yaml", "spec/more.yaml", "ftops.catalog.yaml", "vars.yaml"])
def test_a_text_of_any_size_is_not_read(project: Path, name: str) -> None:
    with (project / name).open("ab") as file:
        file.truncate(1 << 40)
    options = ("--var-file", "vars.yaml") if name == "vars.yaml" else ()
    done = ftops(project, "plan", "--offline", "spec", *options)
    assert done.code == 1 and "too large" in done.err and Path(name).name in done.err, done


def test_drafts_are_not_written_through_links(project: Path, canaries: Canaries) -> None:
    assert ftops(project, "apply", "-y", "spec").code == 0
    for name in (
        "state/drone/default.json.tmp",
        "state/drone/default.history/index.tmp",
        "spec/.ftops.yaml.ftops-tmp",
        "state/drone/.spec",
        ".ftops/places/drone.default",
    ):
        link(project, name, canaries.folder / "bashrc")
    edit(project, "capacity: {type", "capacity:   {type")
    for argv in (("fmt",), ("apply", "-y", "--var", "capacity=3"), ("destroy", "-y"), ("audit",)):
        done = ftops(project, *argv, "spec")
        assert "Traceback" not in done.err and WORD not in done.out + done.err
        canaries.assert_untouched()
    assert "capacity: {type" in (project / "spec" / "ftops.yaml").read_text()


def test_fmt_leaves_files_elsewhere_as_they_are(project: Path, canaries: Canaries) -> None:
    ugly = canaries.file("ugly.yaml", "datasets:   {}\n")
    link(project, "spec/more.yaml", ugly)
    done = ftops(project, "fmt", "spec")
    assert done.code == 1 and "more.yaml" in done.err and WORD not in done.out + done.err
    canaries.assert_untouched()


def test_init_makes_nothing_elsewhere(project: Path, canaries: Canaries) -> None:
    link(project, "new/data", canaries.folder)
    done = ftops(project, "init", "new")
    assert done.code == 1 and "new/data" in done.err
    canaries.assert_untouched()


SECRET = "hunter2-5f1c7e"
SENSITIVE = "variables: {password: {sensitive: true}}\ndatasets: {}\n"
SECRETS = {
    "a section beside it": f"outputs: {SECRET}\npassword: {SECRET}\n",
    "a section that is no YAML": f"password: {SECRET}\noutputs: {{a: {SECRET}: 3}}\n",
    "no YAML": f"outputs: {{}}\npassword: {SECRET}: 3\n",
    "no section": f"password: {SECRET}: 3\n",
    "as a variable": f"variables:\n  password: {SECRET}\n",
    "a dataset beside it": f"password: {SECRET}\ndatasets: {{a: {{path: {SECRET}, x: {SECRET}}}}}\n",
    "a job beside it": f"password: {SECRET}\njobs: {{a: {{model: {SECRET}, training: {SECRET}}}}}\n",
    "text": f"{SECRET}: {SECRET}: {SECRET}\n",
    "a list": f"- {SECRET}\n",
}


SKIPPED = ("a section beside it", "no section", "text", "a list")
"""Files that belong to other tools, for all that can be told."""


@pytest.mark.parametrize("name", SECRETS)
def test_no_line_of_a_file_of_secrets_is_printed(tmp_path: Path, name: str) -> None:
    (tmp_path / "ftops.yaml").write_text("ftops: {name: x}\n" + SENSITIVE)
    (tmp_path / "secrets.yaml").write_text(SECRETS[name])
    passing = ("fmt", "state", *["destroy"] * (name in SKIPPED))
    for argv in (
        ("validate",), ("validate", "-o", "json"), ("plan", "--offline"), ("state", "list"),
        ("fmt", "--check"), ("destroy", "-y"), ("plan", "--var-file", "secrets.yaml"),
    ):  # fmt: skip
        done = ftops(tmp_path, *argv)
        assert SECRET not in done.out + done.err, (argv, done.out + done.err)
        assert done.code != 0 or argv[0] in passing, (argv, done)


@pytest.mark.parametrize("name", ["spec/ftops.yaml", "vars.yaml"])
def test_no_line_of_a_file_elsewhere_is_printed(project: Path, canaries: Canaries, name: str) -> None:
    link(project, name, canaries.folder / "secrets.yaml")
    argv = ("spec", "--var-file", name) if name == "vars.yaml" else (name,)
    for command in ("validate", "plan", "destroy"):
        done = ftops(project, command, *argv)
        assert done.code == 1 and WORD not in done.out + done.err, done


def test_the_specs_of_these_tests_are_right(project: Path) -> None:
    """Else they would be refused for another reason."""
    assert SPEC in (project / "spec" / "ftops.yaml").read_text()
    for argv in COMMANDS:
        assert ftops(project, *argv, "spec").code == 0
