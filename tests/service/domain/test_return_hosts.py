import pytest

from service.domain.return_hosts import NOT_HTTPS, NOT_LISTED, NOT_PLAIN, ReturnHosts, host_pattern

LISTED = ReturnHosts(
    frozenset(
        map(
            host_pattern,
            (
                "Shop.example",
                "pay.example:8443",
                "*.many.example",
                "kin.example",
                "localhost:3000",
                "xn--bcher-kva.example",
            ),
        )
    )
)


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example",
        "https://shop.example/thanks?of={CHECKOUT_SESSION_ID}#top",
        "https://shop.example?a=1",
        "https://SHOP.Example:443/",
        "HTTPS://shop.example:0443/",
        "https://pay.example:8443/",
        "https://a.many.example/",
        "https://b.a.many.example/",
        "http://localhost:3000/",
        "https://xn--bcher-kva.example/",
        "https://shop.example/@evil.example",
        "https://shop.example/?to=https://evil.example",
    ],
)
def test_a_listed_host_is_taken(url: str) -> None:
    assert LISTED.complaint(url) is None


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("https://evil.example", NOT_LISTED),
        ("https://shop.example.evil.example/", NOT_LISTED),
        ("https://evilshop.example/", NOT_LISTED),
        ("https://evil.example/https://shop.example", NOT_LISTED),
        ("https://evil.example?shop.example", NOT_LISTED),
        ("https://evil.example#shop.example", NOT_LISTED),
        ("https://sub.shop.example/", NOT_LISTED),
        ("https://many.example/", NOT_LISTED),
        ("https://evilmany.example/", NOT_LISTED),
        ("https://shop.example:8443/", NOT_LISTED),
        ("https://pay.example/", NOT_LISTED),
        ("https://a.many.example:8443/", NOT_LISTED),
        ("http://localhost/", NOT_LISTED),
        ("https://127.0.0.1/", NOT_LISTED),
        ("https://[::1]/", NOT_LISTED),
        ("http://shop.example/", NOT_HTTPS),
        ("http://shop.example:443/", NOT_HTTPS),
        ("http://localhost.evil.example/", NOT_HTTPS),
        ("https://shop.example@evil.example/", NOT_PLAIN),
        ("https://shop.example:pw@evil.example/", NOT_PLAIN),
        ("https://shop.example%40evil.example/", NOT_PLAIN),
        ("https://evil.example\\@shop.example/", NOT_PLAIN),
        ("https://shop.example\\.evil.example/", NOT_PLAIN),
        ("https://shop.example/\\evil.example", NOT_PLAIN),
        ("https:\\\\shop.example/", NOT_PLAIN),
        ("https:/shop.example/", NOT_PLAIN),
        ("https:///shop.example/", NOT_PLAIN),
        ("//shop.example/", NOT_PLAIN),
        ("javascript://shop.example/%0aalert(1)", NOT_PLAIN),
        ("https://shop.example./", NOT_PLAIN),
        ("https://.shop.example/", NOT_PLAIN),
        ("https://shop..example/", NOT_PLAIN),
        ("https://shop.example:/", NOT_PLAIN),
        ("https://shop.example:443.evil.example/", NOT_PLAIN),
        ("https://shop.example;.evil.example/", NOT_PLAIN),
        ("https://sh\u043ep.example/", NOT_PLAIN),
        ("https://b\u00fccher.example/", NOT_PLAIN),
        ("https://shop\u3002example/", NOT_PLAIN),
        ("https://shop%2eexample/", NOT_PLAIN),
        ("https://shop.\texample/", NOT_PLAIN),
        ("https://shop.example/\n", NOT_PLAIN),
        (" https://shop.example/", NOT_PLAIN),
        ("https://a.*.many.example/", NOT_PLAIN),
        ("https://\u017fhop.example/", NOT_PLAIN),
        ("https://\u212ain.example/", NOT_PLAIN),  # whose lower case is k
        ("", NOT_PLAIN),
    ],
)
def test_any_other_is_refused(url: str, complaint: str) -> None:
    assert LISTED.complaint(url) == complaint


@pytest.mark.parametrize("url", ["https://any.example/", "http://127.0.0.1:8000/", "http://[::1]/"])
def test_without_a_list_any_host_is_taken_or_none(url: str) -> None:
    assert ReturnHosts(any_host=True).complaint(url) is None
    assert ReturnHosts(any_host=False).complaint(url) == NOT_LISTED


def test_without_a_list_plain_http_is_refused_all_the_same() -> None:
    assert ReturnHosts(any_host=True).complaint("http://any.example/") == NOT_HTTPS


@pytest.mark.parametrize(
    "given",
    [
        "",
        "*",
        "*.com",
        "https://shop.example",
        "shop.example/",
        "shop.example.",
        "a@shop.example",
        "shop.*.example",
        "b\u00fccher.example",
        "shop.example:x",
    ],
)
def test_what_is_no_host_cannot_be_listed(given: str) -> None:
    with pytest.raises(ValueError, match="must be a host"):
        host_pattern(given)
