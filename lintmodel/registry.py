"""Rules and packs: how they are written, and how they are found.

A rule is one function with one docstring. It is called once per node of the operators it names (``on=Conv``), once
per model (``on=Model``) or once per document (``on=Document``), and yields :class:`~lintmodel.findings.Found`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Protocol

from .errors import LintmodelError, UnknownRule, UsageError, did_you_mean
from .findings import Found, Level
from .ir import Document, Graph, View
from .planning.plan import Plan
from .target import Target

if TYPE_CHECKING:
    from .fixing import Repair

Confidence = Literal["measured", "source", "documented", "unverified"]
Status = Literal["preview", "stable", "deprecated"]


@dataclass(frozen=True)
class Model:
    """What a rule with ``on=Model`` is called with: the whole graph."""

    graph: Graph


Example = Callable[..., Any]
"""A function of a GraphBuilder that returns it; of nothing, returning a Document, for rules on documents."""

Subject = type[View] | type[Model] | type[Document]
"""What a rule looks at."""


@dataclass(eq=False)
class Rule:
    """One rule. Calling it runs the function it was made from."""

    code: str
    name: str
    level: Level
    on: Subject
    confidence: Confidence
    status: Status
    since: str
    function: Callable[..., Iterator[Found]]
    """Takes the subject, the plan and the target; what it takes by keyword, with a default, are its options."""
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    options: Mapping[str, Any] = field(default_factory=dict)
    toolchain: str | None = None
    target: str | None = None
    bad_examples: list[Example] = field(default_factory=list)
    good_examples: list[Example] = field(default_factory=list)

    def __call__(self, subject: Any, plan: Plan, target: Target, **settings: Any) -> Iterator[Found]:
        return self.function(subject, plan, target, **settings)

    @property
    def settings(self) -> dict[str, Any]:
        """Defaults of the options a user may set under ``rules`` in a configuration file, by name."""
        import inspect

        found = inspect.signature(self.function).parameters.values()
        return {p.name.replace("_", "-"): p.default for p in found if p.kind is inspect.Parameter.KEYWORD_ONLY}

    def with_settings(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The options as the rule is called with them. Raises UsageError for one it does not have or cannot take."""
        known = self.settings
        for name, value in values.items():
            if name not in known:
                has = f"; it has {', '.join(known)}" if known else ""
                raise UsageError(
                    f"rule {self.code} {self.name} has no option '{name}'" + (did_you_mean(name, list(known)) or has)
                )
            number = isinstance(known[name], float) and isinstance(value, int) and not isinstance(value, bool)
            if type(value) is not type(known[name]) and not number:
                kind = type(known[name]).__name__
                raise UsageError(f"rule {self.code}: option {name} is of type {kind}, not {value!r}")
        return {name.replace("-", "_"): value for name, value in values.items()}

    def bad(self, example: Example) -> Example:
        """A model this rule must find something in; one line of the graph builder."""
        self.bad_examples.append(example)
        return example

    def good(self, example: Example) -> Example:
        """A model just inside the limit, in which this rule must find nothing."""
        self.good_examples.append(example)
        return example

    @property
    def pack(self) -> str:
        """The letters of the code: ``GRF`` of ``GRF101``."""
        return self.code.rstrip("0123456789")

    def text(self, target: Target | None = None) -> str:
        """The docstring, with the limits it names (``{max_channels}``) filled in from a target's sheet."""
        import inspect

        text = inspect.getdoc(self.function) or ""
        return text.format_map(_Limits(target)) if target is not None else text

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]


class _Limits(dict[str, Any]):
    def __init__(self, target: Target) -> None:
        super().__init__({k: _spoken(v) for k, v in target.limits.items()})

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


def _spoken(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def rule(
    code: str,
    name: str,
    level: Level,
    *,
    on: Subject,
    confidence: Confidence = "source",
    status: Status = "stable",
    since: str = "0.1.0",
    layout: Literal["NCHW", "NHWC"] = "NCHW",
    options: Mapping[str, Any] | None = None,
    toolchain: str | None = None,
    target: str | None = None,
) -> Callable[[Callable[..., Iterator[Found]]], Rule]:
    """Makes a rule of a function ``(subject, plan, target) -> Iterator[Found]``; the subject is what ``on`` names.

    ``confidence`` says how the rule is known: recorded from the toolchain, read in its source, documented, or none
    of these. ``layout`` is that of its examples; ``options`` (of the target) are those under which the bad ones
    are bad; ``toolchain`` the version and ``target`` the chip of the family for which its examples are what they are,
    where those are not the default.
    """

    def make(function: Callable[..., Iterator[Found]]) -> Rule:
        return Rule(
            code, name, level, on, confidence, status, since, function, layout, options or {}, toolchain, target
        )

    return make


class Pack(Protocol):
    """What a module under the entry-point group ``lintmodel.rules`` provides."""

    PREFIX: str
    """The letters its rules' codes begin with."""
    RULES: Sequence[Rule]


class FamilyPack(Pack, Protocol):
    """A pack that knows a family of chips: it can plan. Packs without ``plan`` apply to every target."""

    FAMILY: str

    def plan(self, graph: Graph, target: Target) -> Plan: ...


class DocumentPack(FamilyPack, Protocol):
    """A pack that also knows documents of some kinds. Its plan for one has a verdict and no steps."""

    DOCUMENTS: Sequence[str]
    """The kinds it recognises (:attr:`lintmodel.ir.Document.kind`)."""

    def check_document(self, document: Document, target: Target) -> Plan: ...


class DescriberPack(FamilyPack, Protocol):
    """A pack that also knows how the vendor's own tools describe a chip."""

    def target_sheet(self, description: str | Mapping[str, Any]) -> str | None:
        """The text of a sheet for what a JSON file says, or for a word that is no target's name; None for what the
        pack does not know. Raises UnknownTarget for what it knows and cannot tell."""
        ...


class RecogniserPack(DocumentPack, Protocol):
    """A pack that also knows documents by what is in them: a configuration in JSON has no other mark."""

    def recognise(self, document: Document) -> str | None:
        """Which of its kinds a text is that a front end could only read; None for none of them."""
        ...


class ConfigurationPack(RecogniserPack, Protocol):
    """A pack whose toolchain takes a configuration that can be given with the models (``--config-file``)."""

    CONFIGURATION: str
    """The kind of such a document."""

    def configured_options(self, document: Document, target: Target) -> Mapping[str, Any]:
        """Options of the target that the configuration decides."""
        ...


class FixerPack(DocumentPack, Protocol):
    """A pack that also repairs documents; the repairs are proven by :func:`lintmodel.fixing.mend`."""

    def fixes(self, document: Document, plan: Plan, target: Target) -> Iterator[Repair]:
        """Repairs, of those with one ``problem`` the best first. They need not hold."""
        ...

    def same(self, before: Document, after: Document, target: Target) -> bool:
        """Both say the same to the toolchain, so that a repair was safe."""
        ...


class GeneratorPack(FamilyPack, Protocol):
    """A pack that also writes the network description its toolchain takes."""

    def generate(self, graph: Graph, target: Target) -> str:
        """The text of the description, which the pack has proven. Raises NotExpressible."""
        ...


class LayersPack(FamilyPack, Protocol):
    """A pack whose toolchain has PyTorch layers of its own."""

    TORCH_MODULES: Sequence[str]
    """Python modules with those classes: their code is the vendor's, wherever it lies."""


class ComparedPack(FamilyPack, Protocol):
    """A pack that says which of its targets ``lintmodel compare`` takes when none is named."""

    TYPICAL: Sequence[str]


@cache
def packs() -> Mapping[str, Any]:
    """Every installed pack by entry-point name. Raises LintmodelError naming a pack that does not load."""
    from importlib.metadata import entry_points

    points = sorted(entry_points(group="lintmodel.rules"), key=lambda p: p.name)
    return {point.name: _load(point) for point in points}


def _load(point: Any) -> Any:
    try:
        return point.load()
    except Exception as error:
        raise LintmodelError(f"rule pack '{point.name}' ({point.value}) does not load: {error}") from error


def pack_for(family: str) -> FamilyPack:
    """The pack that plans for a family. Raises LintmodelError when none is installed."""
    for pack in packs().values():
        if getattr(pack, "FAMILY", None) == family:
            found: FamilyPack = pack
            return found
    raise LintmodelError(f"no installed rule pack plans for the family '{family}'")


def pack_for_document(document: Document, family: str) -> DocumentPack | None:
    """The family's pack when it knows documents of this kind."""
    pack: Any = pack_for(family)
    return pack if document.kind in getattr(pack, "DOCUMENTS", ()) else None


def recognised(document: Document) -> Document | None:
    """A document as one of the kind that a pack knows it as; None where no pack does."""
    for pack in packs().values():
        kind = pack.recognise(document) if hasattr(pack, "recognise") else None
        if kind is not None:
            return replace(document, kind=kind)
    return None


def typical_targets() -> list[str]:
    """Targets that stand for their families, every chip that is much its own."""
    return [name for pack in packs().values() for name in getattr(pack, "TYPICAL", ())]


def layer_libraries() -> list[str]:
    """Python modules of PyTorch layers that packs know as the vendor's."""
    return [name for pack in packs().values() for name in getattr(pack, "TORCH_MODULES", ())]


def rules_for(family: str) -> list[Rule]:
    """The rules that apply to a target of this family: its own pack's and those of packs for any target."""
    chosen = [p for p in packs().values() if getattr(p, "FAMILY", family) == family]
    return sorted((r for p in chosen for r in p.RULES), key=lambda r: r.code)


def all_rules() -> list[Rule]:
    return sorted((r for p in packs().values() for r in p.RULES), key=lambda r: r.code)


def family_of(rule: Rule) -> str | None:
    """The family of the rule's pack; None for a rule on any target."""
    return next((getattr(p, "FAMILY", None) for p in packs().values() if any(r is rule for r in p.RULES)), None)


def find_rule(word: str) -> Rule:
    """The rule of a code or name. Raises UnknownRule with the nearest one."""
    rules = all_rules()
    for found in rules:
        if word.upper() == found.code or word == found.name:
            return found
    raise UnknownRule(f"no rule '{word}'" + did_you_mean(word, [x for r in rules for x in (r.code, r.name)]))


def selector(words: Sequence[str]) -> Callable[[Rule], bool]:
    """A test for ``--select`` and ``--ignore``: codes, code prefixes, names, or ALL. Raises UnknownRule."""
    rules = all_rules()
    for word in words:
        if not any(_selects(word, r) for r in rules):
            known = [x for r in rules for x in (r.code, r.name, r.pack)]
            raise UnknownRule(f"no rule has the code, prefix or name '{word}'" + did_you_mean(word, known))
    return lambda r: any(_selects(word, r) for word in words)


def _selects(word: str, candidate: Rule) -> bool:
    return word == "ALL" or word == candidate.name or (bool(word) and candidate.code.startswith(word.upper()))
