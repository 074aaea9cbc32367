"""Documents: parsed once per text, kept within bounds, and refused with a sentence that tells what would be right."""

import pytest
from graphql import GraphQLError

from schema.build import build_schema
from schema.documents import KEPT, KEPT_CHARACTERS, LONGEST_KEPT, BadRequest, Documents, Operation
from schema.limits import MAX_CHARACTERS, MAX_TOKENS

ASK = "{ packages { name } }"
NESTED = "{ packages" * 11 + " { name }" + " }" * 11
REFUSED = {
    "no GraphQL": ("{ packages", "BAD_REQUEST"),
    "a word that a limit is named by": ("tokens", "BAD_REQUEST"),
    "a text that sounds like a limit's": ('{ a(b: "Parsing aborted."', "BAD_REQUEST"),
    "no operation": ("fragment f on Query { packages { name } }", "BAD_REQUEST"),
    "a field that there is not": ("{ package { name } }", "BAD_REQUEST"),
    "a fragment that spreads itself": ("{ ...a } fragment a on Query { ...a }", "BAD_REQUEST"),
    "two operations of one name": ("query a { viewer { operator } } query a { viewer { operator } }", "BAD_REQUEST"),
    "NUL in a string": ('{ wallet(id: "\\u0000") { id } }', "BAD_REQUEST"),
    "NUL in a block string": ('{ wallet(id: """\x00""") { id } }', "BAD_REQUEST"),
    "half of a surrogate pair": ('{ wallet(id: "\\uD800") { id } }', "BAD_REQUEST"),
    "a number of 5,000 digits": ("{ wallet(id: " + "9" * 5_000 + ") { id } }", "BAD_REQUEST"),
    "11 levels": (NESTED, "QUERY_TOO_COMPLEX"),
    "500 levels": ("{ a" * 500 + "}" * 500, "QUERY_TOO_COMPLEX"),
    "a list of 500 levels": ("{ wallet(id: " + "[" * 500 + "]" * 500 + ") { id } }", "QUERY_TOO_COMPLEX"),
    "2,001 tokens": ("{" + " a" * (MAX_TOKENS - 1) + " }", "QUERY_TOO_COMPLEX"),
    "many tokens in a comment": (ASK + "#" + "\n#" * MAX_TOKENS, "QUERY_TOO_COMPLEX"),
    "a long text": (ASK + " " * MAX_CHARACTERS, "QUERY_TOO_COMPLEX"),
    "thirty doublings": (
        "{ ...f0 } "
        + "".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }} " for n in range(30))
        + "fragment f30 on Query { packages { name } }",
        "QUERY_TOO_COMPLEX",
    ),
    "a fragment of 1,900 fields that nobody spreads": (
        ASK + " fragment f on Query { packages {" + " name" * 1_900 + " } }",
        "QUERY_TOO_COMPLEX",
    ),
    "240 nested fragments that nobody spreads": (
        ASK
        + "".join(f" fragment f{n} on Query {{ ...f{n + 1} }}" for n in range(240))
        + " fragment f240 on Query { packages { name } }",
        "QUERY_TOO_COMPLEX",
    ),
}


@pytest.fixture
def documents() -> Documents:
    """With nothing kept yet."""
    return Documents(build_schema())


def _operation(documents: Documents, text: str, name: str | None = None) -> Operation:
    found = documents.operation(text, name)
    assert isinstance(found, Operation), found
    return found


def _refusals(documents: Documents, text: str) -> list[GraphQLError]:
    found = documents.operation(text, None)
    assert isinstance(found, list), found
    return found


def test_a_text_is_parsed_once(documents: Documents) -> None:
    first = _operation(documents, ASK)

    second = _operation(documents, ASK)

    assert second.document is first.document


def test_as_many_documents_are_kept_as_the_bound_says_and_the_one_not_used_longest_goes_first(
    documents: Documents,
) -> None:
    texts = [f"{ASK} # {number}" for number in range(KEPT)]
    kept = [_operation(documents, text).document for text in texts]

    again = _operation(documents, texts[0]).document
    _operation(documents, ASK)

    assert again is kept[0]
    assert len(documents._known) == KEPT
    assert _operation(documents, texts[0]).document is kept[0]
    assert _operation(documents, texts[2]).document is kept[2]
    assert _operation(documents, texts[1]).document is not kept[1]


def test_all_kept_texts_together_are_bounded_too(documents: Documents) -> None:
    for number in range(100):
        _operation(documents, f"{ASK} # {number}".ljust(LONGEST_KEPT))

    assert len(documents._known) == KEPT_CHARACTERS // LONGEST_KEPT
    assert sum(map(len, documents._known)) == KEPT_CHARACTERS


def test_a_long_document_runs_and_is_not_kept(documents: Documents) -> None:
    operation = _operation(documents, ASK.ljust(LONGEST_KEPT + 1))

    assert operation.name is None
    assert len(documents._known) == 0


@pytest.mark.parametrize(("text", "code"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_not_kept_and_says_why_in_a_few_words(documents: Documents, text: str, code: str) -> None:
    refusals = _refusals(documents, text)

    assert {(error.extensions or {})["code"] for error in refusals} == {code}
    assert all(0 < len(error.message) < 500 for error in refusals)
    assert "Did you mean" not in refusals[0].message
    assert len(documents._known) == 0


def test_of_many_errors_five_are_told(documents: Documents) -> None:
    refusals = _refusals(documents, "{ a b c d e f g }")

    assert [error.message for error in refusals] == [
        f"Cannot query field '{name}' on type 'Query'." for name in ("a", "b", "c", "d", "e")
    ]


@pytest.mark.parametrize("name", [None, "c", ""])
def test_of_two_operations_none_is_guessed(documents: Documents, name: str | None) -> None:
    text = "query a { packages { name } } mutation b { cancelPurchase(input: {purchaseId: 1}) { purchase { id } } }"

    with pytest.raises(BadRequest) as refused:
        documents.operation(text, name)

    assert refused.value.extensions == {"code": "BAD_REQUEST"}
    assert _operation(documents, text, "a").type.value == "query"
    assert _operation(documents, text, "b").type.value == "mutation"
