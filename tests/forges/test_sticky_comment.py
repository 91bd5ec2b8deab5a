"""One comment, and none lost: whoever posts at the same time, and whatever fails between two requests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftops.forges.client import LONGEST_WAIT, Access, Clock, ForgeClient
from ftops.forges.errors import Busy, ForgeError, Refused, Unanswered
from ftops.forges.github import GITHUB
from ftops.forges.service import Target
from ftops.forges.sticky_comment import LEVELS, Marker, Published, Result, StickyComment
from tests.forges.conftest import HEAD, TOKEN
from tests.forges.github_api import GitHub
from tests.forges.stand_in import Fault, running

COMMENTS = "/issues/12/comments$"
NOW = 1_764_000_000.0
TARGET = Target("contoso/models", 12, HEAD)


class Sleeper:
    """A clock that doesn't wait."""

    def __init__(self) -> None:
        self.now = NOW
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now, self.sleep)


@contextmanager
def client_of(forge: GitHub, sleeper: Sleeper | None = None) -> Iterator[ForgeClient]:
    access = Access("GitHub", forge.api, GITHUB.login(TOKEN), TOKEN)
    client = ForgeClient(access, (sleeper or Sleeper()).clock)
    try:
        yield client
    finally:
        client.close()


def publish(
    forge: GitHub, text: str = "text", level: str = "safe", env: str = "prod", sleeper: Sleeper | None = None
) -> Published:
    with client_of(forge, sleeper) as client:
        marker = Marker("77", "drone", env, level, HEAD)
        return StickyComment(GITHUB, client, TARGET, marker).publish(iter([text]))


def test_pitfall_07_two_jobs_of_a_matrix_post_two_comments(github: GitHub) -> None:
    errors: list[BaseException] = []

    def post(env: str) -> None:
        try:
            publish(github, f"of {env}", env=env)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=post, args=(f"env-{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(c.body.splitlines()[1] for c in github.visible) == [f"of env-{n}" for n in range(6)]


def test_pitfall_07_a_post_whose_reply_is_lost_is_one_comment(github: GitHub) -> None:
    github.faults.append(Fault("POST", COMMENTS, is_lost=True))
    assert publish(github).result is Result.CREATED
    assert len(github.comments) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_pitfall_07_a_post_that_failed_is_repeated_once(github: GitHub, status: int) -> None:
    github.faults.append(Fault("POST", COMMENTS, status, "<html>Bad gateway</html>"))
    publish(github)
    assert len(github.comments) == 1
    github.comments.clear()
    github.faults.append(Fault("POST", COMMENTS, status, "<html>Bad gateway</html>", times=2))
    with pytest.raises(Unanswered, match="can't post the comment"):
        publish(github)
    assert github.comments == []


def test_pitfall_07_two_posters_of_the_same_comment_leave_the_newer_one(github: GitHub) -> None:
    other = Fault("POST", COMMENTS, before=lambda: publish(github, "of the other"))
    github.faults.append(other)
    publish(github, "of this one")
    assert [c.body.splitlines()[1] for c in github.visible] == ["of this one"]
    assert len(github.comments) == 2


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(LEVELS),
    st.sampled_from(LEVELS),
    st.sampled_from(LEVELS),
    st.integers(0, 6),
    st.lists(st.tuples(st.integers(0, 7), st.sampled_from(["lost", "500", "delete", "edit"])), max_size=3),
)
def test_whatever_happens_in_between_there_is_one_comment_in_the_end(
    first: str, other: str, last: str, at: int, faults: list[tuple[int, str]]
) -> None:
    """A poster, in the middle of which another one runs as a whole, and requests that fail; then a run
    without faults: one visible comment, with its text. One that a user wrote is never touched."""
    with running(GitHub()) as forge:
        assert isinstance(forge, GitHub)
        strangers = f"{Marker('77', 'drone', 'prod', 'safe', HEAD)}\nof eve"
        stranger = forge.write(strangers)
        publish(forge, "before", first)
        forge.faults += scheduled(forge, at, lambda: publish(forge, "of the other", other), faults)
        try:
            publish(forge, "of this one", last)
            assert "delete" in dict(faults).values() or [c for c in forge.visible if c is not stranger]
        except ForgeError:
            pass
        forge.faults.clear()
        publish(forge, "in the end", last)
        visible = [c.body.splitlines()[1] for c in forge.visible if c is not stranger]
        assert visible == ["in the end"]
        assert (stranger.body, stranger.is_minimized) == (strangers, False)


def scheduled(
    forge: GitHub, at: int, other: Callable[[], object], faults: list[tuple[int, str]]
) -> list[Fault]:
    """Faults by the number of the request that they happen to."""
    kinds = dict(faults)

    def action(number: int) -> Callable[[], None]:
        def act() -> None:
            mine = [c for c in forge.visible if c.author.login == "ci[bot]"]
            if kinds.get(number) == "delete" and mine:
                forge.comments.remove(mine[-1])
            if kinds.get(number) == "edit" and mine:
                mine[-1].body = mine[-1].body.replace("before", "edited")
            if number == at:
                rest = [fault for fault in forge.faults if fault.times]
                forge.faults.clear()
                other()
                forge.faults += rest

        return act

    return [
        Fault(
            "*",
            "",
            500 if kinds.get(number) == "500" else 0,
            "broken",
            is_lost=kinds.get(number) == "lost",
            before=action(number),
        )
        for number in range(8)
    ]


# waiting


@pytest.mark.parametrize(
    ("status", "message", "headers", "slept"),
    [
        (429, "slow down", {"Retry-After": "7"}, [7.0]),
        (403, "You have exceeded a secondary rate limit", {"Retry-After": "12"}, [12.0]),
        (403, "limit", {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(NOW) + 30)}, [30.0]),
        (403, "You have exceeded a secondary rate limit", {}, [60.0]),
        (429, "slow down", {"Retry-After": "Mon, 24 Nov 2025 16:00:20 GMT"}, [20.0]),
        (429, "slow down", {"Retry-After": f"Mon, 24 Nov 2025 16:00:20 +{'9' * 20}"}, [60.0]),
        (429, "slow down", {"RateLimit-Remaining": "0", "RateLimit-Reset": str(int(NOW) - 5)}, [1.0]),
        (503, "busy", {}, [1.0]),
    ],
)
def test_a_short_limit_is_waited_for(
    github: GitHub, status: int, message: str, headers: dict[str, str], slept: list[float]
) -> None:
    github.faults.append(Fault("GET", COMMENTS, status, {"message": message}, headers))
    sleeper = Sleeper()
    publish(github, sleeper=sleeper)
    assert sleeper.slept == slept
    assert len(github.comments) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "61"},
        {"Retry-After": "99999999999999999999"},
        {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"},
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999999"},
    ],
)
def test_pitfall_22_a_limit_over_a_minute_is_an_error_at_once(
    github: GitHub, headers: dict[str, str]
) -> None:
    github.faults.append(Fault("GET", COMMENTS, 429, {"message": "slow down"}, headers))
    sleeper = Sleeper()
    with pytest.raises(Busy, match="can't list the comments"):
        publish(github, sleeper=sleeper)
    assert sleeper.slept == []


def test_all_waits_together_last_a_minute(github: GitHub) -> None:
    github.faults.append(Fault("*", "", 429, {"message": "slow down"}, {"Retry-After": "25"}, times=99))
    sleeper = Sleeper()
    with pytest.raises(Busy):
        publish(github, sleeper=sleeper)
    assert sum(sleeper.slept) <= LONGEST_WAIT
    assert len(github.seen) == len(sleeper.slept) + 1


def test_a_limit_while_posting_is_waited_for_without_a_second_comment(github: GitHub) -> None:
    github.faults.append(
        Fault("POST", COMMENTS, 403, {"message": "secondary rate limit"}, {"Retry-After": "3"})
    )
    publish(github)
    assert len(github.comments) == 1


# where the token goes


def test_the_token_goes_to_the_server_of_the_api_only(github: GitHub) -> None:
    with running(GitHub()) as elsewhere:
        assert isinstance(elsewhere, GitHub)
        away = f"{elsewhere.api}/repos/contoso/models/issues/12/comments"
        for fault in (
            Fault("GET", COMMENTS, 302, None, {"Location": away}),
            Fault("GET", COMMENTS, 200, [], {"Link": f'<{away}?page=2>; rel="next"'}),
            Fault("POST", COMMENTS, 307, None, {"Location": away}),
            Fault("GET", COMMENTS, 302, None, {"Location": away.replace("127.0.0.1", "user@127.0.0.1")}),
        ):
            github.faults.append(fault)
            with pytest.raises(ForgeError, match="leads to another server"):
                publish(github)
        assert elsewhere.seen == []


def test_redirects_and_pages_without_end(github: GitHub) -> None:
    here = {"Location": f"{github.api}/repos/contoso/models/issues/12/comments"}
    github.faults.append(Fault("GET", COMMENTS, 301, None, here, times=99))
    with pytest.raises(ForgeError) as raised:
        publish(github)
    assert "redirects without end" in raised.value.detail
    github.faults.clear()
    github.faults.append(Fault("POST", COMMENTS, 301, None, here, times=99))
    with pytest.raises(ForgeError) as raised:
        publish(github)
    assert "use the present name" in raised.value.hint
    assert github.comments == []


def test_a_message_of_the_service_never_has_the_token(github: GitHub) -> None:
    github.faults.append(Fault("GET", COMMENTS, 401, {"message": f"bad token {TOKEN}\n\x1b[2J"}))
    with pytest.raises(Refused) as raised:
        publish(github)
    assert TOKEN not in str(raised.value.diagnostics)


def test_a_server_that_is_not_there(github: GitHub) -> None:
    url = github.api
    sleeper = Sleeper()
    with running(GitHub()) as gone:
        url = gone.api
    client = ForgeClient(Access("GitHub", url, {}, TOKEN), sleeper.clock)
    with pytest.raises(Unanswered, match="can't list"):
        list(client.pages("/x", "list"))
    client.close()
    assert sleeper.slept == [1.0, 2.0]


def test_the_stand_in_has_tags_and_pages(github: GitHub) -> None:
    for number in range(250):
        github.write(f"comment {number}")
    with client_of(github) as client:
        pages = list(client.pages("/repos/contoso/models/issues/12/comments?per_page=100", "list"))
    assert [len(page) for page in pages] == [100, 100, 50]
    url = f"{github.api}/repos/contoso/models/issues/12/comments"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx2.Client(headers=headers, trust_env=False, verify=False) as http:
        tag = http.get(url).headers["ETag"]
        assert http.get(url, headers={"If-None-Match": tag}).status_code == 304
        github.comments[0].body = "edited"
        assert http.get(url, headers={"If-None-Match": tag}).status_code == 200
