"""Write docs/pictures/report.png: the upper part of a page that `pipeline report` has made.

python docs/programs/report_picture.py report.html
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).resolve().parents[1] / "pictures" / "report.png"
# Pixels of the page that are shown.
WIDTH, HEIGHT = 1120, 1920


def main(page: Path) -> None:
    """Show the page in a browser without a screen, at the width of a desktop."""
    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        opened = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        opened.goto(page.resolve().as_uri())
        shown = opened.screenshot()
        browser.close()
    # Text and dots need few colours; this method keeps the rare ones, which are those of sources.
    picture = Image.open(io.BytesIO(shown)).convert("RGB")
    few = picture.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(PICTURE, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
