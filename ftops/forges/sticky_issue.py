"""Sticky issue: one issue for each topic, repository, spec and environment.

It is recognised by its label, the marker in its first line, and its author: others can write markers, too.
The marker has a digest of what the issue is about, so an issue is written only if that has changed. It is
closed when there is nothing left to say, and opened again when there is. If somebody closes it before, it
stays closed until something changes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from ftops.forges.errors import ForgeError, Gone, Unanswered, unnamed
from ftops.forges.service import Issue, Issues, Request, Service, Target

if TYPE_CHECKING:
    from ftops.forges.client import ForgeClient

_MARKER = re.compile(r"<!-- ftops-issue:v1 topic=(\S*) repo=(\S*) spec=(\S*) env=(\S*) digest=(\S*) -->")


class Subject(Struct, frozen=True):
    """What an issue is about. `topic` is a word of ftops."""

    topic: str
    repository: str
    spec: str
    environment: str

    @property
    def label(self) -> str:
        return f"ftops-{self.topic}"

    def marker(self, digest: str) -> str:
        """The first line of the issue."""
        topic, repo, spec, env = self._parts
        return f"<!-- ftops-issue:v1 topic={topic} repo={repo} spec={spec} env={env} digest={digest} -->"

    def digest_in(self, body: str) -> str | None:
        """The digest in an issue about the same; None in any other."""
        found = _MARKER.match(body)
        return found[5] if found and found.groups()[:4] == self._parts else None

    @property
    def _parts(self) -> tuple[str, ...]:
        return tuple(
            quote(part, safe="") for part in (self.topic, self.repository, self.spec, self.environment)
        )


class Wanted(Struct, frozen=True):
    """What the issue should say. `digest` is empty if there is nothing to say: then it is closed, and `text`
    says why. `reopened` is the comment if it is opened again."""

    digest: str
    title: str
    text: str
    reopened: str = ""


class Result(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    REOPENED = "reopened"
    CLOSED = "closed"
    UNCHANGED = "unchanged"
    NOTHING = "nothing to say"


class Published(Struct, frozen=True):
    """What was done, the issue if there is one, and what failed that isn't essential."""

    result: Result
    issue: Issue | None = None
    warnings: tuple[str, ...] = ()


class StickyIssue:
    """The issue about a subject in the repository of a target."""

    def __init__(
        self, service: Service, issues: Issues, client: ForgeClient, target: Target, subject: Subject
    ) -> None:
        self._service, self._issues, self._client = service, issues, client
        self._target, self._subject = target, subject

    def publish(self, wanted: Wanted) -> Published:
        """Makes, updates, reopens or closes the issue. Raises ForgeError."""
        mine = self._mine()
        if mine:
            first, *others = sorted(mine, key=lambda one: (not one.is_open, _number(one)))
            warnings = self._close([one for one in others if one.is_open])
            try:
                done = self._publish(first, wanted)
                return replace(done, warnings=(*warnings, *done.warnings))
            except Gone:
                pass  # somebody deleted it meanwhile
        if not wanted.digest:
            return Published(Result.NOTHING)
        created = self._create(wanted)
        listed = [one for one in self._mine() if one.is_open]
        oldest = min((created, *listed), key=_number)
        warnings = self._close([one for one in listed if one.id != oldest.id])
        return Published(Result.CREATED, oldest, warnings)

    def _mine(self) -> Sequence[Issue]:
        """The issues with this label and marker by this account."""
        path = self._target.path(self._issues.list, label=self._subject.label)
        pages = self._client.pages(path, "list the issues")
        marked = [one for page in pages for one in self._issues.read(page) if self._digest(one) is not None]
        own = {one.id for one in self._service.own(self._client, marked)} if marked else set()
        return [one for one in marked if one.id in own]

    def _digest(self, issue: Issue) -> str | None:
        return self._subject.digest_in(issue.body)

    def _publish(self, issue: Issue, wanted: Wanted) -> Published:
        if self._digest(issue) == wanted.digest and (wanted.digest or not issue.is_open):
            return Published(Result.UNCHANGED if wanted.digest else Result.NOTHING, issue)
        changed = replace(self._drawn(wanted), id=issue.id, url=issue.url, node=issue.node)
        self._client.send(*self._issues.update(self._target, changed), what="update the issue")
        if issue.is_open == changed.is_open:
            return Published(Result.UPDATED if changed.is_open else Result.NOTHING, changed)
        text = wanted.reopened if changed.is_open else wanted.text
        comment = self._issues.comment(self._target, changed, text)
        warnings = self._tried(comment, "comment on the issue")
        return Published(Result.REOPENED if changed.is_open else Result.CLOSED, changed, warnings)

    def _drawn(self, wanted: Wanted) -> Issue:
        body = f"{self._subject.marker(wanted.digest)}\n{wanted.text}"
        return Issue("", body, title=wanted.title, is_open=bool(wanted.digest))

    def _create(self, wanted: Wanted) -> Issue:
        """One issue, even if the reply to a request is lost. One without its label couldn't be found again:
        it is closed."""
        label = self._issues.label(self._client, self._target, self._subject.label)
        request = self._issues.create(self._target, self._drawn(wanted), label)
        try:
            created = self._created(request)
        except Unanswered:
            posted = [one for one in self._mine() if self._digest(one) == wanted.digest and one.is_open]
            if posted:
                return posted[-1]
            created = self._created(request)
        if self._subject.label not in created.labels:
            self._close([created])
            raise ForgeError(
                f"the issue didn't get the label {self._subject.label}",
                f"{self._service.title} leaves it out if the token may not set labels; the issue was closed.",
                f"the token needs {self._service.rights['issue']}",
            )
        return created

    def _created(self, request: Request) -> Issue:
        """Raises ForgeError if the reply doesn't say which issue it is."""
        what = "create the issue"
        created = self._issues.created(self._client.send(*request, what=what).fields)
        if not created.id:
            raise unnamed(what, self._service.title)
        return created

    def _close(self, issues: Sequence[Issue]) -> tuple[str, ...]:
        """Closes issues that say the same as another one."""
        warnings: tuple[str, ...] = ()
        for issue in issues:
            request = self._issues.update(self._target, replace(issue, is_open=False))
            warnings += self._tried(request, "close the issue")
        return warnings

    def _tried(self, request: Request, what: str) -> tuple[str, ...]:
        """Why it failed, if so."""
        try:
            self._client.send(*request, what=what)
        except ForgeError as error:
            return (f"{error.summary}: {error.detail}",)
        return ()


def _number(issue: Issue) -> int:
    return int(issue.id) if issue.id.isdecimal() else 0
