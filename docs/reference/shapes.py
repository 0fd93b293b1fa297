"""The fields of a struct: what each may be, in words, what it is where nothing is said, and what it means."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect as kinds

from reference import comments
from reference.layout import Entry

_WORDS: dict[type, str] = {
    kinds.StrType: "text",
    kinds.BoolType: "true or false",
    kinds.NoneType: "nothing",
    kinds.RawType: "as it is",
    kinds.AnyType: "anything",
}


def fields(struct: type[msgspec.Struct]) -> Iterator[Entry]:
    """Its cells: what it may be, and the default; an empty one where it has to be said."""
    said = comments.of(struct)
    shape = kinds.type_info(struct)
    assert isinstance(shape, kinds.StructType)
    for field in shape.fields:
        yield Entry(name=field.name, text=said.get(field.name, ""), cells=(word(field.type), _default(field)))


def _default(field: kinds.Field) -> str:
    if field.required:
        return ""
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return "" if value is msgspec.UNSET else f"`{msgspec.json.encode(value).decode()}`"


def word(kind: kinds.Type) -> str:
    """What a value may be."""
    match kind:
        case kinds.Metadata():
            return word(kind.type)
        case kinds.IntType() | kinds.FloatType():
            return _number(kind)
        case kinds.EnumType():
            return ", ".join(f"`{member.value}`" for member in kind.cls)
        case kinds.VarTupleType() | kinds.ListType():
            return f"list of: {word(kind.item_type)}"
        case kinds.DictType():
            return f"by name: {word(kind.value_type)}"
        case kinds.UnionType():
            return " or ".join(word(each) for each in kind.types)
        case kinds.StructType():
            return f"`{kind.cls.__name__}`"
        case _:
            return _WORDS[type(kind)]


def _number(kind: kinds.IntType | kinds.FloatType) -> str:
    what = "whole number" if isinstance(kind, kinds.IntType) else "number"
    bounds = [("from", kind.ge), ("above", kind.gt), ("to", kind.le), ("below", kind.lt)]
    return " ".join([what, *(f"{word} {_plain(bound)}" for word, bound in bounds if bound is not None)])


def structs(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """The structs that the fields of one are of, each once, in order; not itself."""
    seen: dict[type[Any], None] = {}
    _gather(kinds.type_info(kind), seen)
    return (each for each in seen if each is not kind and issubclass(each, msgspec.Struct))


def _gather(kind: kinds.Type, seen: dict[type[Any], None]) -> None:
    cls = getattr(kind, "cls", None)
    if cls is not None and cls in seen:
        return
    if cls is not None:
        seen[cls] = None
    for part in _parts(kind):
        _gather(part, seen)


def _parts(kind: kinds.Type) -> Iterator[kinds.Type]:
    if isinstance(kind, kinds.StructType):
        yield from (field.type for field in kind.fields)
    yield from getattr(kind, "types", ())
    for name in ("type", "item_type", "key_type", "value_type"):
        if (part := getattr(kind, name, None)) is not None:
            yield part


def _plain(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)
