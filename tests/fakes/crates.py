"""What an RO-Crate must be, by the text of the specification: held against one on disk, without the library that wrote it.

https://www.researchobject.org/ro-crate/specification/1.1/, and process_run_crate 0.5 of
https://www.researchobject.org/workflow-run-crate/profiles/.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from rocrate import vocabs

DESCRIPTOR = "ro-crate-metadata.json"
_TERMS = set(vocabs.RO_CRATE["@context"])
_REFERRING = ("about", "conformsTo", "hasPart", "instrument", "license", "mentions", "object", "result")


def entities(crate: Path) -> dict[str, Any]:
    """By id."""
    return {entity["@id"]: entity for entity in json.loads((crate / DESCRIPTOR).read_text())["@graph"]}


def of_type(crate: Path, kind: str) -> list[Any]:
    return [entity for entity in entities(crate).values() if entity["@type"] == kind]


def refers(entity: Any, name: str) -> list[str]:
    """To which ids."""
    said = entity.get(name, [])
    return [each["@id"] for each in (said if isinstance(said, list) else [said])]


def broken(crate: Path) -> list[str]:
    """Each MUST that isn't kept."""
    document = json.loads((crate / DESCRIPTOR).read_text())
    graph = document["@graph"]
    known = {entity["@id"]: entity for entity in graph}
    return [
        *(["another context"] if document["@context"] != "https://w3id.org/ro/crate/1.1/context" else []),
        *(["an id that two have"] if len(known) < len(graph) else []),
        *_descriptor(known),
        *_root(known),
        *_files(crate, known),
        *(line for entity in graph for line in _entity(entity, known)),
        *(line for entity in graph if entity["@type"] == "CreateAction" for line in _action(entity, known)),
    ]


def _descriptor(known: dict[str, Any]) -> Iterator[str]:
    said = known.get(DESCRIPTOR, {})
    if said.get("@type") != "CreativeWork" or refers(said, "about") != ["./"]:
        yield "no descriptor"
    if refers(said, "conformsTo") != ["https://w3id.org/ro/crate/1.1"]:
        yield "a descriptor of another version"


def _root(known: dict[str, Any]) -> Iterator[str]:
    root = known.get("./", {"@type": ""})
    if root["@type"] != "Dataset":
        yield "the root is no Dataset"
    yield from (
        f"no {name}" for name in ("name", "description", "datePublished", "license") if not root.get(name)
    )
    if not _is_date(root.get("datePublished", "")):
        yield "datePublished is no date"
    for id in refers(root, "conformsTo"):
        if known.get(id, {}).get("@type") != "CreativeWork":
            yield f"the profile {id} is not described"


def _files(crate: Path, known: dict[str, Any]) -> Iterator[str]:
    """All that is there is listed, and all that is listed is there."""
    listed = {id for id, entity in known.items() if entity["@type"] == "File"}
    if listed != set(refers(known["./"], "hasPart")):
        yield "not all files are parts of the root"
    for id in listed:
        path = crate / unquote(id)
        if ".." in path.parts or id.startswith(("/", "\\")) or "\\" in id or ":" in id:
            yield f"a path that leads elsewhere: {id}"
        elif not path.is_file() or path.is_symlink():
            yield f"not there: {id}"
        elif path.stat().st_size != int(known[id]["contentSize"]):
            yield f"of another size: {id}"
    here = {path.relative_to(crate).as_posix() for path in crate.rglob("*") if not path.is_dir()}
    yield from (f"not listed: {path}" for path in here - {unquote(id) for id in listed} - {DESCRIPTOR})


def _entity(entity: dict[str, Any], known: dict[str, Any]) -> Iterator[str]:
    """Flat, of known terms, and with what it refers to."""
    id = entity["@id"]
    if not isinstance(id, str) or not id or not id.isascii() or not id.isprintable() or " " in id:
        yield f"no URI: {id!r}"
    for name, said in entity.items():
        if not name.startswith("@") and name not in _TERMS:
            yield f"{name} of {id} is no term"
        for each in said if isinstance(said, list) else [said]:
            if isinstance(each, dict) and set(each) != {"@id"}:
                yield f"{name} of {id} is not flat"
        if name in _REFERRING and id != DESCRIPTOR:
            yield from (
                f"{each}, {name} of {id}, is not there" for each in refers(entity, name) if each not in known
            )


def _action(action: dict[str, Any], known: dict[str, Any]) -> Iterator[str]:
    instruments = [known[id]["@type"] for id in refers(action, "instrument") if id in known]
    if instruments != ["SoftwareApplication"]:
        yield f"{action['@id']} has no software as its instrument"
    for name in ("startTime", "endTime"):
        if name in action and not _is_date(action[name]):
            yield f"{name} of {action['@id']} is no date"


def _is_date(said: str) -> bool:
    try:
        return datetime.fromisoformat(said).tzinfo is not None
    except ValueError:
        return False
