"""Endpoint graders: your own HTTP server scores an answer.

Sources: the README of the service's private preview. The server gets ``{sample, item, trace_id}`` by POST,
and replies ``{"score": number}``. A request has at most 1 MB and 10 minutes, and is sent three times at most.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ftops.emulator.grading.outcome import Case, Grade, Ungraded, graded, number

HERE = ("127.0.0.1", "localhost", "::1")
_ATTEMPTS = 3
_SECONDS = 600.0
_MAX_BYTES = 1_000_000
_CONNECTIONS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}


def address(url: Any) -> SplitResult | None:
    """The parts of an absolute URL of the scheme http or https; None if it is none."""
    with suppress(ValueError):
        parts = urlsplit(url if isinstance(url, str) else "")
        if parts.scheme in _CONNECTIONS and parts.hostname and parts.port != 0:
            return parts
    return None


def problem(grader: dict[str, Any]) -> str:
    """What is wrong with the fields of a grader; empty if nothing is."""
    headers, rate = grader.get("headers") or {}, grader.get("rate_limit")
    if address(grader.get("url")) is None:
        return "A grader of type endpoint needs 'url', an absolute URL of the scheme https or http."
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        return "'headers' of a grader must be an object of strings."
    if rate is not None and (number(rate) or 0.0) <= 0:
        return "'rate_limit' of a grader must be a number above 0."
    return ""


def scores(grader: dict[str, Any], cases: Sequence[Case], stop: threading.Event) -> list[Grade]:
    """The grades of all cases, at most ``rate_limit`` in a second."""
    interval = 1.0 / grader["rate_limit"] if grader.get("rate_limit") else 0.0
    due = time.monotonic()

    def score(case: Case) -> float:
        nonlocal due
        stop.wait(min(max(0.0, due - time.monotonic()), threading.TIMEOUT_MAX))
        due = max(due, time.monotonic()) + interval
        return _score(grader, case, stop)

    return graded(score, cases)


def _score(grader: dict[str, Any], case: Case, stop: threading.Event) -> float:
    content = {"sample": case.sample, "item": case.item, "trace_id": uuid.uuid4().hex}
    body, why = json.dumps(content).encode(), ""
    if len(body) > _MAX_BYTES:
        raise Ungraded("other_error", f"The request has more than {_MAX_BYTES} bytes.")
    for _ in range(_ATTEMPTS):
        if stop.is_set():
            raise Ungraded("other_error", "The job was stopped.")
        try:
            return _attempt(grader, body)
        except (OSError, http.client.HTTPException, ValueError) as exc:
            why = str(exc) or type(exc).__name__
    raise Ungraded("other_error", f"The endpoint gave no score in {_ATTEMPTS} attempts: {why}")


def _attempt(grader: dict[str, Any], body: bytes) -> float:
    """The score of a reply. Raises OSError, HTTPException, ValueError. Redirects aren't followed."""
    parts = urlsplit(grader["url"])
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"content-type": "application/json", **(grader.get("headers") or {})}
    connection = _CONNECTIONS[parts.scheme](str(parts.hostname), parts.port, timeout=_SECONDS)
    with closing(connection):
        connection.connect()
        late = threading.Timer(_SECONDS, connection.sock.shutdown, [socket.SHUT_RDWR])
        late.daemon = True
        late.start()
        try:
            connection.request("POST", target, body, headers)
            reply = connection.getresponse()
            content = reply.read(_MAX_BYTES + 1)
        finally:
            late.cancel()
    if reply.status != 200:
        raise ValueError(f"HTTP status {reply.status}.")
    if len(content) > _MAX_BYTES:
        raise ValueError(f"the reply has more than {_MAX_BYTES} bytes.")
    return _parsed(content)


def _parsed(content: bytes) -> float:
    with suppress(ValueError, RecursionError, TypeError, LookupError):
        score = number(json.loads(content)["score"])
        if score is not None:
            return score
    raise ValueError('the reply isn\'t {"score": number}.')
