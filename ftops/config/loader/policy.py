"""Policy: rules and overrides of the spec; rules of the same spec at a revision, and of a file outside.

Whoever changes the spec must not be able to loosen what is judged. So a policy that is demanded but can't be
read is an error, and rules contain no expressions: variables don't change them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from ftops.config.loader.expressions import Evaluator, Scope
from ftops.config.loader.files import parsed, read_document
from ftops.config.loader.phases import RULES
from ftops.config.loader.settings import DEFAULT_ENVIRONMENT
from ftops.config.loader.source import Entry, Source, merged
from ftops.config.loader.validate import read_block
from ftops.config.policy import (
    POLICY_OPTION,
    POLICY_VARIABLE,
    Override,
    Policy,
    PolicySources,
    Rule,
    RuleChange,
    in_force,
    rule_changes,
    without,
)
from ftops.config.schema.field_types import has_unknown
from ftops.config.schema.policy import (
    CostCondition,
    DataCondition,
    ListCondition,
    OverrideBlock,
    PolicyRule,
    RequireCondition,
)
from ftops.core.confined_files import real
from ftops.core.errors import Diagnostic, Place
from ftops.core.git import git
from ftops.core.project import CATALOG_FILE, SPEC_SUFFIXES, display, project_root, spec_folder
from ftops.core.suggestions import did_you_mean

_WILDCARDS = frozenset("*?[")
_LINK = b"120000"


def read_policy(
    source: Source, path: Path, environment: str, sources: PolicySources, findings: list[Diagnostic]
) -> Policy:
    """The rules in force in an environment; findings if one of the sources can't be read."""
    own = _rules(source, findings)
    every = [own]
    changes: tuple[RuleChange, ...] = ()
    if sources.revision:
        base = _at_revision(path, sources.revision, findings)
        every.append(base)
        changes = rule_changes(base, own)
    if sources.file is not None:
        every.append(_outside(sources.file, project_root(source.folder), findings))
    known = frozenset(rule.name for rules in every for rule in rules)
    overrides = tuple(_overrides(source, findings))
    policy = Policy(in_force(every, environment), known, changes, overrides)
    return without(policy, overrides) if sources.is_untrusted else policy


def _rules(source: Source, findings: list[Diagnostic], *, has_environments: bool = True) -> list[Rule]:
    found: dict[str, Rule] = {}
    environments = {*source["environments"], DEFAULT_ENVIRONMENT} if has_environments else None
    for entry in source.lists.get("policy", ()):
        rule = _rule(entry, findings)
        if rule is None:
            continue
        if rule.name in found:
            first = found[rule.name].place
            hint = "Give one of them a `name`."
            entry.report(findings, (), f"two rules are named `{rule.name}`", f"The first is {first}.", hint)
        found.setdefault(rule.name, rule)
        for index, name in enumerate(rule.environments if environments is not None else ()):
            if name not in (environments or ()) and not _WILDCARDS.intersection(name):
                detail = "So the rule would never apply."
                hint = did_you_mean(name, environments or ())
                at = ("environments", index)
                entry.report(findings, at, f"there is no environment `{name}`", detail, hint)
    return list(found.values())


def _rule(entry: Entry, findings: list[Diagnostic]) -> Rule | None:
    data = Evaluator(entry, Scope({}, {}, findings), RULES).evaluate(entry.data)
    block = None if has_unknown(data) else read_block(PolicyRule, data, entry, findings)
    if block is None:
        return None
    given = {key: value.values() for key in ("deny", "warn") if (value := getattr(block, key)) is not None}
    pairs = [(key, name) for key, of in given.items() for name, value in of.items() if value is not None]
    if len(given) != 1 or len(pairs) != 1:
        said = "one of `deny` and `warn`" if len(given) != 1 else "one condition"
        hint = "Write one, such as `deny: {models: {allow: […]}}`."
        hint = "Write a rule for each of them." if len(pairs) > 1 else hint
        second = () if len(pairs) < 2 else pairs[1] if len(given) == 1 else pairs[1][:1]
        summary, detail = f"a rule has exactly {said}", f"This one has {len(pairs) or 'none'}."
        entry.report(findings, second, summary, detail, hint, key=bool(second))
        return None
    (key, condition), *_ = pairs
    settings = given[key][condition].as_data()
    if _is_idle(given[key][condition]):
        hint = "Write what is allowed or required, such as `allow: […]`."
        entry.report(findings, (key, condition), f"`{condition}` sets nothing", "It has no effect.", hint)
        return None
    severity = "error" if key == "deny" else "warning"
    environments = tuple(block.environments or ())
    name = block.name or condition
    return Rule(
        name, severity, condition, settings, block.message, block.overridable, environments, entry.place()
    )


def _is_idle(block: Any) -> bool:
    """Whether the condition can never apply, because it sets nothing."""
    block = block.sources if isinstance(block, DataCondition) else block
    needs_one = isinstance(block, ListCondition | RequireCondition | CostCondition)
    return needs_one and all(value is None or value is False for value in block.values().values())


def _overrides(source: Source, findings: list[Diagnostic]) -> Iterator[Override]:
    seen: set[str] = set()
    for entry in source.lists.get("overrides", ()):
        data = Evaluator(entry, Scope({}, {}, findings), RULES).evaluate(entry.data)
        block = None if has_unknown(data) else read_block(OverrideBlock, data, entry, findings)
        if block is None:
            continue
        if not block.reason.strip():
            entry.report(findings, ("reason",), "an override needs a reason", "", "Write why it is lifted.")
        if block.rule in seen:
            entry.report(findings, ("rule",), f"`{block.rule}` is overridden twice", "", "Remove one.")
        seen.add(block.rule)
        until = date.fromisoformat(block.until)
        yield Override(block.rule, block.reason.strip(), until, entry.place(("rule",)))


def _demanded(
    source: Source, where: str, findings: list[Diagnostic], *, has_environments: bool
) -> list[Rule]:
    if "policy" not in source.lists and not findings:
        detail = f"{where} has no section `policy`, so it isn't known what is allowed."
        hint = "Add the section there; `policy: []` says that there are no rules."
        findings.append(Diagnostic("the policy is missing", detail, hint))
    return _rules(source, findings, has_environments=has_environments)


def _outside(name: str, project: Path, findings: list[Diagnostic]) -> list[Rule]:
    """The rules of the file in FTOPS_POLICY."""
    file = Path(name)
    if not name.strip():
        hint = "Set it to a file of rules, or unset it."
        findings.append(Diagnostic(f"{POLICY_VARIABLE} is empty", "It demands a policy.", hint))
        return []
    if real(file).is_relative_to(real(project)):
        detail = f"{display(file)} is in the project, so whoever changes the spec can change it."
        hint = f"Store it elsewhere, or use {POLICY_OPTION}."
        findings.append(Diagnostic(f"{POLICY_VARIABLE} must be a file outside the project", detail, hint))
        return []
    errors: list[Diagnostic] = []
    document = read_document(file, errors)
    source = merged(file.parent, [document] if document else [], errors)
    others = sorted({*source.sections, *source.lists} - {"policy"})
    if others:
        summary = f"a file of rules has the section `policy` alone, not `{others[0]}`"
        errors.append(Diagnostic(summary, "", f"Remove it from {display(file)}.", Place(display(file))))
    rules = _demanded(source, display(file), errors, has_environments=False)
    findings += errors
    return rules


def _at_revision(path: Path, revision: str, findings: list[Diagnostic]) -> list[Rule]:
    """The rules of the same spec at a revision."""
    errors: list[Diagnostic] = []
    source = _source_at(path, revision, errors)
    rules = (
        [] if source is None else _demanded(source, f"The spec at {revision}", errors, has_environments=True)
    )
    findings += errors
    return rules


def _source_at(path: Path, revision: str, findings: list[Diagnostic]) -> Source | None:
    folder = spec_folder(path.absolute())
    project = project_root(folder)
    place = _named_place(path, project)
    if place is None:
        detail = "A link leads to it: at the revision, the same path may be another spec."
        hint = "Name the folder itself, from the root of the project."
        findings.append(
            Diagnostic(f"the policy of {display(path)} can't be found at {revision}", detail, hint)
        )
        return None
    commit = b""
    if not revision.startswith("-"):
        commit = git(project, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}") or b""
    if not commit:
        hint = (
            "Check its name; in CI, fetch it: `git fetch origin REVISION`, or a checkout with full history."
        )
        detail = f"{POLICY_OPTION} demands the policy of that revision."
        findings.append(Diagnostic(f"there is no revision {revision} here", detail, hint))
        return None
    documents = []
    files = list(_files_at(project, commit.decode().strip(), place, path.suffix in SPEC_SUFFIXES))
    for name, content in files:
        shown = f"{revision}:{name}"
        if content is None:
            detail = "It is a link, or it can't be read."
            findings.append(
                Diagnostic(f"can't read {shown}", detail, "Put a regular file there.", Place(shown))
            )
            continue
        document = parsed(content, shown, findings)
        documents += [document] if document is not None else []
    if not files:
        detail = f"{POLICY_OPTION} demands the policy of that revision."
        hint = "If the spec was moved, merge that first; or give the policy by FTOPS_POLICY."
        findings.append(Diagnostic(f"there is no spec at {revision}:{place}", detail, hint))
        return None
    return merged(folder, documents, findings)


def _named_place(path: Path, project: Path) -> str | None:
    """The path of a spec from the root of its project; None if a link leads to it."""
    written = Path(os.path.abspath(path))  # noqa: PTH100 - without following links
    logical = Path(os.environ.get("PWD", ""))
    if logical.is_absolute() and real(logical) == Path.cwd():
        written = Path(os.path.normpath(logical / path))
    root = next((folder for folder in (written, *written.parents) if real(folder) == project), None)
    place = None if root is None else written.relative_to(root)
    if place is None or real(written) != project / place:
        return None
    return place.as_posix()


def _files_at(project: Path, commit: str, place: str, is_file: bool) -> Iterator[tuple[str, bytes | None]]:
    """The files of a spec at a commit with their content; None for one that can't be read."""
    below = place if is_file or place == "." else f"{place}/"
    listed = git(project, "ls-tree", "-z", commit, *(() if below == "." else ("--", below))) or b""
    for line in filter(None, listed.split(b"\0")):
        kind, _, raw = line.partition(b"\t")
        mode, name = kind.partition(b" ")[0], raw.decode("utf-8", "surrogateescape")
        own = Path(name).name
        if Path(name).suffix in SPEC_SUFFIXES and not own.startswith(".") and own != CATALOG_FILE:
            yield name, None if mode == _LINK else git(project, "cat-file", "blob", f"{commit}:{name}")
