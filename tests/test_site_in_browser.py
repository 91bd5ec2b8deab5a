"""The documentation site in Chromium, opened from its folder: pages fit a phone, the search finds something.

Slow, and skipped without Chromium or the site: `make browser` builds it.
"""

from __future__ import annotations

import json
import re
import shutil
from html import unescape
from pathlib import Path

import pytest

from tests.functional.test_report_in_browser import BROWSER, chromium

SITE = Path(__file__).parent.parent / "build" / "site"
WIDTHS = """<!DOCTYPE html><pre></pre><script>
(async () => {
  const found = {};
  for (const name of PAGES) {
    const frame = document.createElement("iframe");
    frame.width = 390;
    frame.src = name;
    document.body.append(frame);
    await new Promise(done => frame.onload = () => setTimeout(done, 150));
    found[name] = frame.contentDocument.documentElement.scrollWidth;
    frame.remove();
  }
  document.querySelector("pre").textContent = JSON.stringify(found);
})();
</script>"""
SEARCH = """<pre id="found"></pre><script>
addEventListener("load", () => setTimeout(() => {
  document.querySelector(".md-search__button").click();
  setTimeout(() => {
    const below = node => [node, ...node.shadowRoot ? all(node.shadowRoot) : []];
    const all = root => [...root.querySelectorAll("*")].flatMap(below);
    const input = all(document).find(n => n.tagName === "INPUT" && !["checkbox", "radio"].includes(n.type));
    input.value = "overfitting";
    input.dispatchEvent(new Event("input", {bubbles: true}));
    setTimeout(() => {
      const links = [...input.getRootNode().querySelectorAll("a")].map(n => n.getAttribute("href"));
      document.querySelector("#found").textContent = JSON.stringify(links);
    }, 4000);
  }, 1500);
}, 1500));
</script></body>"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not BROWSER or not SITE.is_dir(),
        reason="NOT CHECKED: Chromium is not installed (apt-get install chromium), or `make docs` hasn't run",
    ),
]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A copy, into which scripts can be put."""
    return shutil.copytree(SITE, tmp_path / "site")


def test_pages_fit_a_phone_and_complain_of_nothing(site: Path) -> None:
    names = [
        page.relative_to(site).as_posix() for page in sorted(site.rglob("*.html")) if page.name != "404.html"
    ]
    (site / "widths.html").write_text(WIDTHS.replace("PAGES", json.dumps(names)), encoding="utf-8")
    document, console = chromium(
        "--allow-file-access-from-files", "--virtual-time-budget=120000", (site / "widths.html").as_uri()
    )
    found = re.search(r"<pre>({.*?})</pre>", document)
    assert found, document[-500:]
    widths = json.loads(unescape(found[1]))
    assert len(widths) == len(names) > 40
    assert {name: width for name, width in widths.items() if width > 390} == {}
    assert console == []


def test_the_search_works_without_a_server(site: Path) -> None:
    page = site / "index.html"
    page.write_text(page.read_text("utf-8").replace("</body>", SEARCH), encoding="utf-8")
    document, console = chromium("--virtual-time-budget=15000", page.as_uri())
    found = re.search(r'<pre id="found">(\[.*?\])</pre>', document)
    assert found, document[-500:]
    assert [link for link in json.loads(unescape(found[1])) if "training.html" in link]
    assert console == []
