"""Kept plans in a bucket at a real server."""

from __future__ import annotations

import itertools
import time

from ftops.state.backends.bucket_services import open_bucket
from ftops.state.backends.plan_store import BucketPlans
from tests.support.servers import Service

_numbers = itertools.count()
OLD, NEW = "0" * 64, "f" * 64


def test_plans_are_objects_that_are_replaced_and_deleted_by_age(service: Service) -> None:
    bucket = open_bucket(service.backend, service.settings, f"plans/drone/{next(_numbers)}")
    plans = BucketPlans(bucket)
    assert plans.get(OLD) is None
    plans.put(OLD, b"one")
    plans.put(OLD, b"two")
    plans.put(NEW, b"three")
    bucket.create("notes.txt", b"mine")
    assert plans.get(OLD) == b"two"
    assert sorted(name for name, _ in bucket.ages("", 10)) == [OLD, NEW, "notes.txt"]
    assert len(bucket.ages("", 2)) == 2
    plans.prune(time.time() - 3600)
    assert plans.get(OLD) == b"two"
    plans.prune(time.time() + 3600)
    assert (plans.get(OLD), plans.get(NEW)) == (None, None)
    assert bucket.names("") == ["notes.txt"]
