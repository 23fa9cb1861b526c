"""The lattice of types: merging has no order, loses nothing, and ends in something that Parquet can hold."""

from hypothesis import given
from hypothesis import strategies as st

from worker.contract.columns import DOUBLE, TEXT, ListOf, Struct, Type
from worker.items.types import BOOL, INT, JSON, NULL, arrange, infer, json_paths, merge, resolve

names = st.sampled_from(["a", "b", "c", "eo:cloud_cover"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
types = values.map(infer)


def same(a: Type, b: Type) -> bool:
    """Equal but for the order of fields, which `arrange` gives in the end."""
    return arrange(a, NULL) == arrange(b, NULL)


@given(types, types, types)
def test_merging_has_no_order(a: Type, b: Type, c: Type) -> None:
    """A month has one schema, whatever the order in which its pages come."""
    assert same(merge(a, b), merge(b, a))
    assert same(merge(merge(a, b), c), merge(a, merge(b, c)))
    assert same(merge(a, a), a)


@given(types, types)
def test_a_merged_type_takes_no_more(a: Type, b: Type) -> None:
    """What was merged once is not changed by merging it again."""
    merged = merge(a, b)
    assert same(merge(merged, a), merged)
    assert same(merge(merged, b), merged)


@given(types)
def test_resolved_types_can_be_written(kind: Type) -> None:
    """No nulls, and no struct without fields, are left inside a resolved type."""

    def writable(part: Type) -> bool:
        if isinstance(part, ListOf):
            return writable(part.element)
        if isinstance(part, Struct):
            return bool(part.fields) and all(writable(member) for _, member in part.fields)
        return part != NULL

    resolved = resolve(kind)
    assert resolved == NULL or writable(resolved)


def test_numbers_meet_in_floats_and_the_rest_in_json() -> None:
    """Integers beside floats become floats; values of several types become JSON text; large integers stay exact."""
    assert merge(INT, DOUBLE) == DOUBLE
    assert merge(TEXT, INT) == JSON
    assert merge(BOOL, INT) == JSON
    assert merge(ListOf(INT), TEXT) == JSON
    assert infer(2**53) == INT
    assert infer(2**53 + 1) == JSON


def test_json_columns_are_named_by_their_path() -> None:
    """Readers learn from the footer which columns hold JSON text."""
    kind = Struct((("a", JSON), ("b", ListOf(Struct((("c", JSON), ("d", TEXT))))), ("e", Struct((("f", JSON),)))))
    assert json_paths(kind) == ["a", "b.c", "e.f"]
