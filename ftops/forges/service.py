"""Service: what differs between the Git hosting services, as the fields of a row. `services` has the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from msgspec import Struct

if TYPE_CHECKING:
    from ftops.forges.client import ForgeClient


class Target(Struct, frozen=True):
    """Where something is written: the repository as the service's API names it, the number of the pull
    request (0: none), the commit and the page of the CI run (empty: none)."""

    repository: str
    pull: int = 0
    commit: str = ""
    run_url: str = ""

    def path(self, template: str, **more: str | int) -> str:
        """A path of the API. `{repository}` stands for the name with its slashes, `{project}` for the same as
        one part, `{owner}` and `{name}` for its two parts."""
        owner, _, name = self.repository.rpartition("/")
        parts = {"project": self.repository, "owner": owner, "name": name, "commit": self.commit}
        quoted = {key: quote(value, safe="") for key, value in parts.items()}
        ids = {key: quote(str(value), safe="") for key, value in more.items()}
        return template.format(repository=quote(self.repository), pull=self.pull, **quoted, **ids)


class Comment(Struct, frozen=True):
    """A comment. `thread` is the ID of its thread, where comments are in threads; `node` is its ID in
    GraphQL, where there is one."""

    id: str
    body: str
    author: str = ""
    url: str = ""
    thread: str = ""
    node: str = ""


class Issue(Comment, frozen=True):
    """An issue. `id` is the number that paths name it by."""

    title: str = ""
    is_open: bool = True
    labels: tuple[str, ...] = ()


class Issues(Struct, frozen=True):
    """How issues are written."""

    label: Callable[[ForgeClient, Target, str], str | int]
    """The label of this name as `create` takes it; made first where issues don't make it."""
    list: str
    """The path of a list of all issues with the name of a `{label}`, closed ones included."""
    read: Callable[[Any], Iterable[Issue]]
    """The issues of a page of it."""
    create: Callable[[Target, Issue, str | int], Request]
    """With the title and text of this one, and a label."""
    created: Callable[[Any], Issue]
    """The issue in the reply to `create`."""
    update: Callable[[Target, Issue], Request]
    """To its title, text, and whether it is open."""
    comment: Callable[[Target, Issue, str], Request]


class Pull(Struct, frozen=True):
    """A pull request that was merged, and the commits that the merge may have made."""

    number: int
    commits: tuple[str, ...]


class Status(Struct, frozen=True):
    """A commit status: its name, one of `pending`, `success`, `failure` and `error`, and a line of text."""

    name: str
    state: str
    description: str


class Check(Struct, frozen=True):
    """A check run with annotations. `id` is the same for the same findings of the same run."""

    name: str
    conclusion: str
    title: str
    summary: str
    annotations: Sequence[Mapping[str, Any]]
    id: str


class Request(NamedTuple):
    method: str
    path: str
    body: Mapping[str, Any]


class Variables(Struct, frozen=True):
    """The environment variables of the service's CI, as templates: the first whose variables are all set
    counts. `is_ci` is set to `true` there. `token` has names of variables."""

    is_ci: tuple[str, ...]
    api: tuple[str, ...]
    repository: tuple[str, ...]
    pull: tuple[str, ...]
    commit: tuple[str, ...]
    token: tuple[str, ...]
    page: tuple[str, ...]
    """The page of the repository."""
    repository_id: tuple[str, ...] = ()
    """If the name of the repository may change."""


class Service(Struct, frozen=True):
    """A row. The functions raise ForgeError."""

    name: str
    title: str
    variables: Variables
    limit: int
    """Of a comment, in bytes: less than in characters, which services count."""
    login: Callable[[str], Mapping[str, str]]
    """Headers with a token."""
    comments: str
    """The path of a list of comments."""
    read: Callable[[Any], Iterable[Comment]]
    """The comments of a page of it."""
    own: Callable[[ForgeClient, Sequence[Comment]], Sequence[Comment]]
    """Those of this account that aren't collapsed; of issues, too."""
    create: Callable[[Target, str], Request]
    created: Callable[[Any], Comment]
    """The comment in the reply to `create`."""
    update: Callable[[Target, Comment, str], Request]
    collapse: Callable[[ForgeClient, Target, Comment], None]
    """Hides a comment that is out of date."""
    status: Callable[[Target, Status], Request]
    merged: Callable[[ForgeClient, Target], Iterable[Pull]]
    """The pull requests that the commit is of, and that were merged."""
    line: str
    """The path of a line of a file at a commit, below the page of the repository: `{commit}`, `{path}`,
    `{line}`."""
    status_again: str = ""
    """What the service says where a commit has this status already, as a regular expression."""
    check: Callable[[ForgeClient, Target, Check], str] | None = None
    """Creates a check run; returns the URL of its page."""
    reports: str = ""
    """What it takes instead of a check run."""
    issues: Issues | None = None
    rights: Mapping[str, str] = {}
    """What the token needs for `comment`, `status`, `annotate` and `issue`."""
