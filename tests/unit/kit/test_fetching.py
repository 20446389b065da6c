import pytest
from yarl import URL

from kit.fetching import Fetcher, UrlNotAllowed, redirect_target


@pytest.mark.parametrize("target", ["http://a.example/x", "http://b.example/", "ftp://a.example/"])
def test_https_is_not_left_for_anything_else(target: str) -> None:
    with pytest.raises(UrlNotAllowed, match="https to http"):
        redirect_target(URL("https://a.example/x"), target)


@pytest.mark.parametrize(
    ("here", "location", "there"),
    [
        ("https://a.example/x/y", "/z", "https://a.example/z"),
        ("https://a.example/x/y", "z?q=1", "https://a.example/x/z?q=1"),
        ("https://a.example/x", "//b.example/z", "https://b.example/z"),
        ("http://a.example/x", "https://b.example/", "https://b.example/"),
        ("http://a.example/x", "http://b.example/", "http://b.example/"),
    ],
)
def test_a_redirect_leads_where_a_browser_would_go(here: str, location: str, there: str) -> None:
    assert redirect_target(URL(here), location) == URL(there)


@pytest.mark.parametrize(
    "origin", ["", "localhost", "127.0.0.1", "http://localhost:80", "a:80/x", "::1:80", "u@a:80"]
)
async def test_an_origin_that_could_never_match_is_told_at_the_start(origin: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        Fetcher([origin])


async def test_a_text_is_no_list_of_origins() -> None:
    with pytest.raises(ValueError, match="host:port"):
        Fetcher("127.0.0.1:80")
