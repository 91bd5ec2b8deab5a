"""Sticky comment: one comment of a pull request for each repository, spec and environment.

It is recognised by the marker in its first line, and by its author: others can write markers, too. It is
updated in place, unless the verdict became worse: updates are easily missed, so the old comment is collapsed
then, and a new one posted. A new comment is posted before another one is collapsed, so there is always one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import Struct

from ftops.forges.errors import ForgeError, Gone, TooLong, Unanswered, unnamed
from ftops.forges.service import Comment, Request, Service, Target

if TYPE_CHECKING:
    from ftops.forges.client import ForgeClient

LEVELS = ("none", "safe", "destructive", "denied", "blocked", "failed")
"""Verdicts, the worst last."""
_MARKER = re.compile(r"<!-- ftops:v1 repo=(\S*) spec=(\S*) env=(\S*) level=(\w*) head=\S* -->")


class Marker(Struct, frozen=True):
    """The first line of a comment. `head`: the commit that was planned."""

    repository: str
    spec: str
    environment: str
    level: str = ""
    head: str = ""

    def __str__(self) -> str:
        repo, spec, env, level, head = (
            quote(part, safe="")
            for part in (self.repository, self.spec, self.environment, self.level, self.head)
        )
        return f"<!-- ftops:v1 repo={repo} spec={spec} env={env} level={level} head={head} -->"

    def level_in(self, body: str) -> str | None:
        """The level in the comment of the same repository, spec and environment; None for any other."""
        found = _MARKER.match(body)
        wanted = (quote(part, safe="") for part in (self.repository, self.spec, self.environment))
        return found[4] if found and found.groups()[:3] == tuple(wanted) else None


class Result(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


class Published(Struct, frozen=True):
    """What was done, the comment, the index of the text that it has, and what failed that isn't essential."""

    result: Result
    comment: Comment
    text: int
    warnings: tuple[str, ...] = ()


class StickyComment:
    """The comment of a marker on the pull request of a target."""

    def __init__(self, service: Service, client: ForgeClient, target: Target, marker: Marker) -> None:
        self._service, self._client, self._target, self._marker = service, client, target, marker

    def publish(self, texts: Iterator[str]) -> Published:
        """Makes or updates the comment. `texts`: the same in ever shorter form, for a service that says that
        one is too long. Raises ForgeError."""
        for number, text in enumerate(texts):
            try:
                return self._publish(f"{self._marker}\n{text}", number)
            except TooLong as error:
                refused = error
        raise refused

    def _publish(self, body: str, text: int) -> Published:
        mine = self._mine()
        if mine and not self._is_worse(mine[-1]):
            *older, last = mine
            warnings = self._collapse(older)
            if self._is_same(last.body, body):
                return Published(Result.UNCHANGED, last, text, warnings)
            request = self._service.update(self._target, last, body)
            try:
                self._client.send(*request, what="update the comment")
                return Published(Result.UPDATED, last, text, warnings)
            except Gone:
                mine = older  # somebody deleted it meanwhile
        created = self._post(body)
        return Published(Result.CREATED, created, text, self._leave_only(created, mine))

    def _mine(self) -> Sequence[Comment]:
        """The comments with this marker by this account that aren't collapsed, the oldest first."""
        path = self._target.path(self._service.comments)
        pages = self._client.pages(path, "list the comments")
        marked = [c for page in pages for c in self._service.read(page) if self._level(c) is not None]
        own = self._service.own(self._client, marked) if marked else ()
        return sorted(own, key=_age)

    def _level(self, comment: Comment) -> str | None:
        return self._marker.level_in(comment.body)

    def _is_worse(self, last: Comment) -> bool:
        before = self._level(last) or ""
        return before in LEVELS and LEVELS.index(self._marker.level) > LEVELS.index(before)

    def _post(self, body: str) -> Comment:
        """One comment, even if the reply to a request is lost."""
        request = self._service.create(self._target, body)
        try:
            return self._created(request)
        except Unanswered:
            posted = [comment for comment in self._mine() if self._is_same(comment.body, body)]
            if posted:
                return posted[-1]
        return self._created(request)

    def _created(self, request: Request) -> Comment:
        """Raises ForgeError if the reply doesn't say which comment it is."""
        what = "post the comment"
        created = self._service.created(self._client.send(*request, what=what).fields)
        if not created.id:
            raise unnamed(what, self._service.title)
        return created

    def _is_same(self, one: str, other: str) -> bool:
        """Services may store other line ends, and no space at the end. The link to another run of the same
        job isn't news: a schedule would write every time."""
        run = re.sub(r"\d+", r"\\d+", re.escape(self._target.run_url))

        def compared(text: str) -> str:
            text = re.sub(rf"\[run\]\({run}\)", "[run]", text) if run else text
            return text.replace("\r\n", "\n").rstrip()

        return compared(one) == compared(other)

    def _leave_only(self, created: Comment, known: Sequence[Comment]) -> tuple[str, ...]:
        """Collapses the comments before the new one. If two runs post at the same time, both keep the newer
        one."""
        try:
            listed = self._mine()
        except ForgeError:
            listed = known
        return self._collapse([c for c in listed if _age(c) < _age(created)])

    def _collapse(self, comments: Sequence[Comment]) -> tuple[str, ...]:
        warnings = []
        for comment in comments:
            try:
                self._service.collapse(self._client, self._target, comment)
            except Gone:
                continue
            except ForgeError as error:
                warnings.append(f"an outdated comment can't be collapsed: {error.detail or error.summary}")
        return tuple(warnings)


def _age(comment: Comment) -> tuple[int, int]:
    """IDs of comments and threads rise."""
    thread, id = (int(part) if part.isdecimal() else 0 for part in (comment.thread, comment.id))
    return thread, id
