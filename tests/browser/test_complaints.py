"""What a page must not do is noticed: otherwise the other tests here would say nothing of it."""

import re

import pytest

MISDEEDS = {
    r"console: wrong": "() => console.error('wrong')",
    r"uncaught: .*thrown": "() => { setTimeout(() => { throw new Error('thrown') }) }",
    r"uncaught: .*rejected": "() => { Promise.reject(new Error('rejected')) }",
    r"policy violated: style-src-attr by inline": "() => document.body.setAttribute('style', 'color: red')",
    r"policy violated: img-src by http://127.0.0.1:1/": "() => { new Image().src = 'http://127.0.0.1:1/' }",
    r"another origin: GET http://127.0.0.1:1/": "() => fetch('http://127.0.0.1:1/').catch(() => 0)",
}


@pytest.mark.parametrize("complaint", MISDEEDS)
def test_what_a_page_must_not_do_is_noticed(page, complaints, complaint):
    page.goto("/health")
    if "origin" in complaint:
        page.goto("about:blank")
    page.evaluate(MISDEEDS[complaint])
    page.goto("/health")
    assert any(re.search(complaint, each) for each in complaints.unexpected())
    complaints.expect("")  # anything, for it was meant


def test_what_was_expected_in_vain_is_told(page, complaints):
    complaints.expect("wrong")
    assert complaints.unexpected() == ["expected in vain: wrong"]
    page.evaluate("() => console.error('wrong')")
    assert complaints.unexpected() == []
