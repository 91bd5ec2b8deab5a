"""Recipes: what the data of a dataset is generated from, read from the files that its spec names."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from ftops.config.config import Config, Generated, Resource
from ftops.core.confined_files import content
from ftops.core.errors import Diagnostic, Place, SpecError, UsageError
from ftops.core.resource_types import kind_of
from ftops.core.suggestions import did_you_mean
from ftops.dataset import Unreadable, is_pattern
from ftops.evaluation.expectations import schemas_of
from ftops.generation.recipe import Recipe, Settings, Teacher, read_recipe, settings_from
from ftops.generation.recording import find_fault

Show = Callable[[Path], str]


def recipe_of(config: Config, resource: Resource, generated: Generated, show: Show) -> Recipe:
    """Raises SpecError if a file can't be used."""

    def read(keys: tuple[str, ...], path: str) -> tuple[bytes, str]:
        file = config.folder / path
        try:
            return content(file, config.project), show(file)
        except OSError as error:
            summary = f"can't read {show(file)}: {error.strerror or error}"
            hint = getattr(error, "hint", "") or "check the path: it is relative to the spec"
            place = generated.places.get(".".join(keys), generated.places[""])
            judges = keys == ("avoid",) and path not in generated.settings.get("avoid", ())
            detail = (
                f"Its prompts judge what {resource.address} trains, and are kept out of it." if judges else ""
            )
            raise SpecError([Diagnostic(summary, detail, hint, place)]) from error

    settings = _with_models(config, generated)
    name = str(resource.address).partition(".")[2]
    recipe = read_recipe(name, settings, read, _kept_out(config, resource))
    _check_rejections(recipe, generated)
    return recipe


def recording_fault(
    config: Config, resource: Resource, generated: Generated, show: Show
) -> Diagnostic | None:
    """Why the recording of a dataset can't be used. Raises SpecError if its recipe can't be read."""
    recipe = recipe_of(config, resource, generated, show)
    folder = config.folder / generated.folder
    try:
        fault = find_fault(folder, show(folder), recipe, config.project)
    except UsageError as error:
        return Diagnostic(error.summary, error.detail, error.hint, generated.places[""])
    return Diagnostic(fault.summary, fault.detail, fault.hint, generated.places[""]) if fault else None


def _check_rejections(recipe: Recipe, generated: Generated) -> None:
    """Raises SpecError if requests are rejected with a call of a function that isn't among the tools."""
    rejections, functions = recipe.settings.rejections, schemas_of(recipe.tools)
    if rejections is None or not rejections.function or rejections.function in functions:
        return
    summary = f"there is no function `{rejections.function}` to reject with"
    detail = f"It has to be among those of {recipe.settings.tools}."
    hint = did_you_mean(rejections.function, functions)
    raise SpecError([Diagnostic(summary, detail, hint, generated.places["rejections.function"])])


def _with_models(config: Config, generated: Generated) -> Settings:
    """The settings, with the models of the deployments that they name: another model gives other answers.
    Raises SpecError if there is no such deployment."""
    settings, places = settings_from(generated.settings), generated.places
    verify = settings.verify
    if verify.judge:
        verify = replace(verify, judge=_with_model(config, verify.judge, places["verify"]))
    return replace(settings, teacher=_with_model(config, settings.teacher, places["teacher"]), verify=verify)


def _with_model(config: Config, teacher: Teacher, place: Place) -> Teacher:
    name = teacher.deployment
    if not name:
        return teacher
    deployments = {str(r.address).partition(".")[2]: r for r in config.resources if kind_of(r.address).serves}
    if name not in deployments:
        hint = did_you_mean(name, deployments, nothing="declare it under `deployments`")
        detail = "The teacher and the judge are deployments of this spec, or endpoints."
        raise SpecError([Diagnostic(f"there is no deployment `{name}`", detail, hint, place)])
    model = deployments[name].inputs.get("model")
    if not isinstance(model, str):
        detail = f"It deploys {model}, which is known only after it is applied."
        raise SpecError([Diagnostic(f"deployment `{name}` can't teach", detail, "name a base model", place)])
    return replace(teacher, model=model)


def _kept_out(config: Config, resource: Resource) -> list[str]:
    """Files with what models are judged by: the validation data of jobs that learn from this dataset, and the
    prompts of evaluations. Without parts of the recording itself."""
    texts = dict.fromkeys(path for path in config.paths_that_judge(resource.address) if isinstance(path, str))
    return [file for path in texts if not _is_own(path, resource) for file in _files(config, path)]


def _files(config: Config, path: str) -> list[str]:
    if not is_pattern(path):
        return [path]
    from ftops.dataset.files.derived_files import matches

    with suppress(Unreadable):  # reported where the data is read
        return [os.path.relpath(file, config.folder) for file in matches(config.folder, path)]
    return []


def _is_own(path: str, resource: Resource) -> bool:
    """Whether a file is a part of the recording itself."""
    own = resource.generated.folder if resource.generated else ""
    return os.path.normpath(path).startswith(f"{own}/")
