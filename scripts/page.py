"""Take the picture of the server's page for the documentation: docs/images/page.png.

Needs results (`make run`) and Chromium; without the latter the picture stays as it is.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "page.png"
SPOTS = [
    f"neg_{name}.txt.gz" for name in ("Li2CO3_p1_s1", "sample1_s01", "sample5_s01", "sample4_s01")
]
WIDTH = 1000  # pixels


def main() -> int:
    """Drop spectra on the page and take its picture."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print(f"no Chromium here: {PICTURE.relative_to(ROOT)} stays as it is")
        return 0
    command = ["ionprint", "serve", "--model", "outputs/model", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            told = iter(server.stdout.readline, "")
            address = next(found[0] for line in told if (found := re.search(r"http://\S+/", line)))
            take(chromium, address)
        finally:
            server.terminate()
    return 0


def take(chromium: str, address: str) -> None:
    """Write the picture of the page at an address."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 700}, color_scheme="light")
        page.goto(address)
        spectra = [str(ROOT / "data" / "spectra" / name) for name in SPOTS]
        page.set_input_files("input[type=file]", spectra)
        page.locator("#spectra button.open").nth(len(spectra) - 1).wait_for()
        page.locator("#results").scroll_into_view_if_needed()
        page.screenshot(path=PICTURE, full_page=True)
        browser.close()
    with Image.open(PICTURE) as image:
        small = image.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    small.save(PICTURE, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
