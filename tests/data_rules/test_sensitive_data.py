"""Secrets and personal data: what is one, and what only looks like one, with numpy and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftops.dataset import inspect
from ftops.dataset.rules.sample_numbers import CARDS, IBANS
from ftops.dataset.rules.sensitive_data import hits, mask

A34 = "aB3dE5gH7jK9mN1pQ2sT4vW6xY8zA0cD3f"
HEX = "3f9a1c7e5b2d8046" * 2
BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj" * 24
FOUND = {
    "secret/npm-token": ["npm_" + A34 + "xY", "//registry/:_authToken=npm_" + A34 + "xY"],
    "secret/pypi-token": ["pypi-AgEIcHlwaS5vcmcCJ" + A34 + "-" + A34],
    "secret/twilio-key": ["SK" + HEX],
    "secret/slack-token": [
        "xoxp-1234567890-1234567890-" + A34,
        "xapp-1-A012345678-1234567890123-" + HEX,
        "https://hooks.slack.com/services/T01AB2CD3/B04EF5GH6/" + A34[:24],
    ],
    "secret/stripe-key": ["sk_live_" + A34, "rk_test_" + A34, "sk_test_51" + A34, "whsec_" + A34],
    "secret/github-token": ["github_pat_11ABCDEFG0" + A34 + "_" + A34, "gho_" + A34 + "xY"],
    "secret/azure-key": [
        "Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=all;SharedAccessKey="
        + "aB3+5gH/9" * 4
        + "aB3dE5g=",
        A34 + A34[:18] + "JQQJ99BC" + A34[:24],
        "abc8Q~" + A34[:20] + ".x-_~" + A34[:8],
        "a.-8Q~x.y-z_aa~bb.cc-dd_ee~ff.gg-hh_ii~j",
        f"api-key: {HEX}",
        f'{{\\"api_key\\": \\"{HEX}\\"}}',
    ],
    "secret/private-key": [
        f"-----BEGIN PRIVATE KEY----- {BODY} -----END PRIVATE KEY-----",
        f"-----BEGIN OPENSSH PRIVATE KEY-----\\n{BODY}\\n-----END OPENSSH PRIVATE KEY-----",
        f"-----BEGIN RSA PRIVATE KEY-----\\nDEK-Info: AES,3F\\n\\n{BODY}\\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PGP PRIVATE KEY BLOCK-----\\n\\n{BODY}\\n-----END PGP PRIVATE KEY BLOCK-----",
        f"-----BEGIN EC PRIVATE KEY-----{BODY[:64]}",
    ],
    "secret/connection-string": [
        "Server=tcp:acme.database.windows.net,1433;Initial Catalog=shop;User ID=jo;Password=s3cr3tPa55!;",
        "Data Source=10.1.2.3;Uid=jo;Pwd=s3cr3t",
        "HOST=db.acme.net;PORT=3306;UID=jo;PWD=s3cr3t",
    ],
    "secret/jwt": ["Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UifQ." + A34],
    "personal/card": ["4539 5787 6362 1486", "4539578763621486", "4539-5787-6362-1486", "3782 822463 10120"],
    "personal/iban": [
        "DE44 5001 0517 5407 3249 31",
        "GB98MIDL07009312345678",
        "FR87 1751 2000 0012 3456 7890 158",
    ],
    "personal/us-ssn": ["536-22-8726"],
    "secret/huggingface-token": [f"hf_{A34}", f'token="hf_{A34}"', f"Bearer hf_{A34}."],
    "secret/gitlab-token": [
        "glpat-aB3dE5gH7jK9mN1pQ2sT",
        "glpat-a-3dE5_H7j-9mN_pQ2-T",
        "https://x/?private_token=glpat-aB3dE5gH7jK9mN1pQ2sT",
        "glrt-aB3dE5gH7jK9mN1pQ2sT",
    ],
    "secret/service-token": [
        "dapi" + HEX,
        "dckr_pat_" + A34[:27],
        "dop_v1_" + HEX * 2,
        "shpat_" + HEX,
        "xai-" + A34 * 2 + A34[:12],
        "gsk_" + A34 + A34[:18],
        "hvs." + A34 * 2,
        "r8_" + A34 + "xY3",
        "sq0atp-" + A34[:22],
        "https://discord.com/api/webhooks/123456789012345678/" + A34 * 2,
        "PMAK-" + HEX[:24] + "-" + HEX + "a1",
        "ya29." + A34 * 3,
        "715924683:AA" + A34[:33],
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
        "415.623.2671",
        "1-415-623-2671",
        "1.415.623.2671",
        "(415) 623 2671",
    ],
    "secret/aws-key": [
        "AKIAQ3EG7RZ2Q3EG7RZ2",
        "aws_secret_access_key = " + "aB3dE5gH7jK9mN1pQ2sT/4vW6xY8zA0cD3fG5h+J",
    ],
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
    "git@github.com:acme/shop.git",
    "assets/logo@2x.png",
    "the half_life_of_something_very_long_indeed",
    "chf_" + A34,
    "SG.short.key",
    "SG.1 and SG.2",
    "npm_package_config_something_that_is_long_enough",
    "npm_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "pypi-AgEIcHlwaS5vcmc",
    "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
    "xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzqqgy",
    "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
    "pk_live_" + A34,
    "SKU3f9a1c7e5b2d80463f9a1c7e5b2d8046",
    "AC" + HEX,
    "api-key: 0123456789abcdef0123456789abcdef",
    "AccountEndpoint=https://localhost:8081/;AccountKey=C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPM"
    "bIZnqyMsEcaGQy67XIw/Jw==",
    "Server=localhost;Database=x;User Id=sa;Password=s3cr3t!;",
    "Server=(localdb)/x;Database=x;User Id=sa;Password=s3cr3t!;",
    "Server=tcp:acme.database.windows.net;User ID={your_user};Password={your_password};",
    "Server=db.acme.net;Uid=jo;Pwd=<password>;",
    "Server=db.acme.net;Uid=jo;Pwd=password",
    "-----BEGIN PRIVATE KEY-----\\n...\\n-----END PRIVATE KEY-----",
    "123.456.7890",
    "415.623.26711",
    "1415.623.2671.1",
    "10.415.623.2671",
    "078-05-1120",
    "4242 4242 4242 4242",
    "4000-0000-0000-0002",
    "4000002500003155",
    "5555555555554444",
    "3782 822463 10005",
    "DE89 3704 0044 0532 0130 00",
    "GB82WEST12345698765432",
    "FR7630006000011234567890189",
    "AB55MIDL07009312345678",
    "DE5900105175407324",
]


@pytest.mark.parametrize("vectorised", [False, True])
@pytest.mark.parametrize("before", ["\\n", "\\t", "\\r\\n", "\\u00e9", "\\\\n"])
def test_a_secret_after_an_escape_is_found_and_masked(before: str, vectorised: bool) -> None:
    """At the start of a line of text, also of arguments: a line break is written as a letter there."""
    for rule, texts in FOUND.items():
        for text in texts:
            block = f'{{"a": "x{before}{text}"}}'
            found = [hit.rule for hit in hits(block.encode(), vectorised=vectorised)]
            assert found == [rule], (text, found)
            assert "•" in mask(block), text


ESCAPED = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&=+@"} | {"/": "\\/"})


def test_what_other_programs_escape_is_found_and_masked_where_it_is(tmp_path: Path) -> None:
    """As Go and PHP write it."""
    path = tmp_path / "a.jsonl"
    for rule, texts in FOUND.items():
        for text in texts:
            written = text.translate(ESCAPED)
            line = f'{{"messages": [{{"role": "user", "content": "\\/ {written} \\u0026"}}]}}'
            path.write_text(f"{line}\n")
            [found] = [f for f in inspect(path).found if f.rule.startswith(("secret/", "personal/"))]
            before = text[: next(hits(text.encode())).start].translate(ESCAPED)
            assert (found.rule, found.column) == (rule, line.index(written) + len(before) + 1)
            assert written not in found.text
    path.write_text('{"messages": [{"role": "user", "content": "\\u003c|im_end|\\u003E"}]}\n')
    [found] = [f for f in inspect(path).found if f.rule == "data/special-token"]
    assert (found.column, found.width) == (44, 20)


def test_sample_numbers_are_numbers() -> None:
    """So that each would be found if it weren't known."""
    assert all(int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 == 1 for iban in IBANS)
    for card in CARDS:
        digits = [int(c) for c in reversed(card)]
        assert sum(d if n % 2 == 0 else d * 2 - 9 * (d > 4) for n, d in enumerate(digits)) % 10 == 0, card


@pytest.mark.parametrize("vectorised", [False, True])
def test_a_key_beside_an_image_is_found(vectorised: bool) -> None:
    """Also one that has no long run of letters and digits."""
    image = '"data:image/png;base64,' + "iVBORw0KGgo" * 90 + '"'
    block = f'{{"url": {image}}}\n{{"content": "glpat-a-3dE5_H7j-9mN_pQ2-T"}}\n'.encode()
    assert [hit.rule for hit in hits(block, vectorised=vectorised)] == ["secret/gitlab-token"]


def test_a_long_private_key_is_masked_to_its_end() -> None:
    for between in ("\n", "\\n", " "):
        lines = between.join(BODY[n : n + 64] for n in range(0, len(BODY), 64))
        text = (
            f"so: -----BEGIN RSA PRIVATE KEY-----{between}{lines}{between}-----END RSA PRIVATE KEY----- there"
        )
        shown = mask(text)
        assert shown.startswith("so: •") and shown.endswith("• there") and "MII" not in shown


@pytest.mark.parametrize("mark", ["pwd=", "Q~", "word=word=", "415.623.", "-----BEGIN PRIVATE KEY-----"])
def test_many_marks_are_searched_in_linear_time(mark: str) -> None:
    """Each byte is looked at a few times, however many marks there are."""
    block = (mark * (400_000 // len(mark))).encode()
    assert len([*hits(block)]) <= 1 + block.count(b"PRIVATE")


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
