"""Spec loading for the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from ftops.cli.switches import CI, UNTRUSTED, is_on
from ftops.config.config import Config, OutputsRead, StateSource
from ftops.config.loader import load, load_outline
from ftops.config.loader.settings import slug
from ftops.config.policy import POLICY_VARIABLE, PolicySources
from ftops.core.errors import Diagnostic, FtopsError, SpecError, UsageError
from ftops.core.project import display, spec_folder


class SpecArguments(Struct, frozen=True):
    """Which spec, and for which environment."""

    path: Path
    environment: str | None = None
    variables: tuple[str, ...] = ()
    variable_files: tuple[Path, ...] = ()
    is_approved: bool = False
    """Whether its plan is saved or expected by digest, so that it is applied later or elsewhere."""
    is_untrusted: bool = False
    """Whether somebody else wrote it, such as the author of a pull request."""
    is_offline: bool = False
    """Whether no service may be asked for the states of other specs."""
    policy_from: str = ""
    """The revision of Git whose rules count as well."""
    words: tuple[str, ...] = ()
    """The same as quoted words of a command line. Values of variables are left out: they may be secret."""

    def command(self, name: str) -> str:
        """A command for the same spec, for hints."""
        return " ".join(("ftops", name, *self.words))


def read(
    spec: SpecArguments, *, connecting: bool = True, destroying: bool = False, is_recorded: bool = False
) -> Config:
    """The spec, without its data. Without `connecting`, settings of services may lack a value from the
    environment. `is_recorded`: see `load`. Raises SpecError, and UsageError if specs are untrusted but the
    command needs a trusted one."""
    if spec.is_untrusted:
        from ftops.cli.untrusted import read_withheld

        return _named(read_withheld(partial(loaded, spec), destroying=destroying), spec)
    if is_on(UNTRUSTED, os.environ):
        raise UsageError(
            f"{UNTRUSTED} is set, but this command needs a trusted spec",
            "only `validate` and `plan` accept an untrusted spec.",
            f"unset {UNTRUSTED} if the spec is yours",
        )
    config = loaded(spec, os.environ, connecting=connecting, destroying=destroying, is_recorded=is_recorded)
    return _named(config, spec)


def loaded(
    spec: SpecArguments,
    environ: Mapping[str, str],
    *,
    connecting: bool = True,
    destroying: bool = False,
    is_recorded: bool = False,
) -> Config:
    return load(
        spec.path,
        environment=spec.environment,
        variables=spec.variables,
        variable_files=spec.variable_files,
        environ=environ,
        connecting=connecting,
        destroying=destroying,
        is_recorded=is_recorded,
        policy=PolicySources(spec.policy_from, os.environ.get(POLICY_VARIABLE), spec.is_untrusted),
        read_outputs=partial(_outputs, spec, connecting),
    )


def _outputs(spec: SpecArguments, connecting: bool, source: StateSource) -> OutputsRead:
    from ftops.session.other_states import read_outputs  # only if the spec refers to another state

    is_offline = spec.is_offline or not connecting
    return read_outputs(source, os.environ, is_offline=is_offline, is_untrusted=spec.is_untrusted)


def _named(config: Config, spec: SpecArguments) -> Config:
    """The same. Raises SpecError if the spec must set its name and doesn't: the name of the folder, and so
    the state, would be another one in another checkout."""
    reasons = {
        f"{CI} is set": is_on(CI, os.environ),
        f"its state is stored in a bucket ({config.state.backend})": config.state.is_in_bucket,
        "its plan is saved or applied by digest": spec.is_approved,
    }
    why = next((reason for reason, holds in reasons.items() if holds), None)
    if why is None or config.is_named:
        return config
    raise SpecError(
        [
            Diagnostic(
                "the spec doesn't set its name",
                f"{why[0].upper()}{why[1:]}: a checkout in a folder with another name would have another "
                "digest and a different, empty state.",
                f"write `ftops: {{name: {config.name}}}` into the spec; this is its name in this folder",
            )
        ]
    )


def read_outline(spec: SpecArguments) -> Config:
    """For commands that only need the state: the spec, or its outline (no resources) if it can't be read, for
    example because a variable has no value. Raises SpecError."""
    try:
        return read(spec)
    except SpecError:
        outline = load_outline(
            spec.path,
            environment=spec.environment,
            variable_files=spec.variable_files,
            environ=os.environ,
        )
        return _named(outline, spec)


def probable_name(path: Path, environment: str | None) -> str:
    """The name of a spec that can't be read as a whole, as well as can be told."""
    try:
        return load_outline(path, environment=environment, environ={}).name
    except FtopsError:
        return slug(spec_folder(path.absolute()).name) or "spec"


def read_to_destroy(spec: SpecArguments) -> Config:
    """For destroy: the spec, or if it can't be read, the parts that deleting needs. A variable without a
    value is an error only in the settings of a provider and in `lifecycle`. Raises SpecError."""
    try:
        return read(spec)
    except SpecError:
        return read(spec, destroying=True)


def read_recorded(spec: SpecArguments, environment: str) -> Config:
    """For an environment that has a state: what deleting its objects needs, without resources. It needn't be
    declared. Raises SpecError."""
    chosen = replace(spec, environment=environment)
    return replace(read(chosen, destroying=True, is_recorded=True), resources=())


def read_with_data(
    spec: SpecArguments, *, connecting: bool = True, is_partial: bool = False
) -> tuple[Config, tuple[Diagnostic, ...]]:
    """The spec with the content of its data files; the warnings. Raises SpecError; if only a part of the spec
    may be planned, files that can't be used are errors of the plan."""
    from ftops.config.data_files import with_data  # only if data is needed

    return with_data(read(spec, connecting=connecting), display, is_partial=is_partial)
