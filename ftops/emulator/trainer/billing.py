"""Billing: the tokens that a job is billed for, counted as plans count them.

The count of a plan is an estimate of the service's, which isn't published. The emulator bills by the same
count, so that what a plan says can be compared with what a job reports.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

from ftops.emulator.account.catalog import BaseModel
from ftops.emulator.trainer.examples import words

if TYPE_CHECKING:
    from ftops.dataset.profile.tokens import Counter


def tokens_of_epoch(content: bytes, base: BaseModel) -> int:
    """The tokens of a valid data file; of an example, at most as many as the model is trained on."""
    examples = [json.loads(line) for line in content.decode("utf-8-sig").split("\n") if line.strip()]
    count = _counter(base.encoding).prepared(examples)
    return sum(min(count.tokens(example), base.max_example_tokens) for example in examples)


@cache
def _counter(encoding: str) -> Counter:
    """Without the vocabularies, which some platforms lack, it counts words and punctuation marks."""
    from ftops.dataset.profile.tokens import NoEncoding, counter, counter_by

    try:
        return counter(encoding)
    except NoEncoding:
        return counter_by(encoding, lambda text: len(words(text)))
