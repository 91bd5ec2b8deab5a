"""Refactorings: moved, import and removed blocks."""

from collections.abc import Mapping
from typing import ClassVar

from ftops.config.schema.block import Block, optional, required
from ftops.config.schema.field_aliases import FIXED_TEXT, FLAG


class Moved(Block, noun="`moved`"):
    """A resource with a new address."""

    elsewhere: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("old", "source", "previous"), "from"),
        **dict.fromkeys(("new", "target", "destination"), "to"),
    }

    from_ = required(FIXED_TEXT, "Previous address.", key="from")
    to = required(FIXED_TEXT, "New address.")


class Import(Block, noun="`import`"):
    """An existing object to be managed from now on."""

    elsewhere: ClassVar[Mapping[str, str]] = dict.fromkeys(("resource", "address"), "to")
    usual = "id"

    to = required(FIXED_TEXT, "Address to import it to.")
    id = required(FIXED_TEXT, "ID of the object at the service.")


class Removed(Block, noun="`removed`"):
    """A resource that is no longer managed."""

    elsewhere: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("resource", "address"), "from"),
        **dict.fromkeys(("lifecycle", "keep"), "retain"),
    }
    usual = "from"

    from_ = required(FIXED_TEXT, "Previous address.", key="from")
    retain = optional(FLAG, "true: the object itself is kept.", False)


REFACTORINGS: Mapping[str, type[Block]] = {"moved": Moved, "import": Import, "removed": Removed}
