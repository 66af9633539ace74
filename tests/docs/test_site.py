"""The site of docs/: its navigation, and what it asks the net for, which is nothing."""

import importlib.util
import os
import re
import subprocess
import sys

import pytest
import yaml
from doc_blocks import MATH, PAGES, ROOT, blocks

CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
needs_mkdocs = pytest.mark.skipif(
    importlib.util.find_spec("material") is None, reason="make docs has not been run here"
)


def files(entries: list) -> list[str]:
    """The pages of the navigation, in its order."""
    found = []
    for entry in entries:
        content = next(iter(entry.values())) if isinstance(entry, dict) else entry
        found += files(content) if isinstance(content, list) else [content]
    return found


def test_navigation_has_each_page_once():
    assert sorted(files(CONFIG["nav"])) == sorted(
        page.name for page in PAGES if page.parent.name == "docs"
    )


def test_first_page_leads_to_all_others():
    index = (ROOT / "docs" / "index.md").read_text()
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", index))
    assert linked == set(files(CONFIG["nav"])) - {"index.md"}


def test_packages_of_the_site_fit_those_of_the_pipeline():
    """Both are installed into one environment."""
    pipeline, site = (
        dict(re.findall(r"^([\w-]+)==(\S+)", (ROOT / name).read_text(), re.M))
        for name in ("requirements.lock", "requirements.docs.lock")
    )
    assert "mkdocs-material" in site
    both = set(pipeline) & set(site)
    assert {name: site[name] for name in both} == {name: pipeline[name] for name in both}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


@needs_mkdocs
def test_site_asks_the_net_for_nothing(site):
    pages = list(site.glob("*.html"))
    assert len(pages) == len(files(CONFIG["nav"])) + 1
    for page in pages:
        text = page.read_text()
        loaded = re.findall(r"<(?:script|img|iframe)[^>]*?src=[\"']?([^\"' >]+)", text)
        loaded += re.findall(r"<link[^>]*?href=[\"']?([^\"' >]+)", text)
        assert loaded and not [link for link in loaded if "//" in link], page.name
    for style in [*site.rglob("*.css")]:
        assert not re.search(r"url\([\"']?(https?:)?//|@import", style.read_text()), style


@needs_mkdocs
def test_equations_are_drawn(site):
    text = (site / "method.html").read_text()
    assert text.count("<math") == len(blocks("method.md", MATH)) == 6
    assert "```math" not in text and "\\frac" not in text


@needs_mkdocs
def test_what_is_no_page_is_not_on_the_site(site):
    assert not list(site.glob("**/*.py")) and not list(site.glob("results.remarks*"))


@needs_mkdocs
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_are_readable_in_a_browser(site, browser, width, scheme):
    """Without faults of scripts or requests, and no wider than the screen."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, faults = context.new_page(), []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda request: (
            faults.append(request.url)
            if "://" in request.url and not request.url.startswith("file:")
            else None
        ),
    )
    for name in files(CONFIG["nav"]):
        page.goto((site / name).with_suffix(".html").as_uri())
        page.wait_for_selector("h1")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    assert faults == []
    context.close()


@needs_mkdocs
def test_search_finds_words_where_pages_are_files(site, browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    for word, found in (("asstr", "What comes out"), ("scale_step", "Settings")):
        page.goto((site / "index.html").as_uri())
        page.locator(".md-search__input").click()
        # The index has been read.
        page.get_by_text("Type to start searching").wait_for(timeout=20_000)
        page.keyboard.type(word)
        page.locator(".md-search-result__item", has_text=found).first.wait_for(timeout=20_000)
    context.close()
