"""References and dependencies: every name that a draft uses, checked against the declared resources."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import chain
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ftops.config.config import Resource
from ftops.config.loader.expression_errors import escaped, not_written_as_expression
from ftops.config.loader.expressions import Use
from ftops.config.loader.for_each import Declared, Draft
from ftops.config.loader.settings import to_suggest
from ftops.config.loader.source import Entry, Keys
from ftops.config.loader.sweeps import NO_METRIC, without_metric
from ftops.config.sweeps import BEST, is_best, keys_among
from ftops.core.address import EVERY, Address, Reference, Secret, Template, Value, fill, references
from ftops.core.errors import Diagnostic, Place
from ftops.core.plurals import plural
from ftops.core.resource_types import METHOD_FORMATS, RESOURCE_TYPES, admits, is_several, kind_of
from ftops.core.suggestions import did_you_mean
from ftops.yaml.document import Plain


class Linker(Struct, dict=True):
    """Checks references against the declared resources."""

    declared: Declared
    findings: list[Diagnostic]

    def bare_names(self, draft: Draft, inputs: dict[str, Any]) -> list[Use]:
        """Replaces names with references in the inputs that take them; returns these references."""
        uses = []
        for name, (kind, attribute) in RESOURCE_TYPES[draft.address.kind].references.items():
            value = inputs.get(name)
            if isinstance(value, str) and not value.startswith("/"):  # that is an ID
                reference = Reference(_named(kind, value), attribute)
                inputs[name] = reference
                uses.append(Use(reference, draft.entry, (name,)))
            elif isinstance(value, Template) and (parts := references(value)):
                summary = f"`{parts[0]}` can't be a part of a text"
                hint = f"Write `{parts[0]}`, and nothing before or after it."
                draft.entry.report(self.findings, (name,), summary, f"It is the whole {kind}.", hint)
            elif isinstance(value, Reference) and (value.address.kind, value.attribute) != (kind, attribute):
                if value.address.kind == kind and not admits(RESOURCE_TYPES[kind].computed, value.attribute):
                    continue  # that is reported as such
                noun = RESOURCE_TYPES[kind].noun
                is_kind = value.address.kind == kind
                right = replace(value, attribute=attribute) if is_kind else f"${{{kind}.name.{attribute}}}"
                hint = f"Write the name of {noun}, or `{right}`."
                self._wrong_reference(value, (name,), noun, hint, draft.entry)
        return uses

    def model(self, draft: Draft, inputs: Mapping[str, Any]) -> None:
        """Findings about models that refer to something else."""
        given = (name for name in ("model", "candidates", "baseline") if name in inputs)
        named = (items_of(name, inputs[name]) for name in given)
        for path, value in chain.from_iterable(named):
            if isinstance(value, Reference) and value.address.kind in RESOURCE_TYPES:
                fits = kind_of(value.address).model_attributes
                is_known = admits(kind_of(value.address).computed, value.attribute)
                attribute = value.attribute.removeprefix(BEST) if is_best(value) else value.attribute
                if is_best(value) and "model" in kind_of(draft.address).compared_by_content:
                    detail = "It would be trained again whenever another job is the best."
                    hint = f"Name the job: `${{{value.address._replace(key='…')}.{attribute}}}`."
                    summary = "a job can't start from the best of a sweep"
                    draft.entry.report(self.findings, path, summary, detail, hint)
                elif is_known and not admits(fits, attribute):
                    meant = "fine_tuned_model"
                    right = (
                        replace(value, attribute=meant)
                        if admits(fits, meant)
                        else "${job.name.fine_tuned_model}"
                    )
                    hint = f"Write the name of a base model, or `{right}`."
                    self._wrong_reference(value, path, "a model", hint, draft.entry)
            elif isinstance(value, Template) and (parts := [r for r in references(value) if _is_model(r)]):
                hint = f"Write `{parts[0]}`, and nothing before or after it."
                several = any(map(is_several, parts))
                detail = "It stands for several models." if several else "It is the whole name of a model."
                draft.entry.report(
                    self.findings, path, f"`{parts[0]}` can't be a part of a text", detail, hint
                )
            elif type(value) in (str, Plain) and (
                finding := escaped(value) or not_written_as_expression(value)
            ):
                draft.entry.report(self.findings, path, *finding)

    def check(self, uses: Iterable[Use]) -> dict[Address, Place]:
        """The addresses that are used, each with its first place; findings about those that don't exist."""
        places: dict[Address, Place] = {}
        for use in uses:
            if is_best(use.reference):
                self._check_best(use)
            elif self.exists(use.reference.address, use.entry, use.path, str(use.reference)):
                self._check_attribute(use)
            for address in self.named(use.reference):
                if address not in places:
                    places[address] = use.entry.mark(use.path)
        return places

    def expand(self, draft: Draft, inputs: dict[str, Any]) -> None:
        """Replaces `${job.x[*].…}` in lists of models by the list of its models: see `flattened`."""
        for name in RESOURCE_TYPES[draft.address.kind].several & inputs.keys():
            inputs[name] = [self._expanded(item) for item in inputs[name]]

    def _expanded(self, item: Any) -> Any:
        if not isinstance(item, Reference) or item.address.key != EVERY:
            return item
        return [replace(item, address=address) for address in self._instances(item.address)]

    def named(self, reference: Reference) -> list[Address]:
        """The addresses that a reference stands for: all jobs of a sweep for its best one."""
        address = reference.address
        if not is_best(reference):
            return self._instances(address)
        every = self._instances(address._replace(key=EVERY))
        admitted = keys_among((str(one.key) for one in every), self._among.get(address[:2], ()))
        return [one for one in every if one.key in admitted]

    @cached_property
    def _among(self) -> Mapping[tuple[str, str], Sequence[str]]:
        """By sweep, the keys and patterns of the jobs of which the best one is chosen."""
        jobs = (draft for draft in self.declared.drafts if kind_of(draft.address).trains)
        return {job.address[:2]: job.block.best.among or () for job in jobs if job.block.best}

    def _check_best(self, use: Use) -> None:
        address, attribute = use.reference.address, use.reference.attribute.removeprefix(BEST)
        row, base = kind_of(address), address._replace(key=None)
        keys = self.declared.keys.get((address.kind, address.name), {})
        if not row.trains:
            return self._check_attribute(use)
        if address.key is not None or (keys and None in keys):
            detail = "It chooses among all jobs of a `for_each`."
            hint = f"Write `${{{address}.{attribute if attribute != 'key' else 'fine_tuned_model'}}}`."
            use.entry.report(self.findings, use.path, f"{address} has no `best`", detail, hint)
        elif (address.kind, address.name) not in self.declared.keys:
            self.exists(address, use.entry, use.path, str(use.reference))
        elif self.exists(address._replace(key=EVERY), use.entry, use.path, str(use.reference)):
            one = Reference(self._instances(address._replace(key=EVERY))[0], attribute)
            is_known = attribute == "key" or (admits(row.computed, attribute) and not is_best(one))
            if not is_known or is_several(one):
                detail = "It is an attribute of the best job, or `key`."
                hint = did_you_mean(attribute, {*row.computed, "key"} - {"best.*"})
                place = use.entry.place_in(use.path, rf"(?<=\.){re.escape(attribute)}(?=\s*\}})")
                self.findings.append(Diagnostic(f"the best job has no `{attribute}`", detail, hint, place))
            drafts = [draft for draft in self.declared.drafts if draft.address[:2] == address[:2]]
            if len({repr((d.block.provider, d.block.best and d.block.best.as_data())) for d in drafts}) > 1:
                summary = f"the jobs of {base} can't be compared: their `best` or `provider` differs"
                detail = "`best` says how all of them are compared, and only one account has the model."
                use.entry.report(self.findings, use.path, summary, detail)
            elif is_known:
                self._check_metric(use, drafts)
        return None

    def _check_metric(self, use: Use, drafts: Iterable[Draft]) -> None:
        """A finding, once for a sweep, if its jobs won't have what the best one is chosen by."""
        among = self.named(use.reference)
        jobs = [draft for draft in drafts if draft.address in among]
        lacking = without_metric(jobs, next((d.block.best.metric or "" for d in jobs if d.block.best), ""))
        if lacking is None:
            return
        name = use.reference.address
        summary = f"the best of {name} can't be chosen: {lacking.address} has no `validation`"
        if all(finding.summary != summary for finding in self.findings):
            use.entry.report(self.findings, use.path, summary, *NO_METRIC)

    def with_first_job(self, value: Value) -> Value:
        """The value, in which `best` of a sweep has the address of its first job: see `config.sweeps`."""

        def first(reference: Reference | Secret) -> Value:
            if not is_best(reference) or not isinstance(reference, Reference):
                return reference
            jobs = self.named(reference)
            return replace(reference, address=jobs[0]) if jobs else reference

        return fill(value, first)

    def _instances(self, address: Address) -> list[Address]:
        """The address, or those that `[*]` stands for."""
        if address.key != EVERY:
            return [address]
        keys = self.declared.keys.get((address.kind, address.name), {})
        every = [address._replace(key=key) for key in sorted(k for k in keys if k is not None)]
        return [one for one in every if one not in self.declared.disabled]

    def depends_on(self, draft: Draft) -> dict[Address, Place]:
        """The addresses of `depends_on`; a name with `for_each` means all of its resources."""
        places: dict[Address, Place] = {}
        for index, text in enumerate(draft.block.depends_on or ()):
            path: Keys = ("depends_on", index)
            address = self._address(text, draft.entry, path)
            if address is None:
                continue
            place = draft.entry.mark(path)
            keys = self.declared.keys.get((address.kind, address.name), {})
            every = address.key is None and keys and None not in keys
            addresses = (
                [address._replace(key=key) for key in sorted(k or "" for k in keys)] if every else [address]
            )
            enabled = [a for a in addresses if not every or a not in self.declared.disabled]
            if every or self.exists(address, draft.entry, path, text):
                places |= dict.fromkeys(enabled, place)
        return places

    def _address(self, text: str, entry: Entry, path: Keys) -> Address | None:
        try:
            return Address.parse(text)
        except ValueError:
            detail = "It lists the addresses of resources that are applied first."
            address = ".".join(text.split(".")[:2])
            named = [f"`{k}.{n}`" for k, n in self.declared.keys if text == n or address == f"{k}.{n}"]
            hint = "Write addresses such as `job.base`, without `${…}` and an attribute."
            hint = f"Write {' or '.join(named)}." if named else hint
            entry.report(self.findings, path, f"`{text}` isn't a valid address", detail, hint)
            return None

    def exists(self, address: Address, entry: Entry, path: Keys, text: str) -> bool:
        """Whether the spec declares the address; a finding if it doesn't. `text`: the address as written."""
        name = (address.kind, address.name)
        keys = self.declared.keys.get(name)
        if name in self.declared.broken:
            return False
        if keys is None:
            finding = self._undeclared(address)
        elif address.key == EVERY and None not in keys:
            if self._instances(address):
                return True
            finding = (
                f"{address} stands for no resource",
                f"{'All of its resources are disabled' if keys else 'Its `for_each` is empty'}.",
                f"Give `for_each` an entry{' that is enabled' if keys else ''}, or write other candidates.",
            )
        elif address.key not in keys:
            finding = self._wrong_key(address, keys, entry, text)
        elif address in self.declared.disabled:
            finding = (
                f"{address} is disabled",
                "`enabled: false` leaves it out of the spec, so nothing can refer to it.",
                "Enable it, or disable this resource too.",
            )
        else:
            return True
        self.findings.append(Diagnostic(*finding, entry.place_in(path, re.escape(text))))
        return False

    def _undeclared(self, address: Address) -> tuple[str, str, str]:
        if address.kind not in RESOURCE_TYPES:
            return no_kind(address)
        section = RESOURCE_TYPES[address.kind].section
        detail = f"The spec declares no {address.kind} of this name under `{section}`."
        names = to_suggest(name for kind, name in self.declared.keys if kind == address.kind)
        hint = self._named_otherwise(address, names)
        if not hint:
            nothing = f"Declare it under `{section}`."
            hint = did_you_mean(address.name, names, nothing=nothing, said=len(self.findings))
        return f"there is no {address.kind} `{address.name}`", detail, hint

    def _named_otherwise(self, address: Address, names: Collection[str]) -> str:
        """A hint, if a resource is named by its file, its section or an attribute in place of its name."""
        row, text = RESOURCE_TYPES[address.kind], address.name
        if row.is_data and ("/" in text or text.endswith(".jsonl")):
            files = ((d.address, d.entry.value("path")) for d in self.declared.drafts)
            found = next((a.name for a, path in files if a.kind == address.kind and path == text), "")
            if found:
                return f"Write the name of the dataset with this file: `{found}`."
            return f"Declare the file, and write its name here: `{row.section}: {{train: {{path: {text}}}}}`."
        if row.is_data and text.startswith("file-"):
            return "Declare a dataset; `ftops import dataset.NAME ID` records a file that exists already."
        head, _, rest = text.removeprefix("${").removesuffix("}").strip().partition(".")
        name = rest.partition(".")[0]
        return f"Write `{name}`." if head in (row.kind, row.section) and name in names else ""

    def _wrong_key(
        self, address: Address, keys: Collection[str | None], entry: Entry, text: str
    ) -> tuple[str, str, str]:
        base = f"{address.kind}.{address.name}"
        if None in keys:
            return f"{base} has no `for_each`", "It is a single resource, without a key.", f"Write `{base}`."
        detail = f"Its `for_each` creates {plural(len(keys), 'resource')}, and the key says which one."
        if address.key is not None:
            nothing = "Its `for_each` is empty." if not keys else "Check its `for_each`."
            known = [key for key in keys if key is not None]
            ordered = ",".join(sorted(address.key.split(",")))  # as the keys of a `matrix` are made
            if ordered in keys:
                return f'{base} has no key "{address.key}"', "", f"Did you mean `{ordered}`?"
            hint = did_you_mean(address.key, known, nothing=nothing, said=len(self.findings))
            return f'{base} has no key "{address.key}"', "", hint
        own = isinstance(entry.data, dict) and "for_each" in entry.data
        index = "each.key" if own or not keys else f'"{next(iter(keys))}"'
        attribute = text.removeprefix("${").removesuffix("}").partition(f"{base}.")[2] or "id"
        hint = f"Write `${{{base}[{index}].{attribute}}}`."
        row = kind_of(address)
        if row.trains and not own and len(keys) > 1 and admits(row.computed, attribute):
            best = f"`${{{base}.best.{attribute}}}`"
            hint = f"Write {best} for the best job, or name one: {hint.removeprefix('Write ')}"
        return f"{base} needs a key", detail, hint

    def _check_attribute(self, use: Use) -> None:
        reference = use.reference
        computed = RESOURCE_TYPES[reference.address.kind].computed
        if admits(computed, reference.attribute):
            if reference.address.key == EVERY and self._stops_jobs(reference.address):
                summary = f"`{reference}` may stand for jobs without a model"
                detail = (
                    f"{reference.address._replace(key=None)} has `stop`: jobs that are stopped have none."
                )
                hint = f"Write `${{{reference.address._replace(key=None)}.best.fine_tuned_model}}`."
                use.entry.report(self.findings, use.path, summary, detail, hint)
            elif is_several(reference) and not _lists_models(use):
                summary = f"`{reference}` stands for several values"
                detail = "Only the candidates of an evaluation can be several."
                one = Reference(self._instances(reference.address)[0], reference.attribute)
                hint = f"Write one of them, such as `{str(one).replace('.*', '.best')}`."
                use.entry.report(self.findings, use.path, summary, detail, hint)
            return
        summary = f"{kind_of(reference.address).noun} has no attribute `{reference.attribute}`"
        detail = "An expression can refer to an attribute that the service sets."
        words = [a.replace(".*", ".best") for a in computed]
        place = use.entry.place_in(use.path, rf"(?<=\.){re.escape(reference.attribute)}(?=\s*\}})")
        meant = _ATTRIBUTES.get(reference.attribute, "")
        if step := re.fullmatch(r"checkpoint\.(?:step|ckpt)?[_-]?(\d+)", reference.attribute):
            meant = f"checkpoint.{step[1]}"
        is_known = admits(computed, meant)
        hint = f"Did you mean `{meant}`?" if is_known else did_you_mean(reference.attribute, words)
        self.findings.append(Diagnostic(summary, detail, hint, place))

    def _stops_jobs(self, every: Address) -> bool:
        drafts = (draft for draft in self.declared.drafts if draft.address[:2] == every[:2])
        return any(kind_of(draft.address).trains and draft.block.stop for draft in drafts)

    def _wrong_reference(self, value: Reference, path: Keys, what: str, hint: str, entry: Entry) -> None:
        detail = f"`{value}` is the attribute `{value.attribute}` of {kind_of(value.address).noun}."
        entry.report(self.findings, path, f"`{path[0]}` must be {what}", detail, hint)


def no_kind(address: Address) -> tuple[str, str, str]:
    """The error about an address of a kind that there isn't."""
    meant = {row.section: kind for kind, row in RESOURCE_TYPES.items()}.get(address.kind)
    hint = f"Write `{address._replace(kind=meant)}`." if meant else did_you_mean(address.kind, RESOURCE_TYPES)
    detail = f"An address begins with one of {', '.join(RESOURCE_TYPES)}."
    return f"there is no kind of resource `{address.kind}`", detail, hint


_LAST = ("checkpoint.last", "checkpoint.latest", "checkpoint.final")
_ATTRIBUTES: Mapping[str, str] = {
    **dict.fromkeys((*_LAST, "model", "model_id", "model_name", "output", "result"), "fine_tuned_model"),
    **dict.fromkeys(("file_id", "job_id", "ref"), "id"),
    **dict.fromkeys(("url", "uri", "host"), "endpoint"),
}
"""What other tools call attributes → their names here."""


def _is_model(reference: Reference) -> bool:
    kind = RESOURCE_TYPES.get(reference.address.kind)
    return kind is not None and admits(kind.model_attributes, reference.attribute.removeprefix(BEST))


def _named(kind: str, text: str) -> Address:
    """The resource that a bare name means, or the address of one."""
    if text.startswith(f"{kind}."):
        with suppress(ValueError):
            return Address.parse(text)
    return Address(kind, text)


def items_of(name: str, value: Any) -> list[tuple[Keys, Any]]:
    """An input, or the items of its list and of lists in it, each with the path of the item of the first."""
    if isinstance(value, list):
        return [
            ((name, index), one)
            for index, item in enumerate(value)
            for one in (item if isinstance(item, list) else [item])
        ]
    return [((name,), value)]


def flattened(resource: Resource) -> Resource:
    """Without lists in lists of models: these give their items the place of `[*]` in findings."""
    several = kind_of(resource.address).several & resource.inputs.keys()
    if not several:
        return resource
    flat = {name: [item for _, item in items_of(name, resource.inputs[name])] for name in several}
    return replace(resource, inputs={**resource.inputs, **flat})


def _lists_models(use: Use) -> bool:
    """Whether it is in a list of models."""
    return len(use.path) == 2 and any(use.path[0] in row.several for row in RESOURCE_TYPES.values())


def check_formats(
    jobs: Iterable[tuple[Draft, Mapping[str, Any]]],
    formats: Mapping[Address, str],
    findings: list[Diagnostic],
) -> None:
    """The data of a job has to be in the format of its method."""
    for draft, inputs in jobs:
        for name in ("training", "validation"):
            value = inputs.get(name)
            have = formats.get(value.address) if isinstance(value, Reference) else None
            need = METHOD_FORMATS[inputs["method"]]
            if isinstance(value, Reference) and have is not None and have != need:
                summary = f"the method {inputs['method']} needs data in the format `{need}`"
                detail = f"{value.address} is declared with `format: {have}`."
                hint = "Choose another dataset, or correct its `format`."
                draft.entry.report(findings, (name,), summary, detail, hint)


def check_always_there(
    draft: Draft, resource: Resource, hosted: Collection[Address], findings: list[Diagnostic]
) -> None:
    """Findings about what needs a deployment at all times that exists in its hours only (`hosted`)."""
    for key in ("target", "spillover"):
        value = resource.inputs.get(key)
        if isinstance(value, Reference) and value.address in hosted:
            detail = f"{value.address} has `hosting`: outside its hours it doesn't exist."
            hint = f"Remove `hosting` of {value.address}, or name another deployment."
            draft.entry.report(
                findings, (key,), f"`{key}` must be a deployment that always exists", detail, hint
            )
