"""The catalogue's file: what it says, and what is wrong with it told by section and entry."""

import re
from pathlib import Path

import pytest

from credits.catalogue.file import read
from credits.money import Money

CATALOGUE = Path(__file__).parents[3] / "catalogue.toml"
PACKAGE = '[[packages]]\ncode = "A"\nname = "A"\ncurrency = "USD"\n'
FIXED = PACKAGE + "credits = 10\nprice_minor = 100\n"
JOB = '[[staging_types]]\ncode = "ATTIC"\nname = "Attic"\ncredits = 3\n'


def test_the_projects_own_file_is_right() -> None:
    found = read(CATALOGUE.read_text(encoding="utf-8"))

    assert [each.code for each in found.packages] == ["STARTER", "PROFESSIONAL", "ENTERPRISE"]
    assert [each.credits for each in found.staging_types] == [2, 3, 2, 1, 3]


def test_tiers_and_validity_are_read() -> None:
    (package,) = read(FIXED + "valid_for_days = 30\ntiers = [{ minimum_quantity = 5, price_minor = 90 }]\n").packages

    assert package.valid_for_days == 30
    assert [(tier.minimum_quantity, tier.price) for tier in package.tiers] == [(5, Money(90, "USD"))]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ('[[packages]]\ncode = "A"\n', "packages: A: lacks currency, name"),
        ('[[packages]]\nname = "A"\n', "packages: entry 1: lacks code, currency"),
        (FIXED + "price = 1\n", "packages: A: has no price"),
        (PACKAGE + 'credits = "10"\n', "packages: A: credits is a whole number"),
        (PACKAGE + "credits = true\n", "packages: A: credits is a whole number"),
        (PACKAGE + "tiers = 1\n", "packages: A: tiers is a list"),
        (PACKAGE, "packages: A: credits: A package has credits and a price"),
        (PACKAGE + "credits = 10\n", "packages: A: price_minor: A package with credits has a price."),
        (FIXED + "tiers = [1]\n", "packages: A: a tier is written as"),
        (FIXED + "tiers = [{ minimum_quantity = 5 }]\n", "packages: A: lacks price_minor"),
        (FIXED + "tiers = [{ minimum_quantity = 5, price_minor = 101 }]\n", "packages: A: tiers: From tier to tier"),
        (FIXED + FIXED, "packages: A is there twice"),
        (JOB.replace("3", "0"), "staging_types: ATTIC: credits: Between 1 and 1,000,000 credits; this is 0."),
        (JOB.replace("ATTIC", "attic"), "staging_types: attic: code: A code has capital letters"),
        (JOB + "active = false\n", "staging_types: ATTIC: has no active"),
        ("[[package]]\n", "there is no section package"),
        ("packages = 1\n", "packages: a list of entries"),
        ("packages = [1]\n", "packages: a list of entries"),
        ("not toml", "Expected '='"),
    ],
)
def test_what_is_wrong_is_told_with_its_entry(document: str, told: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(told)}"):
        read(document)
