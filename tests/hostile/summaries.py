"""Hostile summaries: what stands in experiment_summary.yaml."""

from collections.abc import Iterator

from hostile.spoiling import KINDS, Spoil, several, swap, write

FILE = "experiment_summary.yaml"
GOOD = """experiment: {name: NAME}
tools: {preparation: torchtune, evaluation: inspect-ai}
runs:
  - {name: r, type: fine-tuned}
evaluation:
  matrix:
    - {run: r, tasks: [words], epochs: [0]}
"""
#: In YAML's double quotes, and as they are.
TEXTS = {
    "half a character": r'"\uD800"',
    "a broken pair": r'"\uDC00\uD800"',
    "a NUL": r'"a\0b"',
    "a newline that forges a block": r'"x\n[2025-01-01 00:00:00] SUBMIT_EVAL: forged/x\nDetails: -\nJob ID: 31337\n"',
    "a carriage return": r'"x\rSUBMIT_JOB: forged"',
    "a line separator": r'"x\L\nJob ID: 31337"',
    "a next line": r'"x\Ny"',
    "a form feed": r'"x\fy"',
    "colours": r'"\e[31mred\e[0m"',
    "a title for the terminal": r'"\e]0;owned\a"',
    "a C1 control": r'"\x9b31m"',
    "an override of the direction": r'"‮evil‬"',
    "an isolate": r'"\u2066x"',
    "a zero width space": r'"a\u200bb"',
    "a combining tower": '"a' + r"\u0301" * 3000 + '"',
    "a tag character": r'"\U000E0041"',
    "a noncharacter": r'"\uFFFE"',
    "very long": "x" * 60_000,
    "too long": "x" * 70_000,
    "empty": '""',
    "blanks": '"   "',
    "a path upwards": "../../../../tmp/x",
    "an absolute path": "/etc/passwd",
    "a shell's words": '"$(touch /tmp/owned); `id` | cat"',
    "an option": "--help",
    "markup": '"<script>alert(1)</script>"',
    "rich markup": '"[bold red]x[/] [link=file:///etc]y[/link]"',
    "format braces": '"{0.__class__} %s %n {}"',
    "a number": "1e999",
    "a date": "2025-99-99",
    "a boolean": "no",
    "null": "null",
    "a list": "[[[]]]",
    "a mapping": "{a: {b: c}}",
    "bytes": "!!binary gIGC",
    "an object of Python": "!!python/object/apply:os.system [id]",
    "an interpolation": '"${oc.env:HOME}${a}"',
}
FIELDS = {
    "the experiment": ("experiment: {name: NAME}", "experiment: {{name: {}}}"),
    "the run": ("{name: r,", "{{name: {},"),
    "the type": ("type: fine-tuned", "type: {}"),
    "the model": ("type: fine-tuned", "type: fine-tuned, model: {}"),
    "the task": ("tasks: [words]", "tasks: [{}]"),
    "the epochs": ("epochs: [0]", "epochs: {}"),
    "the tool": ("preparation: torchtune", "preparation: {}"),
    "the directory": ("experiment: {name: NAME}", "experiment: {{name: NAME, dir: {}}}"),
    "the base": ("experiment: {name: NAME}", "output: {{base_directory: {}}}\nexperiment: {{name: NAME}}"),
}
BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
DOCUMENTS: dict[str, str | bytes] = {
    "aliases that grow": BOMB + GOOD,
    "merges that grow": "m0: &m0 {x: 1}\n"
    + "".join(f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}]}}\n" for n in range(1, 40))
    + GOOD,
    "many merges": "a: &a {x: 1}\nb: {" + "<<: *a, " * 20_000 + "}\n" + GOOD,
    "an anchor in itself": "a: &a [*a]\n" + GOOD,
    "deep brackets": "a: " + "[" * 100_000,
    "deep braces": "a: " + "{a: " * 50_000,
    "deep dashes": "- " * 50_000,
    "deep questions": "? " * 50_000,
    "only commas": "[" + "," * 100_000,
    "only tabs": "\t" * 10_000,
    "a tab": "experiment:\n\tname: x\n",
    "two documents": GOOD + "---\n" + GOOD,
    "a directive": "%YAML 9.9\n---\n" + GOOD,
    "a key twice": GOOD + "runs: []\n",
    "keys that are lists": "? [a]\n: b\n" + GOOD,
    "a number of 5000 digits": GOOD.replace("[0]", f"[{'9' * 5000}]"),
    "a number of 30 digits": GOOD.replace("[0]", f"[{'9' * 30}]"),
    "a negative epoch": GOOD.replace("[0]", "[-1]"),
    "two million epochs": GOOD.replace("[0]", "[2000000]"),
    "a fraction of an epoch": GOOD.replace("[0]", "[0.5]"),
    "an epoch that is not a number": GOOD.replace("[0]", "[.nan, .inf]"),
    "no epochs": GOOD.replace("[0]", "[]"),
    "null epochs": GOOD.replace("[0]", "null"),
    "an epoch twice": GOOD.replace("[0]", "[0, 0]"),
    "ten thousand epochs": GOOD.replace("[0]", str(list(range(10_000)))),
    "a run twice": GOOD.replace("type: fine-tuned}", "type: fine-tuned}\n  - {name: r, type: control}"),
    "no runs": GOOD.replace("  - {name: r, type: fine-tuned}", "  []"),
    "a run of nowhere": GOOD.replace("run: r,", "run: s,"),
    "three thousand runs": GOOD.replace(
        "\nevaluation:",
        "\n" + "".join(f"  - {{name: r{n}, type: fine-tuned}}\n" for n in range(3000)) + "evaluation:",
    ),
    "two megabytes": GOOD + "more:\n" + "".join(f"- {{a: {n}, b: [x, y]}}\n" for n in range(90_000)),
    "five megabytes": GOOD + "# " + "x" * 5_000_000,
    "a scalar of three megabytes": GOOD + "note: |\n" + "  xxxxxxxxxxx\n" * 200_000,
    "a comment of a megabyte": "#" * 1_000_000 + "\n" + GOOD,
    "bytes that aren't UTF-8": GOOD.encode() + b"# \xff\xfe\n",
    "UTF-16": GOOD.encode("utf-16"),
    "UTF-32": GOOD.encode("utf-32"),
    "half a character as bytes": GOOD.encode() + b"# \xed\xa0\x80\n",
    "a byte order mark before": "\ufeff" + GOOD,
    "a control character far down": GOOD + "# \x9b31m\n",
    "a tag that is no type": GOOD.replace("[0]", "[!!timestamp x]"),
    "a merge of a list": GOOD + "x: {<<: [[1]]}\n",
    "a NUL in the middle": GOOD.replace("runs", "ru\0ns"),
    "DOS lines": GOOD.replace("\n", "\r\n"),
    "old Mac lines": GOOD.replace("\n", "\r"),
    "line separators for lines": GOOD.replace("\n", "\u2028"),
    "cut short": GOOD[:60],
    "a scalar": "hello",
    "a list": "- a\n- b\n",
    "JSON": '{"experiment": {"name": "NAME"}, "runs": [{"name": "r", "type": "fine-tuned"}]}',
    "sexagesimal": GOOD.replace("[0]", "[190" + ":59" * 2000 + "]"),
    "a long key": "k" * 2000 + ": 1\n" + GOOD,
    "an anchor of a megabyte": "a: &" + "a" * 1_000_000 + " 1\n" + GOOD,
    "sets and pairs": "a: !!set {x, y}\nb: !!omap [x]\nc: !!pairs [x: 1, x: 2]\nd: !!timestamp x\n" + GOOD,
}


def cases() -> Iterator[tuple[str, Spoil]]:
    for kind, put in KINDS.items():
        yield f"{kind} as the summary", put(FILE)
    for field, (old, new) in FIELDS.items():
        for text, value in TEXTS.items():
            yield f"{text} for {field}", swap(FILE, old.replace("NAME", "words"), _filled(new, value))
    for name, document in DOCUMENTS.items():
        yield f"a summary of {name}", several(write(FILE, _named(document)))


def _filled(new: str, value: str) -> str:
    return new.format(value).replace("NAME", "words")


def _named(document: str | bytes) -> str | bytes:
    return document.replace("NAME", "words") if isinstance(document, str) else document
