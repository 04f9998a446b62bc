"""Edits of PyTorch source: one name in place of another, at the line where a layer is made.

Nothing is run or imported. Of the whole text no other token changes, and the edited text still parses.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..fixing import TextEdit, edited

_TO_RELU = {"SiLU": "ReLU", "Mish": "ReLU", "GELU": "ReLU", "Hardswish": "ReLU"}
SWAPS: Mapping[str, Mapping[str, str]] = {
    "silu-to-relu": _TO_RELU,
    "silu-to-relu6": dict.fromkeys(_TO_RELU, "ReLU6"),
    "silu-to-hardswish": {"SiLU": "Hardswish"},
    "sigmoid-to-hardsigmoid": {"Sigmoid": "Hardsigmoid"},
    "relu6-to-relu": {"ReLU6": "ReLU"},
}
"""Names in ``torch.nn`` by the id of the rewrite that does the same to a network. In ``torch.nn.functional`` the same
names stand in small letters."""
_MODULES, _FUNCTIONS = frozenset({"nn"}), frozenset({"F", "functional"})
"""Last names of what ``torch.nn`` and ``torch.nn.functional`` are imported as."""
_KEPT = frozenset({"inplace"})
"""The argument that all of these take alike."""


@dataclass(frozen=True, slots=True)
class Swap:
    """A name that is replaced: ``nn.SiLU`` by ``nn.ReLU``."""

    edit: TextEdit
    line: int
    old: str
    new: str


class NotThere(Exception):
    """The line does not say what is to be replaced; the sentence says what it is instead."""


def find_swap(text: str, line: int, column: int | None, id: str) -> Swap:
    """The name that a rewrite replaces on a line, both from 1. ``column`` is where the expression begins, and decides
    between several on the line. Raises NotThere."""
    found = list(_candidates(text, line, SWAPS[id]))
    exact = [swap for swap, begin in found if begin + 1 == column]
    if exact:
        return exact[0]
    if len(found) != 1:
        names = ", ".join(sorted(SWAPS[id]))
        raise NotThere(f"{'more than one' if found else 'no'} call of {names} as nn.NAME on the line")
    return found[0][0]


def swapped(text: str, swaps: Sequence[Swap]) -> str:
    """The text with the names replaced. Raises NotThere when anything else would change with them."""
    made = edited(text, [swap.edit for swap in swaps])
    try:
        ast.parse(made)
        before, after = ([token.string for token in _tokens(each)] for each in (text, made))
    except (SyntaxError, tokenize.TokenError, ValueError) as error:
        raise NotThere(f"the text does not parse: {error}") from error
    changes = sum(a != b for a, b in zip(before, after, strict=False))
    if len(before) != len(after) or changes != len({swap.edit for swap in swaps}):
        raise NotThere("another part of the text would change with it")
    return made


def _candidates(text: str, line: int, names: Mapping[str, str]) -> Iterator[tuple[Swap, int]]:
    """Names on the line that can be replaced, and the columns from 0 where their expressions begin."""
    try:
        tokens = [token for token in _tokens(text) if token.type not in (tokenize.NL, tokenize.COMMENT)]
    except (SyntaxError, tokenize.TokenError) as error:
        raise NotThere(f"the text does not parse: {error}") from error
    starts = _line_starts(text)
    small = {old.lower(): new.lower() for old, new in names.items()}
    for k, token in enumerate(tokens):
        if token.start[0] != line or token.type != tokenize.NAME or k < 2 or tokens[k - 1].string != ".":
            continue
        owner = tokens[k - 2].string
        known = names if owner in _MODULES else small if owner in _FUNCTIONS else {}
        if token.string in known and _arguments_kept(tokens, k + 1, owner in _FUNCTIONS):
            first = k - 2
            while first >= 2 and tokens[first - 1].string == "." and tokens[first - 2].type == tokenize.NAME:
                first -= 2
            at = starts[line - 1] + token.start[1]
            edit = TextEdit(at, at + len(token.string), known[token.string])
            yield Swap(edit, line, f"{owner}.{token.string}", f"{owner}.{known[token.string]}"), tokens[first].start[1]


def _arguments_kept(tokens: Sequence[tokenize.TokenInfo], at: int, function: bool) -> bool:
    """The call takes nothing but what the other one takes; a name that is not called is passed on."""
    if at >= len(tokens) or tokens[at].string != "(":
        return True
    depth, words = 0, []
    for token in tokens[at:]:
        depth += (token.string in "([{") - (token.string in ")]}") if token.type == tokenize.OP else 0
        if depth == 0:
            break
        words.append((depth, token.string))
    inside = words[1:]
    commas = sum(word == "," and level == 1 for level, word in inside)
    keywords = [a[1] for a, b in pairwise(inside) if b == (1, "=")]
    given = commas + 1 if inside and inside[-1] != (1, ",") else commas
    return set(keywords) <= _KEPT and given - len(keywords) == (1 if function else 0)


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    return tokenize.generate_tokens(io.StringIO(text).readline)


def _line_starts(text: str) -> list[int]:
    starts = [0]
    while (end := text.find("\n", starts[-1])) >= 0:
        starts.append(end + 1)
    return starts
