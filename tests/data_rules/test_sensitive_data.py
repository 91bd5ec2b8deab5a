"""Secrets and personal data: what is one, and what only looks like one, with numpy and without."""

from __future__ import annotations

import pytest

from ftops.dataset.rules.sensitive_data import hits, mask

A34 = "aB3dE5gH7jK9mN1pQ2sT4vW6xY8zA0cD3f"
FOUND = {
    "secret/huggingface-token": [f"hf_{A34}", f'token="hf_{A34}"', f"Bearer hf_{A34}."],
    "secret/gitlab-token": [
        "glpat-aB3dE5gH7jK9mN1pQ2sT",
        "glpat-a-3dE5_H7j-9mN_pQ2-T",
        "https://x/?private_token=glpat-aB3dE5gH7jK9mN1pQ2sT",
    ],
    "secret/sendgrid-key": ["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"],
    "secret/openai-key": ["sk-proj-" + A34],
    "secret/url-password": [
        "postgres://jo:pa55word@db.acme.net/x",
        "redis://:s3cr3t@cache:6379",
        "https://jo:pa55word@localhost.acme.net/",
    ],
    "personal/phone": [
        "+1 415 623 2671",
        "+14156232671",
        "+1 (415) 623-2671",
        "(415) 623-2671",
        "(415)623-2671",
        "415-623-2671",
        "+49 30 901820",
        "+49 (0)30 901820",
        "+44 20 7946 0958",
        "+33 6 12 34 56 78",
        "+91-98765-43210",
        "+34.612.345.678",
    ],
    "secret/aws-key": ["AKIAQ3EG7RZ2Q3EG7RZ2"],
}
SAMPLES = [
    "AKIAIOSFODNN7EXAMPLE",
    "AKIAI44QH8DHBEXAMPLE",
    "AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/"
    "K1SZFPTOtr/KBHBeksoGMGw==",
    "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "sk-proj-your-api-key-goes-right-here",
    "sk-1234567890abcdef1234567890abcdef",
    "hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "glpat-xxxxxxxxxxxxxxxxxxxx",
    "glpat-your_access_token_here",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "AIzaSyDaGmWKa4JsXZ-HjGw7ISLn_3namBGewQe",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5"
    "MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
    "postgres://jo:pa55word@localhost:5432/x",
    "postgres://jo:pa55word@127.0.0.1/x",
    "redis://:s3cr3t@[::1]:6379",
    "amqp://guest:guest@rabbitmq:5672",
    "postgres://postgres:postgres@db:5432/app",
    "mysql://user:password@db.acme.net/x",
    "mysql://user:${PASSWORD}@db.acme.net/x",
    "mysql://user:<password>@db.acme.net/x",
    "mongodb://user:*****@db.acme.net/x",
    "415-555-0123",
    "(212) 555-0199",
    "+1 212 555 0143",
    "800-623-4567",
    "1-800-555-0199",
    "123-456-7890",
    "2026-11-30",
    "+10 000 000",
    "+12345678",
    "a+12345678901b",
    "12+3456789012",
    "10.0.0.1-255",
    "UTC+02:00",
    "978-3-16-148410-0",
    "415-623-26711",
    "the half_life_of_something_very_long_indeed",
    "chf_" + A34,
    "SG.short.key",
    "SG.1 and SG.2",
]


@pytest.mark.parametrize(
    "around", ["%s", "before %s after", "é%s\u20ac", '{"content": "%s"}', "x " * 500 + "%s" + " y" * 500]
)
@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in FOUND.items() for text in texts])
def test_it_is_found_wherever_it_is(rule: str, text: str, around: str) -> None:
    block = (around % text).encode()
    for vectorised in (False, True):
        assert [hit.rule for hit in hits(block, vectorised=vectorised)] == [rule], vectorised
    assert "•" in mask(around % text)


@pytest.mark.parametrize("text", SAMPLES)
def test_it_only_looks_like_one(text: str) -> None:
    block = f"before {text} after".encode()
    for vectorised in (False, True):
        assert not [*hits(block, vectorised=vectorised)], vectorised
