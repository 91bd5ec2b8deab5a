"""Kept answers beside a state in a bucket at a real server, in the clear and encrypted."""

from __future__ import annotations

import itertools
import json
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from ftops.config.loader import load
from ftops.core.errors import StateError
from ftops.evaluation import kept_answers
from ftops.evaluation.answer_archive import list_answers, older, prune
from ftops.evaluation.answers import Answer
from ftops.evaluation.kept_answers import KeptAnswers
from ftops.session.answers import BucketSegments, Keeper, shared_answers
from ftops.state.backends.bucket_interface import Bucket
from ftops.state.backends.bucket_services import CLIENT, RETRIES, open_bucket
from ftops.state.encryption import Keys, key_of
from tests.support import forked
from tests.support.command import environment, run
from tests.support.embedded import SPEC, Folder, wait_until
from tests.support.emulator_admin import Admin
from tests.support.proxy import proxy
from tests.support.servers import Service

OLD, NEW = key_of("11" * 32, "the key"), key_of("22" * 32, "the key")
SEALED = Keys(OLD)
CANARY = "canary-3f9a1c77"
_numbers = itertools.count()


@dataclass
class Place:
    """A bucket, and machines that share it."""

    bucket: Bucket
    keys: Keys | None
    root: Path

    def machine(self, name: str, keys: Keys | None = None, fresh: bool = False) -> KeptAnswers:
        return KeptAnswers(self.root / name, "m", fresh, BucketSegments(self.bucket, keys or self.keys))

    def asked(self, name: str, **answers: str) -> KeptAnswers:
        """A machine that has asked these."""
        made = self.machine(name)
        with made.asking():
            for key, text in answers.items():
                made.add(key, Answer(text))
            assert made.share(now=True) is None
        return made

    def names(self) -> list[str]:
        return self.bucket.names("answers/")


@pytest.fixture(params=["plain", "sealed"])
def place(request: pytest.FixtureRequest, service: Service, tmp_path: Path) -> Place:
    bucket = open_bucket(service.backend, service.settings, f"answers/{next(_numbers)}")
    return Place(bucket, SEALED if request.param == "sealed" else None, tmp_path)


@pytest.fixture
def sealed(service: Service, tmp_path: Path) -> Place:
    return Place(
        open_bucket(service.backend, service.settings, f"answers/{next(_numbers)}"), SEALED, tmp_path
    )


def test_what_one_machine_has_asked_another_one_knows(place: Place) -> None:
    place.asked("a", k=CANARY, l="2")
    other = place.machine("b")
    assert (other.get("k"), other.get("l"), other.unusable) == (Answer(CANARY), Answer("2"), 0)
    (name,) = place.names()
    stored = place.bucket.get(name)
    assert stored is not None
    assert (CANARY.encode() in stored.content) == (place.keys is None)


def test_two_machines_at_once_lose_nothing(place: Place) -> None:
    first, second = place.machine("a"), place.machine("b")
    with first.asking(), second.asking():
        for made, keys in ((first, "kl"), (second, "lm")):
            for key in keys:
                made.add(key, Answer(key))
        assert (first.share(now=True), second.share(now=True)) == (None, None)
    third = place.machine("c")
    assert [third.get(key) for key in "klm"] == [Answer(key) for key in "klm"]


def test_a_killed_run_leaves_answers_that_the_next_one_shares(place: Place) -> None:
    place.machine("a").add("k", Answer("1"))
    assert place.names() == []
    again = place.machine("a")
    with again.asking():
        assert again.share(now=False) is None  # neither many nor old
        assert place.names() == []
        assert again.share(now=True) is None
    assert place.machine("b").get("k") == Answer("1")


def test_a_run_that_is_killed_after_sharing_shares_nothing_twice(place: Place) -> None:
    made = place.machine("a")
    made.add("k", Answer("1"))
    (file,) = (place.root / "a").glob(".ftops/answers/*.jsonl")
    before = file.read_bytes()
    with made.asking():
        made.share(now=True)
    assert len(file.read_bytes()) < len(before)
    file.write_bytes(before)  # as if it hadn't come so far
    again = place.machine("a")
    with again.asking():
        again.share(now=True)
    assert again.get("k") == Answer("1")
    assert len(place.names()) == 1


def test_many_answers_are_shared_at_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_answers, "BATCH", 10)
    made = place.machine("a")
    with made.asking():
        for number in range(25):
            made.add(str(number), Answer(str(number)))
            made.share(now=False)
        assert len(place.names()) == 2
        made.share(now=True)
    assert len(place.names()) == 3
    assert all(place.machine("b").get(str(number)) == Answer(str(number)) for number in range(25))


def test_new_answers_take_the_place_of_old_ones_everywhere(place: Place) -> None:
    """The newest one counts, whichever segment is read first."""
    place.asked("a", k="old")
    fresh = place.machine("a", fresh=True)
    assert fresh.get("k") is None
    with fresh.asking():
        for text in ("first", "second"):
            fresh.add("k", Answer(text))
        fresh.share(now=True)
    assert place.machine("a").get("k") == Answer("second")


Damage = Callable[[Bucket, str, bytes], object]
DAMAGES: dict[str, Damage] = {
    "cut off": lambda bucket, name, content: _put(bucket, name, content[:-20]),
    "empty": lambda bucket, name, content: _put(bucket, name, b""),
    "not text": lambda bucket, name, content: _put(bucket, name, b"\xff\xfe\x00"),
    "changed": lambda bucket, name, content: _put(bucket, name, content.replace(b"a", b"b")),
    "under another name": lambda bucket, name, content: _move(bucket, name, f"{name[:-4]}0000", content),
    "of another model": lambda bucket, name, content: _move(
        bucket, name, name.replace(name.split("/")[1], "0" * 32), content
    ),
    "a path": lambda bucket, name, content: _move(bucket, name, "answers/x/..%2F..%2Fx", content),
}


def _put(bucket: Bucket, name: str, content: bytes) -> None:
    found = bucket.get(name)
    assert found is not None
    bucket.replace(name, content, found.tag)


def _move(bucket: Bucket, name: str, to: str, content: bytes) -> None:
    bucket.create(to, content)
    bucket.delete([name])


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_segment_is_not_used(place: Place, damage: str) -> None:
    mine = place.asked("a", k="1")
    (name,) = place.names()
    found = place.bucket.get(name)
    assert found is not None
    DAMAGES[damage](place.bucket, name, found.content)
    other = place.machine("b")
    assert other.get("k") is None
    assert other.unusable == (damage not in {"of another model", "a path"})
    assert mine.get("k") == Answer("1")
    place.asked("b", k="2")  # asked again, and the damage is none to it
    assert place.machine("c").get("k") == Answer("2")


def test_a_segment_that_was_edited_here_is_fetched_again(place: Place) -> None:
    place.asked("a", k="right", l="2")
    (file,) = (place.root / "a").glob(".ftops/answers/*/*.jsonl")
    file.write_bytes(file.read_bytes().replace(b"right", b"wrong"))
    again = place.machine("a")
    assert (again.get("k"), again.damaged) == (Answer("right"), 0)


def test_an_encrypted_state_believes_no_forged_answers(sealed: Place) -> None:
    """Whoever can write to the bucket, but doesn't have the key, can't decide an evaluation."""
    plain = Place(sealed.bucket, None, sealed.root)
    plain.asked("stranger", k="forged")
    Place(sealed.bucket, Keys(NEW), sealed.root).asked("other", k="forged, too")
    mine = sealed.machine("a")
    assert (mine.get("k"), mine.unusable) == (None, 2)
    trusting = sealed.machine("b", Keys(OLD, accept_plain=True))
    assert (trusting.get("k"), trusting.unusable) == (Answer("forged"), 1)


def test_answers_survive_a_new_key(sealed: Place) -> None:
    sealed.asked("a", k="1")
    assert sealed.machine("b", Keys(NEW, (OLD,))).get("k") == Answer("1")
    assert sealed.machine("c", Keys(None, (OLD,))).get("k") == Answer("1")


def test_a_new_key_encrypts_what_is_there(sealed: Place) -> None:
    """Then the former one isn't needed any more. What nobody can read stays as it is."""
    sealed.asked("a", k="1")
    Place(sealed.bucket, Keys(key_of("33" * 32, "the key")), sealed.root).asked("other", k="2")
    BucketSegments(sealed.bucket, Keys(NEW, (OLD,))).renew()
    changed = sealed.machine("b", Keys(NEW))
    assert (changed.get("k"), changed.unusable) == (Answer("1"), 1)
    BucketSegments(sealed.bucket, Keys(None, (NEW,))).renew()
    assert Place(sealed.bucket, None, sealed.root).machine("c").get("k") == Answer("1")


def test_a_bucket_that_is_away_costs_no_answer(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RETRIES, "max_retries", 0)
    monkeypatch.setitem(CLIENT, "timeout", "3s")
    with proxy(service.url) as away:
        bucket = open_bucket(service.backend, service.at(away.url).settings, f"answers/{next(_numbers)}")
        place = Place(bucket, None, tmp_path)
        made = place.machine("a")
        with made.asking():
            made.add("k", Answer("1"))
            away.rule = lambda method, path: 500
            failed = made.share(now=True)
            assert failed is not None
            assert "can't use the state" in failed.summary
            with pytest.raises(StateError):
                place.machine("b")
            away.rule = lambda method, path: "lose" if method == "PUT" else None
            assert made.share(now=True) is not None  # it was written, but nobody knows
            away.rule = lambda method, path: None
            assert made.share(now=True) is None
        assert len(place.names()) == 1
        assert place.machine("b").get("k") == Answer("1")


def test_old_answers_are_deleted_everywhere(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment with old and new ones is replaced by one with the new ones."""
    made = place.machine("a")
    with made.asking():
        for key, at in (("old", "2026-01-01T00:00:00Z"), ("new", "2026-03-01T00:00:00Z")):
            monkeypatch.setattr(kept_answers, "time_before", lambda seconds, at=at: at)
            made.add(key, Answer(key))
        made.share(now=True)
    shared = BucketSegments(place.bucket, place.keys)
    listed = list_answers(place.root / "b", shared)
    assert [(m.model, m.count, m.oldest[:10], m.newest[:10]) for m in listed] == [
        ("m", 2, "2026-01-01", "2026-03-01")
    ]
    assert older(listed, "2025-12-31T23:59:59Z") == []
    (old,) = older(listed, "2026-02-01T00:00:00Z")
    assert (old.count, old.newest) == (1, "2026-01-01T00:00:00Z")
    prune([old], "2026-02-01T00:00:00Z")
    for machine in ("b", "c"):
        assert (place.machine(machine).get("old"), place.machine(machine).get("new")) == (None, Answer("new"))
    prune([old], "2027-01-01T00:00:00Z")
    assert place.names() == []
    assert list_answers(place.root / "c", shared) != []  # its own copy
    assert list_answers(place.root / "d", shared) == []


@pytest.mark.parametrize("service", ["s3"], indirect=True)
@pytest.mark.parametrize("is_interrupted", [False, True])
def test_a_run_that_ends_shares_what_it_has(service: Service, tmp_path: Path, is_interrupted: bool) -> None:
    """An apply stops in the middle of an evaluation; answers were neither many nor old."""
    place = service.spec(path=f"keeper-{next(_numbers)}")
    folder = Folder.make(tmp_path, SPEC.replace("ftops: {name: small}\n", place))
    loaded = load(folder.path, environ={})
    shared = shared_answers(loaded)
    assert shared is not None
    with suppress(KeyboardInterrupt), Keeper(loaded) as keeper:
        kept = keeper("m")
        with kept.asking():
            kept.add("k", Answer("1"))
            kept.share(now=False)
        assert shared.names() == []
        if is_interrupted:
            raise KeyboardInterrupt
    assert len(shared.names()) == 1


PROMPTS = json.dumps({"all": {f"What is {n} plus {n}?": f"It is {2 * n}." for n in range(40)}})


@pytest.mark.parametrize("service", ["s3"], indirect=True)
def test_a_second_machine_asks_nothing(service: Service, tmp_path: Path) -> None:
    """`ftops eval`, over HTTP to the emulator, with an encrypted state."""
    place = service.spec(path=f"answers-{next(_numbers)}", encryption='{key: "${env.STATE_KEY}"}')
    folder = Folder.make(tmp_path, SPEC.replace("ftops: {name: small}\n", place))
    (folder.path / "prompts.json").write_text(PROMPTS, encoding="utf-8")
    environ = {**service.environ, "STATE_KEY": "11" * 32}

    def ftops(*words: str) -> str:
        done = run(folder.command(*words), folder.path, environ)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stderr

    ftops("apply", "-y")
    words = ("eval", "--deployment", "prod", "--prompts", "prompts.json", "-y")
    assert "40 requests to send, 0 answers cached" in ftops(*words)
    (folder.path / ".ftops" / "answers").rename(tmp_path / "elsewhere")
    assert "0 requests to send, 40 answers cached" in ftops(*words)


@pytest.mark.parametrize("service", ["s3"], indirect=True)
def test_a_run_that_is_stopped_shares_what_it_has(service: Service, tmp_path: Path) -> None:
    folder = Folder.make(
        tmp_path, SPEC.replace("ftops: {name: small}\n", service.spec(path=f"stop-{next(_numbers)}"))
    )
    (folder.path / "prompts.json").write_text(PROMPTS, encoding="utf-8")
    words = ("eval", "--deployment", "prod", "--prompts", "prompts.json", "-y")
    environ = environment(service.environ)
    assert run(folder.command("apply", "-y"), folder.path, service.environ).returncode == 0
    admin = Admin(folder.path / "cloud", lambda: run(folder.command("plan"), folder.path, service.environ))
    admin.post("faults", {"match": "POST *chat/completions*", "delay": 0.3, "times": -1})
    answers = folder.path / ".ftops" / "answers"

    def count() -> int:
        return sum(file.read_text(encoding="utf-8").count('"key"') for file in answers.glob("*.jsonl"))

    with forked.Popen(folder.command(*words), cwd=folder.path, env=environ) as process:
        wait_until(lambda: process.poll() is not None or count() >= 5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 130
    answers.rename(tmp_path / "elsewhere")
    admin.delete("faults")
    said = run(folder.command(*words), folder.path, service.environ).stderr
    found = re.search(r"(\d+) requests to send, (\d+) answers cached", said)
    assert found is not None, said
    assert int(found[2]) >= 5
