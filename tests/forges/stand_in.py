"""Stand-in: a server with the documented API of a Git hosting service, which keeps what is written to it.

A service is a table of routes (`github_api` and others). Here is what they share: tokens and rights, pages,
ETags, faults by switch, a log of requests, and the check of every request and reply against an extract of the
vendor's published description (`published/`, `extract.py`).
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import jsonschema_rs

from tests.support.http_server import JSON, Handler, Server, serving

AT = "2026-11-30T09:30:00Z"
PUBLISHED = Path(__file__).parent / "published"


@dataclass(frozen=True)
class Account:
    """Who a token belongs to, and what it may do: `comment`, `status`, `annotate`, `issue`, `label`, and
    `actions` (read them)."""

    id: int
    login: str
    rights: frozenset[str] = frozenset({"comment", "status", "annotate", "issue", "label", "actions"})


@dataclass
class Issue:
    """An issue; `comments` has the texts of those by accounts of tests and of the CI."""

    number: int
    title: str
    body: str
    author: Account
    labels: list[str] = field(default_factory=list)
    is_open: bool = True
    comments: list[str] = field(default_factory=list)


@dataclass
class Merged:
    """A pull request that has a commit, and what merging it has made: the commit of the merge, of a squash,
    or the last one of a rebase."""

    number: int
    merge: str = ""
    squash: str = ""
    head: str = ""
    is_merged: bool = True


@dataclass
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    headers: Mapping[str, str]
    account: Account | None = None
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Reply:
    status: int
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()


class Failure(Exception):
    """Raised by a route."""

    def __init__(self, status: int, message: Any, **more: Any) -> None:
        super().__init__(message)
        self.reply = Reply(status, {"message": message, **more})


@dataclass
class Fault:
    """What happens to the next requests that fit. `is_lost`: the request is carried out, and its reply lost;
    `before` is called first. Without a status, the request is carried out."""

    method: str
    path: str
    status: int = 0
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_lost: bool = False
    before: Callable[[], object] | None = None
    times: int = 1

    def fits(self, request: Request) -> bool:
        return (
            self.times > 0
            and self.method in ("*", request.method)
            and re.search(self.path, request.path) is not None
        )


class Lost(Exception):
    """The connection is closed without a reply."""


Function = Callable[[Any, Request], Reply]


class StandIn(Server):
    """`prefix` is the path of the API on its server."""

    service = ""
    prefix = ""
    routes: ClassVar[Mapping[str, Function]] = {}

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.accounts: dict[str, Account] = {
            "t0ken-of-ci": Account(41, "ci[bot]"),
            "t0ken-of-eve": Account(7, "eve"),
        }
        self.faults: list[Fault] = []
        self.seen: list[str] = []
        """`METHOD /path status`, without the prefix."""
        self.authorizations: set[str] = set()
        self.violations: list[str] = []
        self.issues: list[Issue] = []
        self.merged: dict[str, list[Merged]] = {}
        """By a commit that they have or made."""
        self.lock = threading.Lock()
        self._last = 1000

    @property
    def api(self) -> str:
        return f"{self.url}{self.prefix}"

    @property
    def writes(self) -> list[str]:
        return [line for line in self.seen if not line.startswith("GET") and "graphql" not in line]

    def new_id(self) -> int:
        self._last += 1
        return self._last

    def token_of(self, headers: Mapping[str, str]) -> str:
        return headers.get("authorization", "").partition(" ")[2]

    def respond(self, request: Request) -> Reply:
        with self.lock:
            fault = next((fault for fault in self.faults if fault.fits(request)), None)
            if fault is not None:
                fault.times -= 1
        if fault is not None and fault.before is not None:
            fault.before()
        with self.lock:
            if fault is not None and fault.status:
                reply = Reply(fault.status, fault.body, tuple(fault.headers.items()))
            else:
                reply = self._carried_out(request)
            self.seen.append(f"{request.method} {request.path} {reply.status}")
        if fault is not None and fault.is_lost:
            raise Lost
        return reply

    def _carried_out(self, request: Request) -> Reply:
        self.authorizations.add(self.token_of(request.headers))
        request.account = self.accounts.get(self.token_of(request.headers))
        try:
            if request.account is None:
                raise Failure(401, "Bad credentials")
            for name, function in self.routes.items():
                method, _, template = name.partition(" ")
                found = _pattern(template).fullmatch(request.path)
                if method == request.method and found is not None:
                    request.params = {key: unquote(value) for key, value in found.groupdict().items()}
                    return self._checked(name, function, request)
            raise Failure(404, "Not Found")
        except Failure as failure:
            return failure.reply

    def _checked(self, name: str, function: Function, request: Request) -> Reply:
        published = _published(self.service).get(name)
        if published is None:
            return function(self, request)
        if "request" in published and (why := _invalid(published["request"], request.body)):
            raise Failure(422, f"Invalid request: {why}")
        try:
            reply = function(self, request)
        except Failure as failure:
            if str(failure.reply.status) not in (*published["statuses"], "400", "401", "403", "404", "422"):
                self.violations.append(f"{name}: {failure.reply.status} isn't documented")
            raise
        schema = published["replies"].get(str(reply.status))
        if schema is None:
            self.violations.append(f"{name}: {reply.status} isn't documented")
        elif schema and (why := _invalid(schema, self.published_form(reply.body))):
            self.violations.append(f"{name}: {why}")
        return self._tagged(request, reply)

    def published_form(self, body: Any) -> Any:
        """The part of a reply that the published description is about."""
        return body

    def _tagged(self, request: Request, reply: Reply) -> Reply:
        if request.method != "GET":
            return reply
        tag = f'"{sha256(json.dumps(reply.body).encode()).hexdigest()[:16]}"'
        if request.headers.get("if-none-match") == tag:
            return Reply(304, None, (("ETag", tag),))
        return Reply(reply.status, reply.body, (*reply.headers, ("ETag", tag)))

    def page(self, request: Request, items: list[Any]) -> Reply:
        """A page of a list, with a link to the next one."""
        size = min(int(request.query.get("per_page", 30)), 100)
        number = int(request.query.get("page", 1))
        shown = items[(number - 1) * size : number * size]
        if number * size >= len(items):
            return Reply(200, shown)
        query = urlencode({**request.query, "page": number + 1})
        link = f'<{self.api}{request.path}?{query}>; rel="next", <{self.api}{request.path}>; rel="first"'
        return Reply(200, shown, (("Link", link),))

    def issue(self, number: str) -> Issue:
        """Raises Failure if there is none."""
        for issue in self.issues:
            if str(issue.number) == number:
                return issue
        raise Failure(404, "Not Found")

    def labelled(self, request: Request, *, newest_first: bool = True) -> list[Issue]:
        """The issues that a list of them asks for."""
        assert request.query["state"] == "all"
        found = [issue for issue in self.issues if request.query["labels"] in issue.labels]
        return found[::-1] if newest_first else found

    def new_issue(self, request: Request, body: str, labels: list[str]) -> Issue:
        """Without labels, if the account may not set them: services leave them out."""
        author = self.need(request, "issue")
        labels = labels if "label" in author.rights else []
        issue = Issue(self.new_id(), str(request.body["title"]), body, author, labels)
        self.issues.append(issue)
        return issue

    @staticmethod
    def need(
        request: Request, right: str, message: str = "Resource not accessible by integration"
    ) -> Account:
        """Who asks. Raises Failure if they may not."""
        assert request.account is not None
        if right not in request.account.rights:
            raise Failure(403, message)
        return request.account


class _Handler(Handler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        server = self.server
        assert isinstance(server, StandIn)
        url = urlsplit(self.path)
        content = self.content()
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        path = url.path.removeprefix(server.prefix)
        body = json.loads(content) if content else None
        try:
            reply = server.respond(Request(self.command, path, query, body, headers))
        except Lost:
            self.close_connection = True
            return
        if isinstance(reply.body, str):
            self.answer(reply.status, reply.body.encode(), ("Content-Type", "text/html"), *reply.headers)
        else:
            content = b"" if reply.body is None else json.dumps(reply.body).encode()
            self.answer(reply.status, content, JSON, *reply.headers)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _answer


@cache
def _published(service: str) -> dict[str, Any]:
    routes: dict[str, Any] = json.loads((PUBLISHED / f"{service}.json").read_text("utf-8"))["routes"]
    return routes


def _invalid(schema: dict[str, Any], value: Any) -> str:
    """Why a value isn't as a description says; empty if it is."""
    try:
        jsonschema_rs.validate(schema, value)
    except jsonschema_rs.ValidationError as error:
        return f"{error.message} at {'/'.join(map(str, error.instance_path))}"
    return ""


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", template))


@contextmanager
def running(stand_in: StandIn) -> Iterator[StandIn]:
    """The stand-in answers until the context ends; then all of its replies must have been as published."""
    with serving(stand_in):
        yield stand_in
    assert stand_in.violations == [], stand_in.violations
