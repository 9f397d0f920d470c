"""Codes: whole numbers with names, of which arrays and tables hold the numbers."""

from __future__ import annotations

from enum import EnumType, IntEnum


class _Codes(EnumType):
    """What an enumeration of codes is made by: what it has not is told without a step in Python.

    numpy asks the class of each number that is handed to it whether that is an array, and drops whatever comes of asking. In
    Python 3.11 an enumeration answers in Python, so that an interruption that arrived meanwhile was lost.
    """

    __getattr__ = type.__getattribute__


class Codes(IntEnum, metaclass=_Codes):
    """Names of whole numbers that may be handed to numpy."""
