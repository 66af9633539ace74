"""The page as a user meets it, in headless Chromium: sorting, zoom, filters, search, light, dark,
desktop and phone.
"""

import time

import page_cases
import pytest

from pipeline.report.page.write import write

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


class Visit:
    """A page that is open, and what it did that it must not."""

    def __init__(self, browser, path, size="desktop", scheme="light", touch=False):
        width, height = SIZES[size]
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=touch
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.faults: list[str] = []
        self.page.on("console", lambda message: self.faults.append(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: self.faults.append(dialog.message))
        self.page.on("request", self._note_request)
        self.page.goto(path.as_uri())

    def _note_request(self, request) -> None:
        if not request.url.startswith(("file:", "data:")):
            self.faults.append(request.url)

    def names(self, selector: str) -> list[str]:
        return [text.strip() for text in self.page.locator(selector).all_inner_texts()]

    def clips(self) -> list[int]:
        """The clips of the list that are shown, by their numbers."""
        rows = self.page.locator("#clips-0 .row").all()
        return [int(row.get_attribute("data-clip")) for row in rows]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Pages by name."""
    folder = tmp_path_factory.mktemp("pages")
    few = page_cases.few(folder / "few")
    logits = page_cases.with_logits(folder / "logits")
    page_cases.write_frames(logits.parent.parent)
    odd = page_cases.few(folder / "odd", classes=page_cases.ODD)
    pages = {"few": [few], "odd": [odd], "logits": [logits], "three": [few, odd, logits]}
    for name, paths in pages.items():
        write(paths, folder / f"{name}.html")
    return {name: folder / f"{name}.html" for name in pages}


@pytest.fixture
def visit(browser, made):
    """A function that opens a page by name; none of them may log, fail or ask for anything."""
    visits = []

    def open_page(name: str, **how) -> Visit:
        visits.append(Visit(browser, made[name], **how))
        return visits[-1]

    yield open_page
    for one in visits:
        assert one.faults == []
        one.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["few", "odd", "logits", "three"])
def test_pages_fit_and_have_their_colours(visit, name, size, scheme):
    page = visit(name, size=size, scheme=scheme).page
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] == width[1]
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(251, 251, 250)", "dark": "rgb(21, 24, 28)"}[scheme]
    # Something is drawn on every canvas that is seen.
    assert page.evaluate(
        """[...document.querySelectorAll("article:not([hidden]) canvas")].every((canvas) => {
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return new Set(new Uint32Array(pixels.data.buffer)).size > 2;
        })"""
    )


def test_the_theme_can_be_chosen(visit):
    page = visit("few", scheme="light").page
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 28)"
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(251, 251, 250)"


def test_print_is_light_and_has_no_buttons(visit):
    page = visit("few", scheme="dark").page
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").is_visible()
    assert not page.locator("#clips-0 input").is_visible()
    assert page.pdf()[:4] == b"%PDF"


def test_headings_sort_the_classes(visit):
    opened = visit("few")
    names, heads = "#classes-0 tbody .name", "#classes-0 thead button"
    assert opened.names(names) == ["Bow", "Jump", "Run"]
    head = opened.page.locator("#classes-0 th[data-sort]").first
    opened.page.locator(heads).first.click()
    assert head.get_attribute("aria-sort") == "ascending"
    opened.page.locator(heads).first.click()
    assert opened.names(names) == ["Run", "Jump", "Bow"]
    assert head.get_attribute("aria-sort") == "descending"


def test_filters_have_their_clips(visit):
    """Of six clips of a class, as `few` says: 1 is mended by ASYN and 2 broken; 2 is mended by IDT
    and 3 is broken.
    """
    opened = visit("few")
    wanted = {
        "all": list(range(18)),
        "wrong": [2, 4, 5, 8, 10, 11, 14, 16, 17],
        "mended by ASYN": [1, 7, 13],
        "broken by ASYN": [2, 8, 14],
        "mended by IDT": [],
        "broken by IDT": [3, 9, 15],
    }
    labels = opened.names("#clips-0 .filters button")
    assert [label.rstrip("0123456789").strip() for label in labels] == list(wanted)
    for button, (name, clips) in zip(
        opened.page.locator("#clips-0 .filters button").all(), wanted.items(), strict=True
    ):
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        assert opened.clips() == clips[:12], name
        assert opened.names("#clips-0 .found") == [f"{len(clips)} of 18 clips"]


def test_search_takes_names_and_classes_together(visit):
    opened = visit("few")
    box = opened.page.locator("#clips-0 input")
    box.fill("v_0007")
    assert opened.clips() == [7]
    # True or predicted: clips of Jump, and those of Bow that are taken for it.
    box.fill("JUMP bow")
    assert opened.clips() == [2, 4, 5]
    box.fill("nothing like it")
    assert opened.clips() == [] and opened.names("#clips-0 .found") == ["0 of 18 clips"]
    box.fill("")
    opened.page.click("#clips-0 .more")
    assert (
        opened.clips() == list(range(18)) and not opened.page.locator("#clips-0 .more").is_visible()
    )


def test_a_clip_opens_to_the_likeliest_classes_by_source(visit):
    opened = visit("few")
    row = opened.page.locator("#clips-0 .row").nth(2)
    row.locator("button").click()
    assert row.locator(".tops > div").count() == 6
    first = row.locator(".tops > div").nth(3)
    assert first.locator("h4").inner_text() == "asynchronous fusion"
    assert first.locator("p").first.inner_text().startswith("Jump")
    assert first.locator("p.true").inner_text().startswith("Bow")
    row.locator("button").first.click()
    assert row.locator(".tops").count() == 0


def test_pairs_and_cells_lead_to_their_clips(visit):
    opened = visit("few")
    opened.page.locator("#confusion-0 .pairs button").first.click()
    assert opened.clips() == [2, 4, 5]
    assert "Bow taken for Jump" in opened.names("#clips-0 .found")[0]
    opened.page.click("#clips-0 .found button")
    assert len(opened.clips()) == 12
    canvas = opened.page.locator("#confusion-0 canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    # The last of three rows and columns, of a true class that is right.
    opened.page.mouse.click(box["x"] + 0.95 * box["width"], box["y"] + 0.95 * box["height"])
    assert len(opened.clips()) == 3 and ", right" in opened.names("#clips-0 .found")[0]


def until(holds) -> None:
    """Wait until something holds. Playwright's own waits evaluate text, which the page forbids."""
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def zoomed(opened: Visit) -> float:
    """How many classes are seen on a side."""
    return float(opened.page.locator("#confusion-0 canvas").get_attribute("data-size"))


def test_the_matrix_zooms_and_moves(visit):
    opened = visit("odd")
    assert zoomed(opened) == 5
    opened.page.click("#confusion-0 [data-zoom=in]")
    assert zoomed(opened) == 3
    opened.page.click("#confusion-0 [data-zoom=whole]")
    canvas = opened.page.locator("#confusion-0 canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    opened.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    before = opened.page.evaluate("scrollY")
    opened.page.mouse.wheel(0, 100)
    until(lambda: opened.page.evaluate("scrollY") > before)
    # The wheel scrolls the page until the matrix has the focus.
    assert zoomed(opened) == 5
    canvas.focus()
    box = canvas.bounding_box()
    opened.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    opened.page.mouse.wheel(0, -100)
    until(lambda: zoomed(opened) < 5)
    opened.page.keyboard.press("-")
    opened.page.keyboard.press("-")
    assert zoomed(opened) == 5


def test_two_fingers_zoom_the_matrix(visit):
    opened = visit("odd", size="phone", touch=True)
    canvas = opened.page.locator("#confusion-0 canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    hand = opened.context.new_cdp_session(opened.page)

    def touch(kind: str, *distances: float) -> None:
        points = [{"x": x + apart, "y": y, "id": number} for number, apart in enumerate(distances)]
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", -20, 20)
    for apart in range(22, 36, 2):
        touch("touchMove", -apart, apart)
    touch("touchEnd")
    assert 3 <= zoomed(opened) < 4
    # The page itself is as large as before.
    assert opened.page.evaluate("visualViewport.scale") == 1


def test_pointing_at_a_cell_says_what_it_is(visit):
    opened = visit("few")
    canvas = opened.page.locator("#confusion-0 canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    opened.page.mouse.move(box["x"] + 0.95 * box["width"], box["y"] + 0.95 * box["height"])
    assert opened.names("#confusion-0 .cell")[0].endswith(": 3 of 6 clips right (50 %)")


def test_one_of_several_results_is_chosen(visit):
    opened = visit("three")
    assert opened.page.locator("article:visible").count() == 1
    opened.page.select_option("#chosen", "2")
    assert opened.page.locator("#article-2").is_visible()
    assert not opened.page.locator("#article-0").is_visible()
    assert opened.page.locator("nav a", has_text="Clips").get_attribute("href") == "#clips-2"
    assert opened.page.locator("#clips-2 .row").count() == 3


def test_pictures_are_shown(visit):
    page = visit("logits").page
    assert page.locator("#clips-0 .row img").count() == 3
    assert page.evaluate(
        "[...document.images].every((image) => image.complete && image.naturalWidth > 0)"
    )


def test_the_page_of_ucf101_opens_in_three_seconds(browser, tmp_path, shared):
    write([page_cases.published(tmp_path, shared)], tmp_path / "page.html")
    opened = Visit(browser, tmp_path / "page.html")
    entry, took = "performance.getEntriesByType('navigation')[0].loadEventEnd", []
    # Other tests may run beside this one, so the best of three counts.
    for _ in range(3):
        opened.page.reload()
        took.append(opened.page.evaluate(entry))
    assert min(took) < 3000
    assert opened.names("#clips-0 .found") == ["3,783 of 3,783 clips"]
    rows = opened.page.locator("#classes-0 tbody tr:visible")
    assert rows.count() == 25
    opened.page.click("#classes-0 .all")
    assert rows.count() == 101
    # The class whose accuracy is the lowest comes first at the second press.
    accuracy = opened.page.locator("#classes-0 thead button", has_text="ASYN")
    accuracy.click()
    accuracy.click()
    first = opened.page.locator("#classes-0 tbody tr").first.locator("td:not(.roomy)").nth(1)
    shares = [float(text) for text in opened.names("#classes-0 tbody tr td:nth-child(7)")]
    assert float(first.inner_text()) == min(shares) and shares == sorted(shares)
    assert opened.faults == []
    opened.context.close()
