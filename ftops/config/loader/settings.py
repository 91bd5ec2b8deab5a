"""Spec settings: the name and state of a spec, its environments and its providers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ftops.config import schema
from ftops.config.accounts import account_of, agrees
from ftops.config.config import Budget, ProviderConfig, StateSettings
from ftops.config.loader.credentials import check_addresses, check_forms, check_key, check_scope
from ftops.config.loader.expressions import Evaluator, Scope, VariableValue, evaluate_keys
from ftops.config.loader.phases import FIXED, PROVIDER_PHASES, SETTINGS, STATE, STATE_PHASES
from ftops.config.loader.promotion import trainer_of
from ftops.config.loader.source import Entry, Source
from ftops.config.loader.validate import is_valid, read_block
from ftops.config.loader.versions import unmet
from ftops.config.schema.field_types import Unknown, has_unknown, one_of
from ftops.config.schema.providers import ProviderBlock
from ftops.config.schema.settings import BudgetBlock, Environment, Settings, StateBlock
from ftops.core.address import NAME, SHORTEST_SECRET, scan
from ftops.core.backend_types import BACKEND_TYPES
from ftops.core.errors import Diagnostic, Place
from ftops.core.lazy import resolve
from ftops.core.project import EMULATOR_DATA
from ftops.core.provider_types import PROVIDER_TYPES, ProviderType
from ftops.core.suggestions import did_you_mean, unaccented
from ftops.yaml.document import flow

DEFAULT_ENVIRONMENT = "default"
_NAME = re.compile(NAME)
NAME_RULE = (
    "Names are lower-case letters, digits and `-`, start with a letter, and have at most 63 characters."
)

_TEXTS: Mapping[str, tuple[str, str]] = {
    "name": (NAME_RULE, "Write `name: my-models`, or remove the key: the name is then that of the folder."),
    "required_version": (
        "It says which versions of ftops can read the spec.",
        'Write `required_version: ">=0.1"`, or remove the key.',
    ),
}
"""By setting that takes text: what is wanted, and what to write if it is empty."""


def check_name(entry: Entry, what: str, findings: list[Diagnostic]) -> bool:
    """Whether the name of an entry is valid; a finding if it isn't."""
    if _NAME.fullmatch(entry.name):
        return True
    near = nearest_name(entry.name)
    if not near and any(map(str.isalnum, entry.name)):
        near = nearest_name(f"{what.split()[-1]}-{entry.name}")
    hint = f"Write `{near}`." if near else "Choose another name."
    entry.report(findings, (), f"`{entry.name}` isn't a valid name for {what}", NAME_RULE, hint, key=True)
    return False


def to_suggest(names: Iterable[str]) -> list[str]:
    """Names as they are to be written: an invalid one as its error asks for it."""
    return [name if _NAME.fullmatch(name) else nearest_name(name) for name in names]


def slug(text: str) -> str:
    """A folder's name as that of its spec, or nothing. It finds states, so it can't change."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).lstrip("-0123456789")[:63].rstrip("-")


def nearest_name(text: str) -> str:
    """A valid name to suggest in place of another one, or nothing. Letters lose their accents."""
    return slug(unaccented(text))


def read_settings(source: Source, version: str, scope: Scope) -> tuple[str, StateSettings]:
    """The spec's name and where its state is stored."""
    entries, findings = source["ftops"], scope.findings
    blocks = {name: _setting(entry, scope) for name, entry in entries.items()}
    wanted = blocks.get("required_version")
    if wanted and (problem := unmet(wanted.required_version, version)):
        summary, hint = problem
        place = entries["required_version"].value_place()
        findings.append(Diagnostic(summary, f"This is ftops {version}.", hint, place))
    name = blocks["name"].name if blocks.get("name") else _default_name(source, findings)
    state = blocks.get("state")
    return name, state_settings(
        state.state, entries["state"], scope
    ) if state and state.state else StateSettings()


def _setting(entry: Entry, scope: Scope) -> Any:
    """One key of `ftops`, validated by itself, so that the section may be divided between files. None if its
    value is invalid or unknown; of `state`, the other keys are checked even if one is unknown."""
    if entry.data is None and entry.name in _TEXTS:
        _report_empty(entry, scope.findings)
        return None
    if entry.name == "state" and isinstance(entry.data, dict):
        value: Any = evaluate_keys(entry, scope, STATE_PHASES, STATE)[0]
    else:
        value = Evaluator(entry, scope, FIXED).evaluate(entry.data)
    block = read_block(Settings, {entry.name: value}, entry, scope.findings, own=1)
    return None if entry.name != "state" and has_unknown(value) else block


def _report_empty(entry: Entry, findings: list[Diagnostic]) -> None:
    place = entry.value_place()
    written = place.text[place.column - 1 : place.column - 1 + place.width]
    if written not in ("null", "Null", "NULL", "~"):
        findings.append(Diagnostic(f"`{entry.name}` is empty", *_TEXTS[entry.name], place))
        return
    detail, hint = _TEXTS[entry.name]
    detail = f"YAML reads `{written}` as no value. {detail}"
    if entry.name == "name" and _NAME.fullmatch(written):
        hint = f'To use this name, put it in quotes: `name: "{written}"`.'
    findings.append(Diagnostic(f"`{entry.name}` must be text", detail, hint, place))


def _default_name(source: Source, findings: list[Diagnostic]) -> str:
    name = slug(source.folder.name)
    if not name:
        detail = (
            f"By default it is the name of the folder, and `{source.folder.name}` isn't valid. {NAME_RULE}"
        )
        findings.append(Diagnostic("the spec needs a name", detail, "Set `ftops: {name: …}`."))
    return name


def state_settings(block: StateBlock, entry: Entry, scope: Scope) -> StateSettings:
    """Where a state is stored; with findings. The default if something isn't known."""
    data, findings = block.as_data(), scope.findings
    backend, path = data.pop("backend"), data.pop("path")
    if isinstance(backend, Unknown):
        return StateSettings()
    row = BACKEND_TYPES[backend]
    for key in row.required:
        if key not in data:
            detail = f"It is required by the backend {backend}."
            entry.report(findings, (), f"`{key}` is missing", detail, f"Add `{key}: …`.", key=True)
    for key in data:
        if key not in (*row.required, *row.optional):
            summary = f"the backend {backend} doesn't support `{key}`"
            hint = "Remove it, or choose the backend that supports it."
            entry.report(findings, (key,), summary, "It would have no effect.", hint, key=True)
    encryption = entry.value("encryption")
    if isinstance(encryption, dict):
        _check_encryption_keys(entry, encryption, findings)
    check_addresses(row.addresses, data, entry, scope)
    check_forms(data, entry, scope)
    if has_unknown([path, data]):
        return StateSettings()
    named = {name: entry.place(("encryption", name)) for name in ("key", "fallback")}
    return StateSettings(backend, path, data, named if data.get("encryption") else {})


def _check_encryption_keys(entry: Entry, given: Mapping[str, Any], findings: list[Diagnostic]) -> None:
    """Findings if anyone who can read the spec could also decrypt the state, or if the keys are ambiguous."""
    for name in ("key", "fallback"):
        if isinstance(given.get(name), str) and "${env." not in given[name]:
            summary = "an encryption key can't be written in the spec"
            detail = "Anyone who can read the spec could decrypt the state."
            hint = f'Create a new key and read it from the environment: `{name}: "${{env.FTOPS_STATE_KEY}}"`.'
            entry.report(findings, ("encryption", name), summary, detail, hint)
        if name in given and f"{name}_file" in given:
            summary, path = f"`{name}` and `{name}_file` can't go together", ("encryption", f"{name}_file")
            entry.report(findings, path, summary, "Only one key is used.", "Remove one of them.", key=True)
    if not any(given.get(key) for key in ("key", "key_file", "fallback", "fallback_file")):
        hint = 'Add `key: "${env.FTOPS_STATE_KEY}"`.'
        entry.report(findings, ("encryption",), "`encryption` has no key", "", hint, key=True)


def check_provider(
    wanted: str, providers: Mapping[str, Entry], entry: Entry, findings: list[Diagnostic]
) -> bool:
    """Whether there is a provider of that name. If the spec declares none, there is `local`."""
    if wanted in providers or (not providers and wanted == "local"):
        return True
    if wanted in map(nearest_name, providers):
        return False  # there is a finding about that name already
    hint = did_you_mean(wanted, to_suggest(providers), nothing="Declare it under `providers`.")
    entry.report(findings, ("provider",), f"there is no provider `{wanted}`", "", hint)
    return False


def read_words(source: Source, name: str, *keys: str) -> dict[str, str]:
    """A mapping of words in the settings of the spec, which `read_settings` validates."""
    entry = source["ftops"].get(name)
    data = entry.value(*keys) if entry else None
    words = data if isinstance(data, dict) else {}
    return {str(key): str(word) for key, word in words.items() if word is not None}


def read_budget(source: Source, environment: Entry | None) -> Budget:
    """The limits of the environment, and those of the settings that it doesn't set. They are validated by
    `choose_environment` and `read_settings`."""
    limits: dict[str, float] = {}
    places: list[tuple[str, Place]] = []
    settings = source["ftops"].get("budget")
    of_environment = environment.value("budget") if environment else None
    for entry, path, data in (
        (environment, ("budget",), of_environment),
        (settings, (), settings.data if settings else None),
    ):
        if entry is not None and isinstance(data, dict):
            block = read_block(BudgetBlock, data, entry, [])
            for name, limit in (block.as_data() if block else {}).items():
                if name not in limits:
                    limits[name] = float(limit)
                    places.append((name, entry.place((*path, name))))
    return Budget(**limits, places=tuple(places))


class Providers:
    """The providers of a spec, and which of them is the default."""

    def __init__(self, source: Source, environment: Entry | None, project: Path, scope: Scope) -> None:
        self._trainer = trainer_of(source, environment)
        self.entries = source["providers"]
        self.scope = scope
        self.used: set[str] = set()
        self.incomplete: set[str] = set()
        self._environment = environment
        others = source["environments"].values() if environment is None else ()
        self._selecting = [e.name for e in others if e.value("provider") and not e.value("pattern")]
        self.project = project
        self._blocks = {name: self._read(entry) for name, entry in self.entries.items()}
        unset = {entry.name for entry, _ in scope.unset}
        complete = {name: config for name, config in self._complete().items() if name not in unset}
        self._accounts = {name: account_of(config, project) for name, config in complete.items()}

    def name_for(self, wanted: str | None, entry: Entry, *, is_deployed: bool = True) -> str:
        """The name of a resource's provider; empty, with a finding, if there is none. What isn't deployed is
        where the environment that trains has it."""
        if wanted is None:
            return self._default if is_deployed else self._default_of_trainer
        if not check_provider(wanted, self.entries, entry, self.scope.findings):
            return ""
        self.used.add(wanted)
        return wanted

    @cached_property
    def _default(self) -> str:
        name = self._choose_default(self._environment)
        self.used.add(name)
        return name

    @cached_property
    def _default_of_trainer(self) -> str:
        if self._trainer is self._environment:
            return self._default
        name = self._choose_default(self._trainer)
        self.used.add(name)
        return name

    def configs(self) -> dict[str, ProviderConfig]:
        """Every provider that is used, and others if their settings are complete. Settings that need no value
        here are left out."""
        if not self.entries:
            data = str(self.project / EMULATOR_DATA)
            return {"local": ProviderConfig("local", "emulator", {"data": data})}
        for entry, finding in self.scope.unset:
            if entry.name in self.used:
                is_error = finding.severity == "error"
                (self.scope.findings if is_error else self.scope.warnings).append(finding)
        return self._complete()

    def setting(self, name: str, key: str) -> Any:
        return getattr(self._blocks.get(name), key, None)

    def type_of(self, name: str) -> str:
        return self.setting(name, "type") or ""

    def is_one_account(self, one: str, other: str) -> bool:
        """Whether two providers are the same account; also true if that isn't known of one of them."""
        if one == other or not {one, other} <= self._accounts.keys():
            return True
        return agrees(self._accounts[one], self._accounts[other])

    def _read(self, entry: Entry) -> ProviderBlock | None:
        check_name(entry, "a provider", self.scope.findings)
        kind = entry.value("type")
        if not isinstance(entry.data, dict) and entry.data is not None:
            read_block(ProviderBlock, entry.data, entry, self.scope.findings)
            return None
        if not isinstance(kind, str) or kind not in PROVIDER_TYPES:
            known = tuple(row.type for row in PROVIDER_TYPES.values() if row.is_public)
            summary = f"unknown provider type `{kind}`" if kind else "`type` is missing"
            summary = summary if isinstance(kind, str | None) else "`type` must be text"
            hint = did_you_mean(kind, known) if isinstance(kind, str) else f"Write `type: {known[0]}`."
            detail = f"The provider types are {one_of(known)}."
            entry.report(self.scope.findings, ("type",), summary, detail, hint)
            return None
        data, _ = evaluate_keys(entry, self.scope, PROVIDER_PHASES, SETTINGS)
        before = len(self.scope.findings)
        data = self._refined(PROVIDER_TYPES[kind], data, entry)
        is_refined = len(self.scope.findings) == before
        block = read_block(schema.provider_block(kind), data, entry, self.scope.findings)
        if block is not None and is_refined:
            check_addresses(PROVIDER_TYPES[kind].addresses, block.as_data(), entry, self.scope)
        if block is not None:
            self._check_passed(PROVIDER_TYPES[kind], block.as_data(), entry)
            check_scope(block.as_data(), entry, self.scope)
            check_key(block, entry, self.scope)
            check_forms(block.as_data(), entry, self.scope)
        return block

    def _refined(self, row: ProviderType, data: dict[str, Any], entry: Entry) -> dict[str, Any]:
        """The settings with what they imply; findings about those that exclude each other."""
        if not row.refine:
            return data
        refined, faults = resolve(row.refine)(data)
        for key, fault in faults.items():
            entry.report(self.scope.findings, (key,), *fault)
        return {**data, **refined}

    def _check_passed(self, row: ProviderType, data: Mapping[str, Any], entry: Entry) -> None:
        """Findings about what is passed to a server that runs here; another one may be of another version."""
        passed = data.get("settings")
        if row.checks_settings and isinstance(passed, dict) and passed and data.get(row.address) is None:
            for name, (*said, at_key) in resolve(row.checks_settings)(passed).items():
                entry.report(self.scope.findings, ("settings", name), *said, key=at_key)

    def _choose_default(self, environment: Entry | None) -> str:
        wanted = environment.value("provider") if environment else None
        is_refused = environment and not (isinstance(wanted, str) or is_valid(Environment, environment))
        if is_refused or (environment is None and self._environment is not None):
            return ""  # there are findings about it, or about the one that it promotes, already
        if environment and isinstance(wanted, str):
            is_expression = "${" in wanted  # there is a finding about it already
            return "" if is_expression else self.name_for(str(wanted), environment)
        marked = [
            name
            for name, block in self._blocks.items()
            if (block.default if block else self.entries[name].value("default")) in (True, "true")
        ]
        if len(marked) == 1 or len(self.entries) == 1:
            return marked[0] if marked else next(iter(self.entries))
        if not self.entries:
            return "local"
        self.scope.findings.append(self._no_default(marked))
        return ""

    def _no_default(self, marked: list[str]) -> Diagnostic:
        names = tuple(sorted(marked or self.entries))
        place = self.entries[names[-1]].place(key=True)
        if marked:
            summary = "more than one provider is marked as the default"
            detail, hint = f"They are {one_of(names, 'and')}.", "Keep `default: true` in one of them."
            return Diagnostic(summary, detail, hint, place)
        detail = f"Some resources don't set `provider`, and it could be {one_of(names)}."
        hint = (
            "Mark one with `default: true`, select one in the environment, or set `provider` in each "
            "resource."
        )
        if self._selecting:
            chosen = " or ".join(f"`--env {name}`" for name in self._selecting[:3])
            hint = f"Run with {chosen}, which selects one, or mark one with `default: true`."
        return Diagnostic("there is no default provider", detail, hint, place)

    def _complete(self) -> dict[str, ProviderConfig]:
        unset = {entry.name for entry, finding in self.scope.unset if finding.severity == "error"}
        return {
            name: self._config(name, block)
            for name, block in self._blocks.items()
            if block is not None and name not in unset
        }

    def _config(self, name: str, block: ProviderBlock) -> ProviderConfig:
        settings = {key: value for key, value in block.as_data().items() if not has_unknown(value)}
        del settings["type"], settings["default"]
        settings.pop("defaults", None)  # resources have them as inputs
        row = PROVIDER_TYPES[block.type]
        if row.data_folder and row.address not in settings:
            folder = settings.get(row.data_folder, EMULATOR_DATA)
            settings[row.data_folder] = str(self.project / folder)
        entry = self.entries[name]
        used = self.scope.used.get((entry.section, name), ())
        hidden = tuple(sorted(value for value in used if len(value) >= SHORTEST_SECRET))
        return ProviderConfig(name, block.type, settings, entry.mark(), _sources(entry.data, row), hidden)


def _sources(settings: Mapping[str, Any], row: ProviderType) -> tuple[str, ...]:
    """The variables and environment variables that decide which account a provider uses."""
    names: set[str] = set()
    todo = [value for name, value in settings.items() if name in row.place_settings]
    while todo:
        value = todo.pop()
        if isinstance(value, Mapping):
            todo += value.values()
        elif isinstance(value, str):
            names |= {".".join(f.text.split(".")[:2]) for f in scan(value) if f.is_expression}
    return tuple(sorted(names))


def public_variables(variables: Mapping[str, VariableValue]) -> dict[str, str]:
    """The values of variables that aren't sensitive, in the form that `--var` takes."""
    return {
        name: str(known.value) if isinstance(known.value, str) else flow(known.value)
        for name, known in sorted(variables.items())
        if not known.sensitive and known.value is not None and not isinstance(known.value, Unknown)
    }
