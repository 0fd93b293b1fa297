"""YAML text to nodes, within limits. Pure.

PyYAML's own composer follows aliases without counting and takes keys that are there twice; this one reads the same events, of
the parser written in C, and counts. Only the size of what an alias stands for is remembered: nothing is walked twice.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from runexpd.experiments import limits

_PREFIX = "tag:yaml.org,2002:"
#: What a scalar has to look like to be called so; a text and bytes may look like anything.
_SCALARS = {
    "int": ("int",),
    "float": ("float", "int"),
    "bool": ("bool",),
    "null": ("null",),
    "timestamp": ("timestamp",),
}
_TEXTS = ("str", "binary")
_SEQUENCES = ("seq", "omap", "pairs")
_MAPPINGS = ("map", "set")
_NUMBERS = tuple(_PREFIX + kind for kind in ("int", "float", "timestamp"))
_MERGE = _PREFIX + "merge"
#: What to do about it.
QUOTE, _OUT, _ALIAS = "quote it, if a text is meant", "take it out", "write out what is meant, without a *"
_SURROGATE = re.compile("[\ud800-\udfff]")
_Pair = tuple[yaml.Node, yaml.Node]
_RESOLVER: Any = yaml.resolver.Resolver()
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Unfit(yaml.MarkedYAMLError):
    """Raised for YAML that we don't take: too large, too deep, ambiguous."""

    def __init__(self, what: str, mark: Any, hint: str) -> None:
        super().__init__(problem=what, problem_mark=mark)
        self.what = what
        self.hint = hint


class _Tree:
    """A node with what it stands for: nodes in it, itself among them, and levels below it. Open until its end was read."""

    def __init__(self, node: yaml.Node) -> None:
        self.node = node
        self.parts: list[yaml.Node] = []
        self.size = 1
        self.height = 0
        self.open = not isinstance(node, yaml.ScalarNode)


def compose(text: str) -> yaml.Node | None:
    """The root of the document, None for an empty one. Raises yaml.YAMLError, Unfit among them."""
    if len(text) > limits.FILE_BYTES:
        raise Unfit(limits.TOO_LARGE, None, limits.SMALLER)
    if found := _SURROGATE.search(text):
        raise Unfit(f"half a surrogate pair at character {found.start() + 1}", None, _OUT)
    loader = _Loader(text)
    try:
        return _Composer().compose(loader)
    finally:
        loader.dispose()


class _Composer:
    """One document's."""

    def __init__(self) -> None:
        self._open: list[_Tree] = []
        self._anchors: dict[str, _Tree] = {}
        #: What plain words were found to be: most are there more than once.
        self._tags: dict[str, str] = {}
        self._root: yaml.Node | None = None

    def compose(self, loader: Any) -> yaml.Node | None:
        while loader.check_event():
            event = loader.get_event()
            match type(event):
                case yaml.ScalarEvent:
                    self._add(self._anchored(event, self._scalar(event)), event.start_mark)
                case yaml.MappingStartEvent | yaml.SequenceStartEvent:
                    self._open.append(self._anchored(event, _collection(event)))
                case yaml.MappingEndEvent | yaml.SequenceEndEvent:
                    self._add(_closed(self._open.pop()), event.start_mark)
                case yaml.AliasEvent:
                    self._add(self._aliased(event), event.start_mark)
                case yaml.DocumentStartEvent if self._root is not None:
                    raise Unfit(
                        "a second document: one file holds one", event.start_mark, "end it before the ---"
                    )
                case _:
                    pass
        return self._root

    def _add(self, part: _Tree, mark: Any) -> None:
        if len(self._open) + part.height > limits.DEPTH:
            raise Unfit(f"nested more than {limits.DEPTH} deep", mark, limits.SMALLER)
        if not self._open:
            self._root = part.node
            return
        whole = self._open[-1]
        whole.parts.append(part.node)
        whole.size += part.size
        if part.height >= whole.height:
            whole.height = part.height + 1
        if whole.size > limits.NODES:
            raise Unfit("the document is too large", mark, limits.SMALLER)

    def _anchored(self, event: Any, node: yaml.Node) -> _Tree:
        tree = _Tree(node)
        if event.anchor is not None:
            self._anchors[event.anchor] = tree
        return tree

    def _aliased(self, event: Any) -> _Tree:
        found = self._anchors.get(event.anchor)
        if found is None:
            raise Unfit(f"*{limits.shown(event.anchor)} stands for nothing", event.start_mark, _ALIAS)
        if found.open:
            raise Unfit(
                f"*{limits.shown(event.anchor)} stands for what it is part of", event.start_mark, _ALIAS
            )
        return found

    def _scalar(self, event: Any) -> yaml.ScalarNode:
        value, mark = event.value, event.start_mark
        if len(value) > limits.SCALAR_CHARACTERS:
            what = f"a value of {len(value)} characters: more than {limits.SCALAR_CHARACTERS}"
            raise Unfit(what, mark, limits.SMALLER)
        if _SURROGATE.search(value):
            raise Unfit("half a surrogate pair", mark, _OUT)
        tag = _called(event) if event.tag not in (None, "!") else self._meant(event)
        if tag in _NUMBERS and len(value) > limits.NUMBER_CHARACTERS:
            raise Unfit(f"a number of {len(value)} characters", mark, QUOTE)
        return yaml.ScalarNode(tag, value, mark, event.end_mark, style=event.style)

    def _meant(self, event: Any) -> str:
        if not event.implicit[0] or event.tag is not None:
            return f"{_PREFIX}str"
        tag = self._tags.get(event.value)
        if tag is None:
            tag = self._tags[event.value] = _looks(event.value)
        return tag


def _looks(value: str) -> str:
    return str(_RESOLVER.resolve(yaml.ScalarNode, value, (True, False)))


def _called(event: Any) -> str:
    """The tag that a scalar is given: one that its looks agree with."""
    tag, kind = str(event.tag), event.tag.removeprefix(_PREFIX)
    if tag == kind or kind not in (*_SCALARS, *_TEXTS):
        raise _no_such(event)
    if kind in _SCALARS and _looks(event.value).removeprefix(_PREFIX) not in _SCALARS[kind]:
        raise Unfit(
            f"{limits.shown(event.value)!r} is no {kind}",
            event.start_mark,
            f"take its !!{kind} away, or write one",
        )
    return tag


def _collection(event: Any) -> yaml.CollectionNode:
    sequence = type(event) is yaml.SequenceStartEvent
    kinds, node = (_SEQUENCES, yaml.SequenceNode) if sequence else (_MAPPINGS, yaml.MappingNode)
    tag = _PREFIX + kinds[0] if event.tag in (None, "!") else event.tag
    if tag.removeprefix(_PREFIX) not in kinds or not tag.startswith(_PREFIX):
        raise _no_such(event)
    return node(tag, [], event.start_mark, event.end_mark, flow_style=event.flow_style)


def _no_such(event: Any) -> Unfit:
    return Unfit(f"the tag {limits.shown(event.tag)} is not known here", event.start_mark, "take it away")


def _closed(tree: _Tree) -> _Tree:
    tree.open = False
    if isinstance(tree.node, yaml.SequenceNode):
        tree.node.value = tree.parts
        return tree
    pairs = list(zip(tree.parts[::2], tree.parts[1::2], strict=True))
    merges = _checked(pairs)
    tree.node.value = _merged(pairs) if merges else pairs
    return tree


def _checked(pairs: list[_Pair]) -> int:
    """How many merge keys there are. Raises Unfit for a key that is there twice."""
    seen: set[str] = set()
    merges = 0
    for key, _ in pairs:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if key.tag == _MERGE:
            merges += 1
            if merges > limits.MERGES:
                raise Unfit(
                    f"more than {limits.MERGES} merge keys", key.start_mark, "write out what they bring"
                )
        elif key.value in seen:
            raise Unfit(f"{limits.shown(key.value)} is there twice", key.start_mark, "take one of them out")
        seen.add(key.value)
    return merges


def _merged(pairs: list[_Pair]) -> list[_Pair]:
    """With what `<<` brings in: of keys of the same name the mapping's own counts, then that of the first merged."""
    own = [pair for pair in pairs if pair[0].tag != _MERGE]
    seen = {key.value for key, _ in own if isinstance(key, yaml.ScalarNode)}
    brought: list[_Pair] = []
    for source in _sources(value for key, value in pairs if key.tag == _MERGE):
        for key, value in source.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else id(key)
            if name not in seen:
                seen.add(name)
                brought.append((key, value))
    return brought + own


def _sources(values: Iterable[yaml.Node]) -> Iterator[yaml.MappingNode]:
    for value in values:
        for source in value.value if isinstance(value, yaml.SequenceNode) else (value,):
            if not isinstance(source, yaml.MappingNode):
                raise Unfit(
                    "<< of what is no mapping", source.start_mark, "it brings in the keys of another mapping"
                )
            yield source
