"""What is looked for in what a service says."""

from __future__ import annotations

from ftops.core.address import Secret
from ftops.core.errors import GateHeld, Permanent
from ftops.providers.redaction import redaction

URL = Secret("env", "URL")
ADDRESS = "https://bob:pass-word@x.example/a/train.jsonl?sv=2024-11-04&sig=a%2Fb%2Bc%3D"


def test_parts_of_an_address_that_sign_it() -> None:
    clean = redaction({URL: ADDRESS})
    for said in (ADDRESS, "?sv=2024-11-04&sig=a%2Fb%2Bc%3D", "sig=a%2Fb%2Bc%3D", "sig a/b+c=", "pass-word"):
        found = clean.text(f"can't read {said}.")
        assert "${env.URL}" in found and not any(p in found for p in ("a%2Fb", "a/b+c", "pass-word"))
    assert clean.text("x.example is away") == "x.example is away"


def test_codes_and_ids_of_errors() -> None:
    error = Permanent("s3cret", "of s3cret", code="No-s3cret", request_id="r-s3cret")
    found = redaction({Secret("env", "X"): "s3cret"}).error(error)
    assert (found.summary, found.detail) == ("${env.X}", "of ${env.X}")
    assert (found.code, found.request_id) == ("No-${env.X}", "r-${env.X}")


def test_reasons_of_a_gate() -> None:
    error = GateHeld("held", ("by s3cret; twice", "by another"))
    found = redaction({Secret("env", "X"): "s3cret"}).error(error)
    assert found.reasons == ("by ${env.X}; twice", "by another")
    assert found.detail == "by ${env.X}; twice; by another"
    assert error.reasons[0] == "by s3cret; twice", "the error itself stays"


def test_what_is_no_address_after_all() -> None:
    assert redaction({URL: "https://[x"}).text("https://[x is odd") == "${env.URL} is odd"
