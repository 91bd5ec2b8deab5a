"""Rules about files: their form, what is across their examples, secrets and personal data."""

from __future__ import annotations

from collections.abc import Mapping

from ftops.dataset.rules.rule import Rule, error, note, warning

_PER_LINE = "Each line is one example: a complete JSON object, from { to }, without a comma after it."
_REVEALED = "A model can be made to reveal its training data."
_REVOKE = "Replace it with a placeholder, and revoke it."
_ALLOWED = "Replace it with a placeholder, unless you are allowed to use it for training."
_SECRETS = {
    "private-key": "private key",
    "aws-key": "AWS access key",
    "azure-key": "key, client secret or signature of Azure",
    "openai-key": "OpenAI API key",
    "github-token": "GitHub token",
    "google-key": "Google API key",
    "slack-token": "Slack token",
    "stripe-key": "Stripe key",
    "huggingface-token": "Hugging Face token",
    "npm-token": "npm token",
    "pypi-token": "PyPI token",
    "twilio-key": "Twilio key",
    "gitlab-token": "GitLab token",
    "sendgrid-key": "SendGrid key",
    "service-token": "token of another service, such as Databricks, Docker or Discord",
    "jwt": "JSON Web Token",
    "url-password": "password in a URL",
    "connection-string": "password in a connection string",
}

FILES: Mapping[str, Rule] = {
    # Files
    "file/missing": error("The file exists.", "", "Correct the path. It is relative to the spec file."),
    "file/unreadable": error(
        "The file can be read, and is a regular file.",
        "",
        "Check the path and its permissions; use a file on disk, not a folder, a pipe or a device.",
    ),
    "file/too-large": error(
        "The file is smaller than 512 MB.",
        "The service doesn't accept larger files.",
        "Remove examples, or train in two steps on two files.",
    ),
    "file/changed": error(
        "The file doesn't change while it is read.",
        "The file that is checked must be the file that is uploaded.",
        "Wait until the program that writes it is done.",
    ),
    "file/compressed": error(
        "The file is text, not compressed or in another format.",
        "The service reads plain JSON Lines and doesn't decompress files.",
        "Unpack it, or export it as JSON Lines.",
    ),
    "file/not-utf8": error(
        "The file is UTF-8.",
        "The service rejects other encodings, or trains on garbled text.",
        "Save it as UTF-8.",
    ),
    "file/pointer": error(
        "The file is the data, not a pointer of git-annex or DVC to it.",
        "The checkout has only the pointer; the data is elsewhere.",
        "Run `git annex get` or `dvc pull`.",
    ),
    "file/git-lfs": error(
        "The file is the data, not a Git LFS pointer to it.",
        "The checkout has only a pointer, as if Git LFS weren't installed.",
        "Run `git lfs pull`.",
    ),
    "file/other-format": error(
        "The file has a format of the service: chat, preference or reinforcement.",
        "Alpaca, ShareGPT and other formats, and prompts with completions, are not accepted.",
        "`ftops data convert` converts it.",
    ),
    "file/table": error(
        "The file is JSON Lines, not a table.",
        "The service doesn't read CSV, Parquet or Excel.",
        "`ftops data convert` makes conversations of its rows.",
    ),
    "file/document": error(
        "The file is JSON Lines: one example per line.",
        "The service doesn't read a JSON list, or objects over several lines.",
        "`ftops data convert` converts it.",
    ),
    "file/line-ends": error(
        "Lines end with a line feed, alone or after a carriage return.",
        "With carriage returns only, the whole file is one line.",
        "Save it with Unix line ends.",
    ),
    "file/mark-inside": error(
        "A byte order mark is only at the start of the file.",
        "Files with marks were probably joined. The mark is not JSON.",
        "Remove it: `ftops data convert --no-bom` removes all of them.",
    ),
    "file/byte-order-mark": note(
        "The file starts with a byte order mark.",
        "The service's documentation asks for one, but files without it are accepted.",
        "Save it as UTF-8 with a byte order mark, or ignore this: nothing is known to depend on it.",
    ),
    "file/empty": error("The file has examples.", "", "Write one example per line."),
    "file/too-few-examples": error(
        "The file has at least 10 examples.",
        "The service requires 10 to train on. A result of fewer validation examples says little.",
        "Add examples.",
    ),
    "file/few-examples": note(
        "The file has at least 100 examples.",
        "So few examples hardly change a model's answers; use hundreds or thousands.",
        "Add examples of high quality.",
    ),
    "file/long-line": warning(
        "A line has at most 32 MiB.",
        "It was not checked.",
        "Is a line break missing? Refer to large images by URL.",
    ),
    # JSON
    "json/syntax": error("Every line is JSON.", "", _PER_LINE),
    "json/not-object": error("Every line is an object.", "", _PER_LINE),
    "json/duplicate-key": error(
        "No object has two members with the same name.",
        "JSON parsers keep one of them, but not all the same one.",
        "Remove or rename one of them.",
    ),
    "json/surrogate": error(
        r"A \ud800 to \udfff comes in pairs.",
        "It is half of a character, which can't be encoded in UTF-8.",
        "Write the character itself, or both halves.",
    ),
    "json/too-deep": error("Lists and objects are nested less than 100 levels deep.", "", _PER_LINE),
    "json/number": error(
        "Numbers are finite and have fewer than 4,000 digits.",
        "",
        "Write it as text, or null.",
    ),
}
ACROSS: Mapping[str, Rule] = {
    # Across examples
    "data/special-token": error(
        "No text contains a special token of the model, such as <|im_end|>.",
        "It marks the end of messages; the service rejects it.",
        "Remove it.",
    ),
    "data/duplicate": warning(
        "No example is a duplicate.",
        "It costs twice and counts twice.",
        "Remove one of them.",
    ),
    "data/near-duplicate": note(
        "No two examples are nearly the same.",
        "They count twice but teach the same thing.",
        "Keep the better one, unless the difference is intended.",
    ),
    "data/overlap": warning(
        "No validation example is among the training examples of the model.",
        "The model knows the answer, so the validation result is meaningless.",
        "Remove it from one of the files.",
    ),
    "data/near-overlap": note(
        "No validation example is nearly the same as a training example of the model.",
        "The model nearly knows the answer, so the validation result is too good.",
        "Remove it from one of the files, unless the difference is intended.",
    ),
    "data/beginning": warning(
        "No conversation is the beginning of another one.",
        "Its answers are learned several times, and cost as often. Agents record conversations like this.",
        "Keep the longest, or give the answers of the shorter ones weight 0.",
    ),
    "data/grown-overlap": warning(
        "No validation conversation is the beginning of one that the model trains on, or continues it.",
        "The model knows some of the answers, so the validation result is too good.",
        "Keep a conversation in one file: `ftops data split` does.",
    ),
    "data/system-differs": note(
        "All examples have the same system message.",
        "A model that is called with a different one than in training gives worse answers.",
        "Use one, and the same one when the model is called.",
    ),
    "data/imbalance": note(
        "No answer occurs in nine of ten examples.",
        "The model learns that it is nearly always right.",
        "Add examples with other answers, or remove some.",
    ),
    "data/too-long": warning(
        "No example is longer than the model's limit.",
        "The rest is cut off, or the file is rejected.",
        "Shorten or split it.",
    ),
    # Secrets and personal data
    **{
        f"secret/{n}": warning(f"The examples contain no {s}.", _REVEALED, _REVOKE)
        for n, s in _SECRETS.items()
    },
    "personal/email": note("The examples contain no e-mail address.", _REVEALED, _ALLOWED),
    "personal/phone": note("The examples contain no telephone number.", _REVEALED, _ALLOWED),
    "personal/card": warning("The examples contain no payment card number.", _REVEALED, _ALLOWED),
    "personal/iban": warning("The examples contain no bank account number (IBAN).", _REVEALED, _ALLOWED),
    "personal/us-ssn": warning("The examples contain no US social security number.", _REVEALED, _ALLOWED),
}
