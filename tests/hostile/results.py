"""Hostile results: what a job leaves, prepared beside the experiment and copied by a script that does nothing else.

A training's files are below `artifacts`, an evaluation's below `logs`; what it prints is `said`.
"""

import json
import struct
from collections.abc import Iterator

from hostile.spoiling import DEFLATED, KINDS, ZSTD, Spoil, around, log, several, write

EVAL = "logs/2026-01-01T00-00-00-00-00_words_abc.eval"
SHARD = "artifacts/epoch_0/model.safetensors"
INDEX = "artifacts/epoch_0/model.safetensors.index.json"
STEPS = "artifacts/logs/log_1999999999.txt"
FORGED = "x\n[2025-01-01 00:00:00] SUBMIT_EVAL: forged/x\nDetails: -\nJob ID: 31337\nResult: -\n"
TEXTS = {
    "a forged block": FORGED,
    "control characters": "\x1b[31m\x1b]0;t\x07\x9b\x00\x7f",
    "an override": "\u202eevil\u2066",
    "separators": "a\u2028b\u2029c\x85d\x0ce\x1cf",
    "half a character": "\ud800",
    "a byte": "\udcff",
    "a megabyte": "x" * 1_000_000,
    "markup": "<img src=x onerror=alert(1)> [bold]x[/bold] | a | `b` {0}",
    "nothing": "",
}


def header(**changes: object) -> dict[str, object]:
    scores = [
        {"name": "match", "scorer": "match", "metrics": {"accuracy": {"name": "accuracy", "value": 0.5}}}
    ]
    usual = {
        "version": 2,
        "status": "success",
        "eval": {"task": "words", "model": "hf/x", "created": "2026-01-01T00:00:00+00:00"},
        "results": {"total_samples": 10, "completed_samples": 10, "scores": scores},
    }
    return {**usual, **changes}


def counted(done: object, total: object) -> dict[str, object]:
    return header(results={**header()["results"], "completed_samples": done, "total_samples": total})  # type: ignore[dict-item]


def scored(name: object, metric: str, value: object) -> dict[str, object]:
    scores = [{"name": name, "scorer": name, "metrics": {metric: {"name": metric, "value": value}}}]
    return header(results={"total_samples": 10, "completed_samples": 10, "scores": scores})


def _headers() -> Iterator[tuple[str, dict[str, object]]]:
    for name, text in TEXTS.items():
        yield f"an error of {name}", header(status="error", error={"message": text})
        yield f"a status of {name}", header(status=text)
        yield f"a scorer of {name}", scored(text, "accuracy", 0.5)
        yield f"a metric of {name}", scored("match", text, 0.5)
        yield f"a model of {name}", header(eval={"task": text, "model": text, "created": text})
    for done, total in (
        (-5, -5),
        (10**23, 10**23),
        (1e999, 10),
        (5, 2),
        (0, 0),
        (1.5, 2),
        ("x", None),
        (True, False),
    ):
        yield f"{done} of {total} samples", counted(done, total)
    values: tuple[object, ...] = (
        float("nan"),
        float("inf"),
        -float("inf"),
        1e308,
        -0.0,
        10**400,
        "x",
        [],
        None,
        True,
    )
    for value in values:
        yield f"a score of {str(value)[:20]}", scored("match", "accuracy", value)
    many = [{"name": f"s{n}", "metrics": {f"m{m}": {"value": m} for m in range(100)}} for n in range(300)]
    yield (
        "thirty thousand scores",
        header(results={"total_samples": 1, "completed_samples": 1, "scores": many}),
    )
    yield "no results", header(results=None)
    yield "scores that are a mapping", header(results={"scores": {}})
    yield "created long ago", header(eval={"created": "0001-01-01T00:00:00+23:59"})
    yield "created never", header(eval={"created": "9999-12-31T23:59:59-23:59"})
    yield "invalidated", header(invalidated=True)


def _logs() -> Iterator[tuple[str, bytes]]:
    for name, document in _headers():
        yield name, log(json.dumps(document).encode("utf-8", "surrogatepass"))
    good = json.dumps(header()).encode()
    digits = good.replace(b'"completed_samples": 10', b'"completed_samples": ' + b"1" * 5000)
    zeros = b"\0" * 64_000_000
    yield "5000 digits", log(digits)
    yield "deep brackets", log(b"[" * 200_000)
    yield "deep brackets of zstd", log(b'{"a":' * 100_000, ZSTD)
    yield "a deflate bomb", log(zeros)
    yield "a zstd bomb", log(zeros, ZSTD)
    yield "a header of another method", around(good, crc=0, size=len(good), method=14)
    yield "a header that isn't packed as it says", around(good, crc=0, size=len(good), method=DEFLATED)
    yield "a header that isn't zstd", around(b"\x28\xb5\x2f\xfd" + b"\xff" * 50, crc=0, size=9, method=ZSTD)
    yield "a large window", around(b"\x28\xb5\x2f\xfd\x00\xf8" + b"\0" * 50, crc=0, size=9, method=ZSTD)
    yield "an empty header", log(b"")
    yield "a header of bytes", log(b"\xff\xfe\xfd")
    yield "a header of UTF-16", log(good.decode().encode("utf-16"))
    yield "a header of null", log(b"null")
    yield "another name", log(good, name="../../etc/passwd")
    yield "a name with a NUL", log(good, name="header.json\0x")
    yield "keys twice", log(good[:-1] + b', "status": "error"}')
    yield "cut short", log(good)[:-30]
    yield "a comment of 60 kB", log(good)[:-2] + struct.pack("<H", 60_000) + b"PK\x05\x06" * 15_000
    yield "a directory of nowhere", log(good)[:-8] + b"\xff" * 8
    yield "ends upon ends", b"PK\x05\x06" * 16_000
    yield "a directory of four gigabytes", log(good)[:-10] + b"\xff\xff\xff\xff" + b"\0" * 6


def evaluations() -> Iterator[tuple[str, Spoil]]:
    for name, data in _logs():
        yield f"a log with {name}", write(EVAL, data)
    for kind, put in KINDS.items():
        yield f"{kind} as the log", put(EVAL)
        yield f"{kind} as the directory of logs", put("logs")
    yield "a log whose name isn't UTF-8", write("logs/z\udcff.eval", log(json.dumps(header()).encode()))
    yield (
        "a log whose name forges",
        write("logs/a\nJob ID: 31337\n\x1b[31m\u202e.eval", log(json.dumps(header()).encode())),
    )
    yield "two thousand logs", several(*(write(f"logs/{n}.eval", b"x") for n in range(2000)))
    for name, said in _outputs():
        yield f"an evaluation that says {name}", write("said", said)


def shard(head: object, data: int = 64) -> bytes:
    packed = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack("<Q", len(packed)) + packed + b"\0" * data


def tensor(begin: object, end: object) -> dict[str, object]:
    return {"dtype": "F32", "shape": [16], "data_offsets": [begin, end]}


GOOD_SHARD = shard({"w": tensor(0, 64)})
STEP = "Step 4 | loss:0.5 lr:0.0 tokens_per_second_per_gpu:8603.2744140625 \n"
SHARDS = {
    "no tensors": shard({}, 0),
    "only metadata": shard({"__metadata__": {"a": "b"}}, 0),
    "overlaps": shard({"a": tensor(0, 64), "b": tensor(32, 64)}),
    "a hole": shard({"a": tensor(0, 8), "b": tensor(16, 64)}),
    "negative offsets": shard({"a": tensor(-64, 64)}),
    "offsets that are huge": shard({"a": tensor(0, 10**23)}),
    "offsets of 5000 digits": shard(b'{"a":{"data_offsets":[0,' + b"9" * 5000 + b"]}}"),
    "offsets that are infinite": shard(b'{"a":{"data_offsets":[0,1e999]}}'),
    "a huge header": struct.pack("<Q", 2**63) + b"x" * 100,
    "an endless header": struct.pack("<Q", 2**64 - 1) + b"x" * 100,
    "deep brackets": shard(b'{"a":' * 50_000),
    "ten thousand tensors": shard({f"t{n}": tensor(n, n + 1) for n in range(10_000)}, 10_000),
    "a name of half a character": shard(b'{"\\ud800":{"data_offsets":[0,64]}}'),
    "bytes": shard(b"\xff\xfe\xfd"),
    "seven bytes": b"\0" * 7,
    "truncated": GOOD_SHARD[:-8],
    "too long": GOOD_SHARD + b"\0",
    "a shape of a trillion": shard({"w": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 64]}}),
    "a shape of nonsense": shard({"w": {"dtype": None, "shape": [-1, "x", 1.5], "data_offsets": [0, 64]}}),
    "a tensor twice": shard(
        json.dumps({"w": tensor(0, 64)}).encode()[:-1] + b"," + json.dumps({"w": tensor(0, 64)}).encode()[1:]
    ),
    "metadata that is a list": shard({"__metadata__": [], "w": tensor(0, 64)}),
    "a header of no length": struct.pack("<Q", 0) + b"\0" * 64,
}
INDEXES: dict[str, bytes] = {
    "no shards": b'{"weight_map": {}}',
    "shards upwards": b'{"weight_map": {"a": "../../../../../etc/passwd"}}',
    "half a character": b'{"weight_map": {"a": "\\ud800"}}',
    "NUL": b'{"weight_map": {"a": "a\\u0000b"}}',
    "a forged block": json.dumps({"weight_map": {"a": FORGED}}).encode(),
    "dots": b'{"weight_map": {"a": "..", "b": ".", "c": ""}}',
    "a hundred thousand shards": json.dumps(
        {"weight_map": {f"a{n}": f"s{n}" for n in range(100_000)}}
    ).encode(),
    "deep brackets": b"[" * 100_000,
    "a list": b"[1]",
    "bytes": b"\xff\xfe",
    "numbers": b'{"weight_map": {"a": 1e999}}',
}
ADAPTERS: dict[str, bytes] = {
    "a base of half a character": b'{"base_model_name_or_path": "/\\ud800"}',
    "a base of NUL": b'{"base_model_name_or_path": "/a\\u0000"}',
    "a base that forges": json.dumps({"base_model_name_or_path": "/" + FORGED}).encode(),
    "a base that is a device": b'{"base_model_name_or_path": "/dev/zero"}',
    "a base of a megabyte": json.dumps({"base_model_name_or_path": "/" + "x" * 900_000}).encode(),
    "deep brackets": b"[" * 100_000,
    "5000 digits": b'{"base_model_name_or_path": ' + b"9" * 5000 + b"}",
    "bytes": b"\xff",
}


STEPS_OF = {
    "names without end": b"Step 1 | " + b"n" * 100_000 + b":1\n" + STEP.encode(),
    "three thousand names": b"Step 1 | " + b" ".join(b"m%d:%d" % (n, n) for n in range(3000)) + b"\n",
    "carriage returns": b"Step 1 | loss:1\rStep 2 | loss:2\rStep 3 | loss:1_0 lr:1__0\r",
    "no numbers": b"Step 2 | loss:true lr:None x:0x10 y:1e999 z:-nan\nStep 99999999999999999999 | loss:1\n",
    "bytes": b"\xff\xfe Step 1 | l\xc3\xb6ss:1 \xe2\x80\xaex:2\nStep \xd9\xa3 | loss:\xd9\xa3\n"
    + b"\0" * 5000,
}


def trainings() -> Iterator[tuple[str, Spoil]]:
    steps, whole = write(STEPS, STEP * 4), write(SHARD, GOOD_SHARD)
    yield "a good one", several(steps, whole)
    for name, data in SHARDS.items():
        yield f"a shard of {name}", several(steps, write(SHARD, data))
    for name, data in STEPS_OF.items():
        yield f"steps of {name}", several(whole, write(STEPS, data))
    for name, data in INDEXES.items():
        yield f"an index of {name}", several(steps, whole, write(INDEX, data))
    for name, data in ADAPTERS.items():
        weights = write("artifacts/epoch_0/adapter_model.safetensors", GOOD_SHARD)
        yield (
            f"an adapter of {name}",
            several(steps, weights, write("artifacts/epoch_0/adapter_config.json", data)),
        )
    places = {"the steps": STEPS, "the written config": "artifacts/torchtune_config.yaml", "the index": INDEX, "the shard": SHARD,
              "the epoch": "artifacts/epoch_0", "the directory of steps": "artifacts/logs", "the results": "artifacts"}  # fmt: skip
    for what, path in places.items():
        for kind, put in KINDS.items():
            yield f"{kind} as {what}", several(steps, whole, put(path))
    for name, said in _outputs():
        yield f"a training that says {name}", several(whole, write("said", said))
    names = ("artifacts/epoch_0/\udcff.safetensors", "artifacts/epoch_²/x", "artifacts/epoch_99999999999999999999/x",
             "artifacts/logs/log_²³.txt", "artifacts/logs/log_-1.txt", f"artifacts/logs/log_{'9' * 200}.txt", "artifacts/\n/x")  # fmt: skip
    yield "odd names", several(steps, whole, *(write(name, b"x") for name in names))


def _outputs() -> Iterator[tuple[str, str | bytes]]:
    for name, text in TEXTS.items():
        raw = text.encode("utf-8", "surrogatepass")
        yield f"an exception with {name}", b"Traceback (most recent call last):\nRuntimeError: " + raw + b"\n"
    yield "a megabyte of dots", "a." * 500_000
    yield "a megabyte of escapes", "\x1b[" + ";" * 500_000 + "1"
    yield "many escapes", "\x1b[" * 30_000
    yield "only carriage returns", "\r" * 60_000
    yield "colons", "RuntimeError:\n" * 4000
    yield "long names of errors", ("a." * 900 + "Error\n") * 30
    yield "almost errors", ("a" * 1990 + "\n") * 30
    yield (
        "chains",
        ("ValueError: x\nDuring handling of the above exception, another exception occurred:\n" * 700),
    )
    yield "bars of digits", "1|" + "9" * 5000 + "|Loss: nan: 100%|#| 99999999999999999999/0 [00:00<00:01]\n"
    yield "bars of other digits", "١|٢|Loss: ٣: 100%|#| ٤/٥ [00:00<00:01]\n1|2|Loss: 1e999: 1%|#| ²/³ [\n"
    yield "samples of digits", "Samples: " + "9" * 5000 + "/ " + "8" * 5000 + "\nSamples: ²/³\n"
    yield "samples of blanks", ("Samples:" + " " * 5000) * 10
    yield "bytes", bytes(range(256)) * 100
    yield "a link of the terminal's", b"\x1b]8;;http://x\x07y\x1b]8;;\x07" * 30
    yield (
        "logs and checkpoints of devices",
        (
            b"Writing logs to /dev/zero\nWriting logs to ../../../x\nModel checkpoint of size -1 GiB saved to /dev/zero\n"
            b"Adapter checkpoint of size 1.00 GiB saved to \xff\nLog: /dev/zero\n"
        ),
    )
    yield "a mebibyte of zeros", b"\0" * 1_000_000
