"""Pictures of every page of a running site, both widths and both themes, into a folder that git ignores.

    python -m tests.browser.screenshots [ADDRESS] [--data DATA_DIR] [--out screenshots]

With the site's DATA_DIR the sample's first view is asked about and the administration is pictured, too.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page

from tests.browser.chromium import DESKTOP, PHONE, launched

ANSWER_MS = 60_000
PLAIN = {
    "nothing-found": "/photos/?q=nothing+of+the+kind",
    "map": "/map/",
    "places": "/places/",
    "accuracy": "/accuracy/",
    "about": "/about/",
    "api": "/api/docs/",
    "sign-in": "/accounts/login/",
    "missing": "/nothing-here/",
}
ADMIN = {
    "admin": "/admin/",
    "admin-photos": "/admin/photos/photo/",
    "admin-proposals": "/admin/photos/locationproposal/",
    "admin-duplicates": "/admin/photos/nearduplicate/",
    "admin-spaces": "/admin/photos/embeddingspace/",
    "admin-weights": "/admin/search/rankingweights/",
    "admin-queues": "/admin/queues/",
}
SETTLE_MS = 1200


class Camera:
    """Takes the pictures of one width and theme."""

    def __init__(self, page: Page, out: Path, suffix: str) -> None:
        self.page, self.out, self.suffix = page, out, suffix

    def take(self, name: str, address: str | None = None) -> None:
        if address is not None:
            self.page.goto(address)
        self.page.wait_for_load_state("load")
        self.page.wait_for_timeout(SETTLE_MS)
        self.page.screenshot(path=self.out / f"{name}-{self.suffix}.png", full_page=True)

    def take_public(self, picture: Path | None) -> None:
        self.take("locate", "/")
        if picture is not None:
            self.page.set_input_files("#image", picture)
            self.page.wait_for_url(re.compile("/locate/[0-9a-f-]+/"))
            self.page.wait_for_selector("#result h1", timeout=ANSWER_MS)
            self.take("answer")
        self.take("gallery", "/photos/")
        self.take_first("photo", "main a[href^='/photos/'][href$='/']")
        for name, address in PLAIN.items():
            self.take(name, address)
        self.page.goto("/places/")
        self.take_first("place", "main a[href^='/places/']")

    def take_first(self, name: str, links: str) -> None:
        """Take what the page's first such link leads to, where there is one."""
        if self.page.locator(links).count():
            self.take(name, self.page.locator(links).first.get_attribute("href"))

    def take_admin(self, credentials: Path) -> None:
        known = json.loads(credentials.read_text())
        self.page.goto("/accounts/login/")
        self.page.fill("#id_username", known["username"])
        self.page.fill("#id_password", known["password"])
        self.page.locator("main form button.primary").click()
        self.take("following", "/following/")
        for name, address in ADMIN.items():
            self.take(name, address)
        self.page.goto("/admin/photos/photo/")
        self.take_first("admin-photo", "#result_list a[href*=change]")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("address", nargs="?", default="http://127.0.0.1:8000")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("screenshots"))
    asked = parser.parse_args()
    asked.out.mkdir(exist_ok=True)
    held_out = sorted(asked.data.glob("sample/held-out/*.jpg")) if asked.data else []
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    with launched() as browser:
        for viewport in (DESKTOP, PHONE):
            for scheme in schemes:
                phone = viewport is PHONE
                context = browser.new_context(
                    viewport=viewport, color_scheme=scheme, base_url=asked.address, has_touch=phone, is_mobile=phone
                )
                camera = Camera(context.new_page(), asked.out, f"{viewport['width']}-{scheme}")
                camera.take_public(held_out[0] if held_out else None)
                if asked.data:
                    camera.take_admin(asked.data / "credentials.json")
                context.close()
    print(f"{len(list(asked.out.glob('*.png')))} pictures in {asked.out}")


if __name__ == "__main__":
    main()
