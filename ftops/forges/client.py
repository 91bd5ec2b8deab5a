"""Client of a forge's REST API: one server, one token, JSON.

The token goes to the server of the API only: other addresses in replies (next pages, redirects) are refused.
What is limited in rate is sent again after the time that the service names, for a minute in all; what failed
temporarily is sent again if a repetition does no harm. Importing this module loads httpx2.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urljoin

import httpx2

from ftops.core.limited_replies import EndlessReply, limited
from ftops.core.reply_json import parsed
from ftops.core.retry import Backoff
from ftops.core.trusted_hosts import address_refusal
from ftops.forges.errors import Busy, ForgeError, Gone, Refused, TooLong, Unanswered

LONGEST_WAIT = 60.0
"""Seconds that a command waits in all."""
_BACKOFF = Backoff(1.0, tries=3, longest_named=LONGEST_WAIT)
_TIMEOUT = httpx2.Timeout(30.0, connect=10.0)
_MOST_PAGES = 1_000
_MOST_REDIRECTS = 3
_NEXT = re.compile(r'<([^<>]*)>\s*;[^,]*\brel="?next\b')
_TOO_LONG = re.compile(r"too (long|large)|\bmaximum\b|\bexceed", re.IGNORECASE)
_REPEATABLE = frozenset({"GET", "PUT", "PATCH"})
_KEPT = frozenset({307, 308})
"""Redirects that keep the method; others are for reading."""


class Clock(NamedTuple):
    """Seconds since 1970, and how to wait."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


class Reply(NamedTuple):
    """The status, the JSON value, and headers by their names in lower case."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def fields(self) -> Mapping[str, Any]:
        """The body, if it is an object; else empty."""
        return self.body if isinstance(self.body, dict) else {}


class Access(NamedTuple):
    """The title of a service, the URL of its API without a slash at the end, the headers with the token, and
    the token itself, which is removed from messages."""

    title: str
    api: str
    headers: Mapping[str, str]
    token: str


class ForgeClient:
    """Raises ForgeError."""

    def __init__(self, access: Access, clock: Clock) -> None:
        if found := address_refusal(access.api):
            raise ForgeError(*found)
        self._access, self._clock = access, clock
        self._origin = httpx2.URL(access.api).copy_with(raw_path=b"/")
        self._patience = LONGEST_WAIT
        headers = {"User-Agent": "ftops", "Accept": "application/json", **access.headers}
        is_tls = not access.api.lower().startswith("http://")  # else this machine: no certificates, no proxy
        self._http = httpx2.Client(headers=headers, timeout=_TIMEOUT, trust_env=is_tls, verify=is_tls)

    @property
    def api(self) -> str:
        """The URL of the API."""
        return self._access.api

    def close(self) -> None:
        self._http.close()

    def pages(self, path: str, what: str) -> Iterator[Any]:
        """The JSON value of each page of a list."""
        url = path
        for _ in range(_MOST_PAGES):
            reply = self.send("GET", url, what=what)
            yield reply.body
            found = _NEXT.search(reply.headers.get("link", ""))
            if found is None:
                return
            url = str(self._url(found[1], self._url(url)))
        raise ForgeError(f"can't {what}", f"{self._access.title} lists more than {_MOST_PAGES:,} pages.")

    def send(
        self, method: str, path: str, body: Any = None, *, what: str, is_repeatable: bool = False
    ) -> Reply:
        """The reply to a request that succeeds. `path`: below the URL of the API, or a whole URL of the same
        server. `what`: what can't be done if it fails, such as `post the comment`. `is_repeatable`: a second
        POST does no harm."""
        repeatable = is_repeatable or method in _REPEATABLE
        failures = 0
        while True:
            try:
                reply = self._follow(method, path, body, what)
            except httpx2.ConnectError as error:
                failed: ForgeError = Unanswered(
                    f"can't {what}", f"{self._access.title} can't be reached: {error}.", _OFFLINE
                )
                can_repeat, named = True, None
            except (httpx2.HTTPError, EndlessReply) as error:
                reason = str(error) or type(error).__name__
                failed = Unanswered(f"can't {what}", f"{self._access.title} gave no usable answer: {reason}.")
                can_repeat, named = repeatable, None
            else:
                if reply.status < 300:
                    return reply
                named = self._wait_of(reply)
                can_repeat = named is not None or (reply.status >= 500 and repeatable)
                failed = self._failure(reply, what, named)
            failures += 1
            wait = _BACKOFF.wait(failures, named) if can_repeat else None
            if wait is None or (named or wait) > self._patience:
                raise failed
            self._patience -= wait
            self._clock.sleep(wait)

    def _url(self, path: str, base: httpx2.URL | None = None) -> httpx2.URL:
        """`path` is relative to the API, or as a link on the page `base`. Raises ForgeError if it leads to
        another server."""
        try:
            if base is not None:
                path = urljoin(str(base), path)
            url = httpx2.URL(path if "://" in path else self._access.api + path)
        except (httpx2.InvalidURL, ValueError) as error:
            raise ForgeError(f"{self._access.title} named an address that isn't one", f"{error}.") from error
        if url.copy_with(raw_path=b"/", fragment=None) != self._origin:
            raise ForgeError(
                f"{self._access.title} leads to another server: {url.scheme}://{url.netloc.decode()}",
                f"The token is only sent to {self._origin}.",
                "check the URL of the API and the name of the repository",
            )
        return url

    def _follow(self, method: str, path: str, body: Any, what: str) -> Reply:
        """The reply, after redirects within the same server: a repository may have been renamed."""
        url = self._url(path)
        for _ in range(_MOST_REDIRECTS + 1):
            reply = self._once(method, url, body)
            location = reply.headers.get("location", "")
            if not (300 <= reply.status < 400 and location):
                return reply
            url = self._url(location, url)
            if method != "GET" and reply.status not in _KEPT:
                raise ForgeError(
                    f"can't {what}",
                    f"{self._access.title} answers that it has moved to {url}.",
                    "use the present name of the repository",
                    status=reply.status,
                )
        raise ForgeError(f"can't {what}", f"{self._access.title} redirects without end.")

    def _once(self, method: str, url: httpx2.URL, body: Any) -> Reply:
        with self._http.stream(method, url, json=body) as response:
            content = b"".join(limited(response.iter_bytes()))
        headers = {name.lower(): value for name, value in response.headers.items()}
        try:
            value = parsed(content) if content else None
        except (ValueError, RecursionError):
            if response.is_success:
                raise _sign_in(self._access.title, response.status_code) from None
            value = None
        return Reply(response.status_code, value, headers)

    def _wait_of(self, reply: Reply) -> float | None:
        """Seconds after which the service wants to be asked again; None if that isn't the reason."""
        headers = reply.headers
        is_used_up = headers.get("x-ratelimit-remaining", headers.get("ratelimit-remaining")) == "0"
        named = headers.get("retry-after", "")
        about_rate = "rate limit" in message_of(reply.body).lower()
        if reply.status != 429 and not (reply.status == 403 and (named or is_used_up or about_rate)):
            return None
        if named.isascii() and named.isdigit():
            return float(named[:9])
        now = self._clock.now()
        if named:
            return max(0.0, _date(named, now) - now)
        reset = headers.get("x-ratelimit-reset", headers.get("ratelimit-reset", ""))
        if is_used_up and reset.isascii() and reset.isdigit():
            return max(1.0, float(reset[:12]) - now)
        return LONGEST_WAIT  # GitHub: wait a minute at least, if no header says how long

    def _failure(self, reply: Reply, what: str, wait: float | None) -> ForgeError:
        title, status = self._access.title, reply.status
        said = message_of(reply.body).replace(self._access.token, "…")[:500]
        quoted = f"{title} answered {status}" + (f": {said}" if said else "")
        detail = quoted if quoted.endswith(".") else f"{quoted}."
        summary = f"can't {what}"
        if wait is not None:
            when = datetime.fromtimestamp(min(self._clock.now() + wait, 9e9), UTC)
            hint = f"the limit ends at {when:%Y-%m-%d %H:%M:%S} UTC; run the job again then"
            return Busy(summary, f"{detail} It asks to wait {wait:,.0f} s.", hint, status=status)
        if status >= 500:
            return Unanswered(summary, detail, "run the job again", status=status)
        if status == 413 or (status in (400, 422) and _TOO_LONG.search(said)):
            return TooLong(summary, detail, status=status)
        if status in (404, 410):
            return Gone(summary, detail, status=status)
        if status in (401, 403):
            return Refused(summary, detail, status=status)
        return ForgeError(summary, detail, status=status)


def message_of(body: Any) -> str:
    """What the service says in the body of an error, in one line."""
    found: list[str] = []

    def collect(value: Any, depth: int = 0) -> None:
        if isinstance(value, str):
            found.append(" ".join(value.split()))
        elif depth < 4 and isinstance(value, dict):
            for name, inner in value.items():
                if depth or name in ("message", "error", "errors", "error_description"):
                    collect(inner, depth + 1)
        elif depth < 4 and isinstance(value, list):
            for inner in value:
                collect(inner, depth + 1)

    collect(body)
    return "; ".join(dict.fromkeys(filter(None, found)))


_OFFLINE = "check the network and the URL of the API"


def _sign_in(title: str, status: int) -> Refused:
    """Some services answer with the page of their login where a token isn't valid."""
    return Refused(
        f"{title} answered with something else than JSON ({status})",
        "it is probably the page for signing in: the token isn't valid, or the URL isn't that of the API.",
        "check the token and the URL of the API",
        status=status,
    )


def _date(text: str, now: float) -> float:
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return now + LONGEST_WAIT
