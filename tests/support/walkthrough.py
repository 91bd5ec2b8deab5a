"""Follows a page of the documentation as a reader does: writes its files, changes them, runs its commands.

A code block with a title is a file; with the language `diff`, a change of that file. Blocks of `sh` are
commands, one a line; those of `console` have output below each `$ command`. There, `…` stands for anything in
a line, and a line `…` for any lines. A comment `exits with N` is the exit code to expect, else 0. The reader
approves what is asked.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import click

from ftops.cli.main import NAME, root
from tests.golden.cli import Done, Folder
from tests.support.command import run

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r'^( *)```(\w+)(?: title="([^"\n]+)")?\n(.*?)^\1```$', re.M | re.S)
_COMMENT = re.compile(r"(?:^|\s)#\s.*$")
_CODE = re.compile(r"#.*\bexits with (\d+)")
_OF_A_SHELL = re.compile(r"[|;&<>`]|\$[A-Z(]")
_ASSIGNMENT = re.compile(r"[A-Z_]+=")
_CHANGING = re.compile(r"\b(?!0+\b)(?=\w*\d)[0-9a-f]{8,64}\b…?")
"""Ids and digests."""


@dataclass(frozen=True)
class Block:
    """A code block: where it is, its language and its title."""

    line: int
    language: str
    title: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command of a page: where its block is, the exit code to expect, and the output below it, if any."""

    line: int
    number: int
    text: str
    code: int
    typed: str
    output: str | None = None


def blocks(text: str) -> list[Block]:
    """The code blocks of a page that have a language."""
    return [*map(_block, _FENCE.finditer(text))]


def _block(found: re.Match[str]) -> Block:
    return Block(found.string.count("\n", 0, found.start()) + 1, found[2], found[3] or "", found[4])


def commands(block: Block) -> list[Command]:
    """The commands of a block; none if it isn't one of commands."""
    if block.language == "console":
        return [*_console(block)]
    if block.language != "sh":
        return []
    parts = re.findall(r"(?:.*\\\n)*.*\n", block.text)
    found = [_command(block, number, part) for number, part in enumerate(parts)]
    return [command for command in found if command.text]


def _console(block: Block) -> Iterator[Command]:
    for number, part in enumerate(re.split(r"^\$ ", block.text, flags=re.M)[1:]):
        (typed,) = re.findall(r"\A(?:.*\\\n)*.*\n", part)
        yield replace(_command(block, number, typed), output=part.removeprefix(typed).rstrip())


def _command(block: Block, number: int, typed: str) -> Command:
    code = _CODE.search(typed)
    text = _COMMENT.sub("", re.sub(r"\\\n\s*", "", typed.rstrip())).strip()
    return Command(block.line, number, text, int(code[1]) if code else 0, typed)


@dataclass
class Reader:
    """A reader with a folder. What is exported, and the folder changed to, last until the end of the page."""

    folder: Folder
    digest: bool = False
    """Whether `v2:sha256:…` stands for the digest of the plan of now."""
    compares: bool = True
    """Whether output has to be as shown."""
    environ: dict[str, str] = field(default_factory=dict)

    def follow(self, text: str, skipped: Sequence[str] = ()) -> dict[Command, Done]:
        """What each command came to, except those that begin like one of ``skipped``."""
        done = {}
        for block in blocks(text):
            if block.language == "diff" and block.title:
                self._change(block)
            elif block.title:
                self.folder.write(block.title, block.text)
            for command in commands(block):
                if not command.text.startswith(tuple(skipped)):
                    done[command] = self._run(command)
        return done

    def _change(self, block: Block) -> None:
        """Each hunk, which a line `@@` ends, replaces the only place that has its old lines."""
        text = (self.folder.path / block.title).read_text("utf-8")
        for hunk in re.split(r"^@@.*\n", block.text, flags=re.M):
            old, new = ("".join(line[1:] for line in _of(hunk, marks)) for marks in (" -", " +"))
            assert text.count(old) == 1, (
                f"line {block.line}: {block.title} has this {text.count(old)} times:\n{old}"
            )
            text = text.replace(old, new)
        self.folder.write(block.title, text)

    def _run(self, command: Command) -> Done:
        text = command.text
        if self.digest and "v2:sha256:…" in text:
            text = text.replace("v2:sha256:…", str(self.folder.run("plan", "-o", "json").json["digest"]))
        words = shlex.split(text)
        if words[0] == "cd":
            self.folder = Folder((self.folder.path / words[1]).resolve())
            return Done(0, "", "")
        if words[0] == "export":
            self.environ |= dict(word.split("=", 1) for word in words[1:])
            return Done(0, "", "")
        done = self._ftops(words) if _is_plain(text, words) else self._shell(text)
        shown = f"line {command.line}: {command.text}\n{done.out}{done.err}"
        assert done.code == command.code, f"exit code {done.code}, {shown}"
        assert "Traceback" not in done.err, shown
        if self.compares and command.output is not None:
            assert fits(command.output, done.out + done.err), shown
        return done

    def _ftops(self, words: Sequence[str]) -> Done:
        """In this process, with the variables before the command."""
        start = words.index("ftops")
        more = dict(word.split("=", 1) for word in words[:start])
        arguments = words[start + 1 :]
        if asks(arguments):
            arguments = [*arguments, "--auto-approve"]
        return self.folder.run(*arguments, environ={**self.environ, **more})

    def _shell(self, text: str) -> Done:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        script = ["bash", "-euo", "pipefail", "-c", text]
        done = run(script, self.folder.path, {**self.environ, "PATH": path})
        return Done(done.returncode, done.stdout, done.stderr)


def _is_plain(text: str, words: Sequence[str]) -> bool:
    """Whether it is one call of ftops, without a program that would write to the output of this process."""
    names = [word for word in words if not _ASSIGNMENT.match(word)]
    return names[:1] == ["ftops"] and "exec" not in names and not _OF_A_SHELL.search(text)


def command_of(words: Sequence[str]) -> tuple[click.Context, click.Command, list[str]]:
    """The command that the words after `ftops` call, and what is left of them."""
    ctx, command, rest = click.Context(root, info_name=NAME), cast(click.Command, root), [*words]
    while isinstance(command, click.Group):
        if command is root and rest[:1] == ["-C"]:
            rest = rest[2:]
        name, below, rest = command.resolve_command(ctx, rest)
        assert below is not None, words
        ctx, command = click.Context(below, info_name=name, parent=ctx), below
    return ctx, command, rest


def asks(words: Sequence[str]) -> bool:
    """Whether the command asks for an approval, which isn't given yet."""
    _, command, rest = command_of(words)
    names = {name for option in command.params for name in option.opts if "--auto-approve" in option.opts}
    return bool(names) and names.isdisjoint(rest) and "--dry-run" not in rest and "--list" not in rest


def _of(hunk: str, marks: str) -> list[str]:
    return [line for line in hunk.splitlines(keepends=True) if line[:1] in marks]


def fits(expected: str, found: str) -> bool:
    """Whether output is as shown."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "…" else f"{_pattern(line)}[ \t]*\n"
        for line in expected.splitlines()
    )
    return re.fullmatch(pattern + r"\s*", found.rstrip() + "\n") is not None


def _pattern(line: str) -> str:
    """How wide columns are doesn't matter."""
    return ".*?".join(r" +".join(map(re.escape, re.split(" +", part))) for part in line.rstrip().split("…"))


def with_output(text: str, done: Mapping[Command, Done]) -> str:
    """A page with the output of its commands as it is now, where it has changed; ids are left out."""

    def renewed(found: re.Match[str]) -> str:
        block = _block(found)
        if block.language != "console":
            return found[0]
        parts = []
        for command in _console(block):
            now = done[command].out + done[command].err
            is_current = fits(command.output or "", now)
            output = command.output if is_current else _CHANGING.sub("…", now).rstrip()
            parts.append(f"$ {command.typed}" + (f"{output}\n" if output else ""))
        return f"```console\n{''.join(parts)}```"

    return _FENCE.sub(renewed, text)
