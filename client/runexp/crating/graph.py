"""A crate's metadata, as a graph in JSON-LD: the experiment, its files, the software, and what each attempt made.

Who made it is not known, and is left out. A licence is a must (RO-Crate 1.1, "Root Data Entity"): where none was stated, that is
what it says.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from runexp import __version__, naming
from runexp.crating import filling
from runexp.crating.filling import Filled, Ran
from runexp.crating.succeeded import Success
from runexp.text import on_one_line
from runexp.wire.states import Phase
from runexp.wire.views import Report

NAME = "ro-crate-metadata.json"
_VERSION = "1.1"
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_COMPLETED = "http://schema.org/CompletedActionStatus"
#: Of the tools that are known: as the package index has them, and where they are described.
_TOOLS = {
    "torchtune": ("https://pypi.org/project/torchtune/", "https://github.com/pytorch/torchtune"),
    "inspect-ai": ("https://pypi.org/project/inspect-ai/", "https://inspect.aisi.org.uk/"),
}
_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
#: Of the characters that RFC 3986 has.
_URL = re.compile(r"https?://[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")

#: An entity, without its id: names of schema.org to what they say.
_Said = dict[str, Any]


class License(msgspec.Struct, frozen=True):
    """What others may do with it."""

    #: A URL, or a name within the crate.
    id: str
    name: str
    description: str


NOT_STATED = License(
    "#license-not-stated",
    "No licence stated",
    "Whoever made this experiment has not said what others may do with it: ask before you use or share it.",
)


def license(said: str) -> License | None:
    """Of an SPDX identifier (https://spdx.org/licenses) or a URL; None where it is neither."""
    if _SPDX.fullmatch(said):
        url = f"https://spdx.org/licenses/{said}"
        return License(url, said, f"The licence that SPDX calls {said}, as whoever exported this said.")
    if _URL.fullmatch(said):
        return License(said, said, "The licence at this address, as whoever exported this said.")
    return None


def graph(filled: Filled, chosen: License, now: float) -> Any:
    """What ro-crate-metadata.json holds. `now`: when it is made, in seconds since 1970. Raises ImportError without rocrate."""
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version=_VERSION)
    for part in filled.parts:
        crate.add_file(
            dest_path=part.path, properties=_file(part.path, part.name, part.media, part.size_bytes)
        )
    entities = dict(_entities(filled, chosen, now))
    for id, said in entities.items():
        crate.add(ContextEntity(crate, id, properties=said))
    actions = [id for id, said in entities.items() if said["@type"] == "CreateAction"]
    for name, value in _root(filled.report, chosen, actions, now).items():
        crate.root_dataset[name] = value
    return crate.metadata.generate()


def _file(path: str, name: str, media: str, size_bytes: int) -> _Said:
    return {"name": on_one_line(name), "encodingFormat": media, "contentSize": str(size_bytes)}


def _root(report: Report, chosen: License, actions: Sequence[str], now: float) -> _Said:
    ended = {} if report.ended_at is None else {"dateCreated": _iso(report.ended_at)}
    return {
        "name": on_one_line(report.name).strip() or "experiment",
        "description": on_one_line(report.question).strip() or _came_to(report),
        "identifier": report.id,
        "datePublished": _iso(now),
        **ended,
        "license": _refer(chosen.id),
        "conformsTo": _refer(_PROFILE),
        "mentions": [_refer(id) for id in actions],
    }


def _came_to(report: Report) -> str:
    """For those whose summary has no question."""
    first, second = report.optimization, report.evaluation
    outcome = report.outcome or "under way"
    trained, evaluated = (
        f"{first.succeeded}/{first.total} trained",
        f"{second.succeeded}/{second.total} evaluated",
    )
    return f"A fine-tuning experiment, run by runexp: {outcome}, {trained}, {evaluated}"


def _entities(filled: Filled, chosen: License, now: float) -> Iterator[tuple[str, _Said]]:
    """What isn't in files, by id."""
    profile = {"@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    yield _PROFILE, profile
    about = {"@type": "CreativeWork", "name": chosen.name, "description": chosen.description}
    yield chosen.id, about
    yield _software("runexp", __version__)
    for ran in filled.ran:
        success = filled.successes.get(ran.attempt.token) if ran.attempt else None
        if success is not None:
            tool = _software(ran.job.tool, ran.recipe.versions.get(ran.job.tool, "") if ran.recipe else "")
            yield tool
            yield f"#{ran.stem}", _action(ran, success, tool[0])
    yield "#report", _reported(filled, now)


def _software(name: str, version: str) -> tuple[str, _Said]:
    """One of its own for each version; an empty one is not known."""
    said = {"@type": "SoftwareApplication", "name": on_one_line(name)}
    if version:
        said["softwareVersion"] = on_one_line(version)
    if name not in _TOOLS:
        return "#" + "-".join(quote(each, safe="") for each in ("software", name, version) if each), said
    id, url = _TOOLS[name]
    return f"{id}{quote(version, safe='')}/" if version else id, said | {"url": url}


def _action(ran: Ran, success: Success, instrument: str) -> _Said:
    assert ran.attempt is not None
    does = "Training" if ran.job.phase is Phase.OPTIMIZATION else "Evaluation"
    times = {"startTime": ran.attempt.started_at, "endTime": ran.attempt.ended_at}
    return {
        "@type": "CreateAction",
        "name": on_one_line(f"{does}: {ran.job.id}, attempt {ran.attempt.number}"),
        "description": on_one_line("; ".join((success.detail or "verified", *_scores(success)))),
        **{name: _iso(at) for name, at in times.items() if at is not None},
        "actionStatus": _COMPLETED,
        "instrument": _refer(instrument),
        "object": [_refer(path) for path in ran.files],
        "result": [_refer(path) for path in _results(ran, success)],
    }


def _scores(success: Success) -> Iterator[str]:
    for score in success.scores:
        yield f"{score.name} {score.metric} {score.value:.6g}"


def _results(ran: Ran, success: Success) -> tuple[str, ...]:
    """Where what came of it is; of results that others have taken the place of, only the events tell."""
    if not success.stands:
        return (filling.EVENTS,)
    figures = filling.METRICS if ran.job.phase is Phase.OPTIMIZATION else filling.SCORES
    return (*filling.REPORTS, figures)


def _reported(filled: Filled, now: float) -> _Said:
    read = [part.path for part in filled.parts if part.path in (naming.SUMMARY, filling.EVENTS)]
    ended = filled.report.ended_at
    return {
        "@type": "CreateAction",
        "name": "Report",
        "description": "The experiment was run, verified and reported",
        "endTime": _iso(now if ended is None else ended),
        "actionStatus": _COMPLETED,
        "instrument": _refer(_software("runexp", __version__)[0]),
        "object": [_refer(path) for path in read],
        "result": [_refer(path) for path in (*filling.REPORTS, filling.SCORES, filling.METRICS)],
    }


def _refer(id: str) -> dict[str, str]:
    return {"@id": id}


def _iso(at: float) -> str:
    """In UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
