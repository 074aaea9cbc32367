"""What one operation may ask for: at each limit, one beyond it, and without walking a fragment twice."""

import sys
from types import FrameType

import pytest
from graphql import DocumentNode, get_introspection_query, parse

from schema import limits

WITHIN = {
    "10 levels": "{ a { b { c { d { e { f { g { h { i { j } } } } } } } } } }",
    "300 fields": "{" + " a" * 300 + " }",
    "30 aliases": "{" + "".join(f" a{n}: a" for n in range(30)) + " }",
    "30 directives": "{ a" + " @skip(if: false)" * 30 + " }",
    "5 mutations": "mutation {" + " a" * 5 + " }",
    "5 mutations with 20 fields": "mutation {" + " a { b c d e }" * 5 + " }",
    "5 mutations in fragments": "mutation { ...f ...f ... { a } } fragment f on Mutation { a { b c d } b }",
    "300 fields in each of two operations": "query a {" + " a" * 300 + " } query b {" + " a" * 300 + " }",
    "100 nested fragments": "{ ...f1 }"
    + "".join(f" fragment f{n} on Query {{ ...f{n + 1} }}" for n in range(1, 100))
    + " fragment f100 on Query { a }",
    "a cycle, which is for validation to tell": "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }",
    "a fragment that nobody wrote": "{ ...a }",
    "what the tools ask": get_introspection_query(),
}
BEYOND = {
    "11 levels": "{ a { b { c { d { e { f { g { h { i { j { k } } } } } } } } } } }",
    "11 levels through a fragment": "{ a { b { c { ...f } } } } "
    "fragment f on A { d { e { f { g { h { i { j { k } } } } } } } }",
    "301 fields": "{" + " a" * 301 + " }",
    "302 fields through a fragment": "{ ...f ...f } fragment f on Query {" + " a" * 151 + " }",
    "301 fields in the second operation": "query a { a } query b {" + " a" * 301 + " }",
    "31 aliases": "{" + "".join(f" a{n}: a" for n in range(31)) + " }",
    "31 aliases of introspection": "{" + "".join(f' a{n}: __type(name: "A") {{ name }}' for n in range(31)) + " }",
    "31 directives": "{ a" + " @skip(if: false)" * 31 + " }",
    "31 directives, one on the operation": "query @a { a" + " @skip(if: false)" * 30 + " }",
    "31 directives, one on a spread": "{ ...f @a } fragment f on Query { a" + " @skip(if: false)" * 30 + " }",
    "6 mutations": "mutation {" + " a" * 6 + " }",
    "6 mutations in one inline fragment": "mutation { ... on Mutation {" + " a" * 6 + " } }",
    "6 mutations in a fragment": "mutation { ...f ...f } fragment f on Mutation { a b c }",
    "101 nested fragments": "{ ...f1 }"
    + "".join(f" fragment f{n} on Query {{ ...f{n + 1} }}" for n in range(1, 101))
    + " fragment f101 on Query { a }",
}


@pytest.mark.parametrize("text", WITHIN.values(), ids=WITHIN)
def test_an_operation_at_a_limit_passes(text: str) -> None:
    limits.check(parse(text))


@pytest.mark.parametrize(("what", "text"), BEYOND.items(), ids=BEYOND)
def test_an_operation_beyond_a_limit_is_too_complex_and_the_message_counts(what: str, text: str) -> None:
    found = what.split()[0]

    with pytest.raises(limits.TooComplex) as refused:
        limits.check(parse(text))

    assert refused.value.extensions == {"code": "QUERY_TOO_COMPLEX"}
    assert refused.value.message.startswith(f"This operation has {found} ")


def _calls_of_check(document: DocumentNode) -> int:
    """How many functions of schema/limits.py run for a document; each is given one node."""
    calls = 0

    def count(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_filename == limits.__file__

    sys.setprofile(count)
    try:
        limits.check(document)
    except limits.TooComplex:
        pass
    finally:
        sys.setprofile(None)
    return calls


def test_a_fragment_that_doubles_itself_is_walked_once() -> None:
    once = parse("{ ...f0 }" + "".join(f" fragment f{n} on Query {{ ...f{n + 1} a }}" for n in range(30)))
    doubled = parse("{ ...f0 }" + "".join(f" fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(30)))

    calls_once, calls_doubled = _calls_of_check(once), _calls_of_check(doubled)

    # 2^30 spreads: the difference is the second look at each fragment, which finds its size.
    assert calls_once < 400
    assert calls_doubled < 400


def test_a_thousand_nested_fragments_are_given_up_after_a_hundred() -> None:
    nested = parse("{ ...f0 }" + "".join(f" fragment f{n} on Query {{ ...f{n + 1} a }}" for n in range(1_000)))

    calls = _calls_of_check(nested)

    assert calls < 1_000


def test_the_work_grows_with_the_document_and_no_faster() -> None:
    few, many = (
        parse("{" + " ...f" * spreads + " } fragment f on Query { a { b { c } } }") for spreads in (100, 1_000)
    )

    calls_few, calls_many = _calls_of_check(few), _calls_of_check(many)

    assert calls_many < 10 * calls_few


def test_the_rows_of_a_report_cost_as_much_as_the_longest_page() -> None:
    report = "usage { rows { a b c d e f } }"
    within = "{ w { " + " ".join(f"u{n}: {report}" for n in range(7)) + " } }"
    beyond = "{ w { " + " ".join(f"u{n}: {report}" for n in range(8)) + " } }"

    limits.check(parse(within))
    with pytest.raises(limits.TooComplex, match="points of cost"):
        limits.check(parse(beyond))
