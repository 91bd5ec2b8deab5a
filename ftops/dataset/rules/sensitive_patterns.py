"""Patterns of secrets and personal data, and of what only looks like them. Bytes, compiled on first use."""

from __future__ import annotations


def _not_after(characters: bytes) -> bytes:
    """Not after one of these characters, unless an escape of JSON ends there: a line break is `\\n`."""
    return rb"(?:(?<![" + characters + rb"])|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4}))"


_START = _not_after(rb"A-Za-z0-9")
_NO_WORD = rb"(?![A-Za-z0-9])"
_ASSIGNED = rb"[\"'\\]*[ \t]*[:=][ \t]*[\"'\\]*"
"""Between the name of a key and its value: `key=`, `"key": "`, also within JSON text."""
_PEM = rb"-----BEGIN (?:[A-Z]{2,10} ){0,3}PRIVATE KEY(?: BLOCK)?-----"

_API_KEY = (
    *(b"pi_key", b"pi-key", b"pikey", b"piKey", b"pi key"),
    *(b"pi-Key", b"pi Key", b"PI_KEY", b"PI KEY", b"PI key"),
)
KEYS = (
    (
        "secret/private-key",
        (b"PRIVATE KEY",),
        _PEM + rb"(?:[^\"\n-]{0,8000}-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----|[\w+/=\\ \t]{0,8000})",
    ),
    (
        "secret/aws-key",
        (b"AKIA", b"ASIA", b"aws_secret", b"AWS_SECRET", b"awsSecret", b"AwsSecret", b"aws_Secret"),
        _START + rb"(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])"
        rb"|(?i:aws_?secret_?(?:access_?)?key)" + _ASSIGNED + rb"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])",
    ),
    (
        "secret/azure-key",
        (*(b"AccountKey=", b"AccessKey=", b"sig=", b"JQQJ99", b"Q~"), *_API_KEY),
        rb"AccountKey=[A-Za-z0-9+/]{86}==|SharedAccessKey=[A-Za-z0-9+/]{43}=|[?&;]sig=[A-Za-z0-9%+/]{43,60}"
        rb"|"
        + _START
        + rb"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{18,26}"
        + _NO_WORD
        + rb"|"
        + _not_after(rb"A-Za-z0-9_.~-")
        + rb"[A-Za-z0-9_.~-]{3}[78]Q~[A-Za-z0-9_.~-]{31,34}(?![A-Za-z0-9_~-])"
        rb"|(?i:api[-_ ]?key)" + _ASSIGNED + rb"[0-9a-f]{32}" + _NO_WORD,
    ),
    (
        "secret/openai-key",
        (b"sk-",),
        _not_after(rb"A-Za-z0-9_-") + rb"sk-(?:proj-|svcacct-|ant-)?[A-Za-z0-9_-]{20,200}",
    ),
    (
        "secret/github-token",
        (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
        _START + rb"(?:gh[pousr]_[A-Za-z0-9]{36,80}|github_pat_[A-Za-z0-9_]{22,90})",
    ),
    ("secret/google-key", (b"AIza",), _START + rb"AIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])"),
    (
        "secret/slack-token",
        (b"xox", b"xapp-", b"hooks.slack.com"),
        _START + rb"(?:xox[abeoprs]-[A-Za-z0-9-]{16,90}|xapp-\d-[A-Za-z0-9-]{20,160})"
        rb"|hooks\.slack\.com/(?:services|workflows)/T[A-Z0-9]{6,12}/[A-Z][A-Z0-9]{6,12}/[A-Za-z0-9/]{18,60}",
    ),
    (
        "secret/stripe-key",
        (b"k_live_", b"k_test_", b"whsec_"),
        _START + rb"(?:[sr]k_(?:live|test)_[0-9a-zA-Z]{16,120}|whsec_[0-9a-zA-Z+/]{30,80})",
    ),
    ("secret/huggingface-token", (b"hf_",), _START + rb"hf_[A-Za-z0-9]{30,60}(?![A-Za-z0-9])"),
    ("secret/npm-token", (b"npm_",), _START + rb"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
    ("secret/pypi-token", (b"pypi-AgE",), _START + rb"pypi-AgE[A-Za-z0-9_-]{50,300}"),
    ("secret/twilio-key", (b"SK",), _START + rb"SK[0-9a-f]{32}(?![A-Za-z0-9])"),
    (
        "secret/gitlab-token",
        (b"glpat-", b"glrt-", b"gldt-", b"glptt-", b"glcbt-", b"glsoat-"),
        _START + rb"gl(?:pat|rt|dt|ptt|cbt|soat)-[A-Za-z0-9_.-]{20,60}",
    ),
    (
        "secret/sendgrid-key",
        (b"SG.",),
        _START + rb"SG\.[A-Za-z0-9_-]{16,40}\.[A-Za-z0-9_-]{30,60}(?![A-Za-z0-9_-])",
    ),
    (
        "secret/service-token",
        (
            *(
                b"dckr_pat_",
                b"dop_v1_",
                b"doo_v1_",
                b"shpat_",
                b"shpss_",
                b"shpca_",
                b"shppa_",
                b"dapi",
                b"xai-",
            ),
            *(b"gsk_", b"ATATT3", b"figd_", b"lin_api_", b"ya29.", b"NRAK-", b"PMAK-", b"hvs.", b"r8_"),
            *(b"pplx-", b"tvly-", b"sq0atp-", b"sq0csp-", b"AGE-SECRET-KEY-1", b"/webhooks/", b"nvapi-"),
            *(b"sntrys_", b"rubygems_", b"ntn_", b"tskey-", b":AA"),
        ),
        _START + rb"(?:dckr_pat_[A-Za-z0-9_-]{27}|do[op]_v1_[0-9a-f]{64}|shp(?:at|ss|ca|pa)_[0-9a-f]{32}"
        rb"|dapi[0-9a-f]{32}|xai-[A-Za-z0-9]{70,90}|gsk_[A-Za-z0-9]{48,60}|ATATT3[A-Za-z0-9_=-]{100,220}"
        rb"|figd_[A-Za-z0-9_-]{38,50}|lin_api_[A-Za-z0-9]{40}|ya29\.[A-Za-z0-9_-]{60,300}|NRAK-[A-Z0-9]{27}"
        rb"|PMAK-[0-9a-f]{24}-[0-9a-f]{34}|hvs\.[A-Za-z0-9_-]{24,110}|r8_[A-Za-z0-9]{37}|pplx-[A-Za-z0-9]{48,56}"
        rb"|tvly-[A-Za-z0-9-]{30,60}|sq0(?:atp|csp)-[A-Za-z0-9_-]{22,43}|AGE-SECRET-KEY-1[A-Z0-9]{58}"
        rb"|nvapi-[A-Za-z0-9_-]{60,70}|sntrys_[A-Za-z0-9+/=_]{50,250}|rubygems_[0-9a-f]{48}|ntn_[A-Za-z0-9]{43,50}"
        rb"|tskey-[a-z]{3,8}-[A-Za-z0-9]{8,30}-[A-Za-z0-9]{20,60}|\d{8,10}:AA[A-Za-z0-9_-]{33})"
        + _NO_WORD
        + rb"|discord(?:app)?\.com/api/webhooks/\d{17,20}/[A-Za-z0-9_-]{60,80}",
    ),
    ("secret/jwt", (b"eyJ",), rb"eyJ[A-Za-z0-9_-]{10,300}\.eyJ[A-Za-z0-9_-]{10,300}\.[A-Za-z0-9_-]{10,300}"),
)
"""Rules, texts of which a match has one, and patterns. A match has a run of 16 letters and digits, or one of
MARKS."""
MARKS = (b"glpat-", b"Q~")
"""Before or in keys that may have no such run."""
NUMBERS = (
    (
        "personal/card",
        _not_after(rb"\d.-") + rb"(?:\d{4}([ -]?)\d{4}\1\d{4}\1\d{4}|3[47]\d\d([ -])\d{6}\2\d{5})(?![\d.-])",
    ),
    (
        "personal/iban",
        _START + rb"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])",
    ),
    (
        "personal/phone",
        _not_after(rb"\w.+-") + rb"(?:1[ .-])?(?:\([2-9]\d\d\) ?[2-9]\d\d[ -]|[2-9]\d\d([.-])[2-9]\d\d\1)"
        rb"\d{4}(?!\.?\d|-)"
        rb"|" + _not_after(rb"\w.+-") + rb"\+[1-9]\d{0,2}(?:[ .-]?\(?\d{1,5}\)?){2,6}(?![\w-])",
    ),
    ("personal/us-ssn", _not_after(rb"\d-") + rb"(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\d-])"),
)
_LOCAL = rb"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]|host\.docker\.internal)"
_PART = rb"[^\s/:@\"'<>\\]"
"""A character of the user or the password in a URL."""
AT = (
    (
        "secret/url-password",
        rb"[a-z][a-z0-9+.-]{1,20}://%b{0,80}:%b{1,80}@(?!%b(?![\w.-]))" % (_PART, _PART, _LOCAL),
    ),
    ("personal/email", rb"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,24}(?![A-Za-z0-9])"),
)
PASSWORD = (
    "secret/connection-string",
    rb"(?i:" + _not_after(rb"\w") + rb"(?:server|data source|host|addr(?:ess)?)\s?=\s?"
    rb"(?!(?:tcp:)?\(?%b\b|\(local|\.;)[^;\"\n]{1,120};"
    rb"(?:[^;\"\n=]{1,40}=[^;\"\n]{0,120};){0,8}\s?(?:password|pwd)\s?=\s?[^;\"'\s<>{}$*%%\\\[]{5,100})"
    % _LOCAL,
)
"""A password in a connection string."""
PASSWORD_MARKS = {b"d=": (b"word=", b"wd="), b"D=": (b"WORD=", b"WD=")}
"""In such a string, by what both end with: most texts don't even have that."""
AROUND_PASSWORD, AROUND_SIGN = (400, 120), (110, 340)
"""Bytes before and after a mark, or an `@`, that these patterns may need."""
EXAMPLE_ADDRESS = rb"(?i)@(?:[a-z0-9-]+\.)*(?:example\.(?:com|org|net)|[a-z0-9-]+\.(?:example|test|invalid))$"
"""Addresses that are reserved for examples (RFC 2606)."""
_STAND_IN = (
    rb"([A-Za-z0-9*.])\1{7}"
    rb"|(?i:your[_-]|[_-]here\b|placeholder|redacted|changeme|dummy|not-a-real)"
)
SAMPLES = _STAND_IN + (
    rb"|EXAMPLE(?:KEY)?$|Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq"
    rb"|C2y6yDjf5/R\+ob0N8A7Cgv30VRDJIWEHLM\+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw"
    rb"|^eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9\.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9l"
    rb"|^ghp_16C7e42F292c6912E7710c838347Ae178B4a|^AIzaSyDaGmWKa4JsXZ-HjGw7ISLn_3namBGewQe"
    rb"|^sk_test_(?:4eC39HqLyjWDarjtT1zdp7dc|BQokikJOvBiI2HlWgH4olfQ2|26PHem9AhJZvU623DfE1x4sd"
    rb"|tR3PYbcVNZZ796tH88S4VQ2u)"
    rb"|^xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzqqgy"
    rb"|1234567890abcdef|0123456789abcdef|abcdefghijklmnop"
    rb"|(?i:=\s?(?:my|your|the)?(?:pass(?:word|wd)?|pwd|secret|x+)$)"
)
"""Keys in documentation, and what stands for one: `sk-xxxxxxxxxxxx`, `hf_your_token_here`."""
SAMPLE_ADDRESSES = _STAND_IN + (
    rb"|^git@|@[23]x\.(?:png|jpe?g|webp|gif|svg)$"
    rb"|://([^\s/:@]{1,80}):\2@$"
    rb"|(?i::(?:pass(?:word|wd)?|pwd|\*+|\$\{?\w*\}?|\{\w*\}|<\w*>|x+)@$)"
)
"""What stands for an address or the password in one: `jo:password@`, `your_name@acme.com`; and what is none:
`git@github.com`, `logo@2x.png`."""
IMAGE = rb";base64,[A-Za-z0-9+/=]+"
