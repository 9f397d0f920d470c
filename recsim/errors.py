"""The one kind of fault that a user can mend, the nearest valid name to a misspelt one, and a test of whole numbers."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class RecsimError(Exception):
    """A mistake that the user can mend; its text is one line: where, what, how to mend it.

    It takes exactly one string, because SimPy rebuilds exceptions from their arguments.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


def nearest(word: str, among: Iterable[str]) -> str:
    """Return the end of an error line that helps: the nearest valid name, or all of them.

    >>> nearest("epsilonn", ["epsilon", "every"])
    "did you mean 'epsilon'?"
    >>> nearest("x", ["epsilon", "every"])
    'valid are epsilon, every'
    """
    names = sorted(set(among))
    close = get_close_matches(word.lower(), [name.lower() for name in names], n=1, cutoff=0.6)
    if close:
        return f"did you mean {next(name for name in names if name.lower() == close[0])!r}?"
    return "valid are " + ", ".join(names) if names else "there is none to choose from"


def encodable(text: str) -> bool:
    r"""Return whether text can be written as UTF-8: what Python makes of a damaged file name cannot.

    >>> encodable("é"), encodable("\udce9")
    (True, False)
    """
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def whole_number(name: str, value: Any, least: int) -> int:
    """Return a whole number, of numpy too; raise RecsimError for what is none, or too small."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise RecsimError(f"{name}: must be a whole number from {least} on, not {value!r}")
    return number
