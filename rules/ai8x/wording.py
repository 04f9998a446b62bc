"""Words and forms that several rules of this pack share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from lintmodel.findings import Found
from lintmodel.planning import Plan, Refusal

Grade = Literal["rejects", "crashes", "miscompiles"]
"""What izer does: it stops with a message, it stops with a traceback, or it goes on and the data is wrong."""


def problem(
    kind: str,
    key: str,
    says: str,
    said: str | None,
    node: str | None = None,
    *,
    grade: Grade = "rejects",
    **details: Any,
) -> Refusal:
    """A refusal that already has its words: ``says`` is ours, ``said`` izer's, ``key`` the dotted path of the value."""
    return Refusal(kind, node, said, {"key": key, "says": says, "grade": grade, **details})


def refused(plan: Plan, kind: str, words: Callable[[Mapping[str, Any]], str] | None = None) -> Iterator[Found]:
    """A finding for every refusal of this kind, at the value in the text that it is about."""
    for refusal in plan.refused(kind):
        details = refusal.details
        message = words(details) if words else str(details["says"])
        if details.get("grade") == "crashes":
            message += " (izer crashes)"
        yield Found(message, refusal.vendor_message, refusal.node, key=details.get("key"))


def shown(value: Any) -> str:
    """A value for a message, in a few letters."""
    if value is None:
        return "nothing"
    if isinstance(value, list | Mapping):
        what = "list" if isinstance(value, list) else "mapping"
        return f"a {what}" if value else f"an empty {what}"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value).replace("\n", " ")
    return f"'{text[:40]}'" if isinstance(value, str) else text[:40]


def refused_any(plan: Plan, *kinds: str) -> Iterator[Found]:
    """A finding for every refusal of any of these kinds, in its own words."""
    for kind in kinds:
        yield from refused(plan, kind)
