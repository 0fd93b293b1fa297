"""Values with `${...}` in them come to what OmegaConf makes of them."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from runexpd.tools import interpolation

NAMES = ("a", "b", "c", "inner")
REFERENCES = [*(f"${{{name}}}" for name in (*NAMES, "inner.a", "inner.b", ".b", "..a", " c ", "x"))]
PIECES = st.one_of(
    st.sampled_from(REFERENCES), st.sampled_from(["", "/", "x y", "7", "true", "é", "???", ": ", "-"])
)
TEXTS = st.lists(PIECES, max_size=4).map("".join)
SCALARS = st.one_of(TEXTS, st.integers(-5, 10**12), st.booleans(), st.none(), st.floats(allow_nan=False))
DOCUMENTS = st.fixed_dictionaries(
    {"a": SCALARS, "b": SCALARS, "c": SCALARS, "inner": st.fixed_dictionaries({"a": SCALARS, "b": SCALARS})}
)


@example({"a": "x${b}", "b": "???${c}", "c": "", "inner": {"a": 1, "b": 1}}, "a")
@example({"a": "${c}???", "b": 1, "c": "", "inner": {"a": 1, "b": 1}}, "a")
@settings(max_examples=600, deadline=None)
@given(document=DOCUMENTS, key=st.sampled_from(["a", "b", "inner.a", "inner.b"]))
def test_as_omegaconf_has_it(document: dict[str, Any], key: str) -> None:
    try:
        told = interpolation.value(document, key)
    except interpolation.Unresolved:
        return
    try:
        expected = OmegaConf.select(OmegaConf.create(document), key)
    except OmegaConfBaseException:
        pytest.fail(f"OmegaConf makes nothing of it, and we {told!r}")
    assert (told, type(told)) == (expected, type(expected))
