"""The pages of `ftops data report` and `ftops report` in Chromium: they fit a phone, run no script, follow
the dark setting, and can be used with the keyboard.

Slow, and skipped without Chromium: `pytest -m slow tests/functional/test_report_in_browser.py`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path

import pytest

from tests.functional.test_cli_data import ROUTED, lines
from tests.functional.test_cli_data_look import image, mixed, pair, task
from tests.functional.test_spec_report import IN_EMULATOR, page_of, trained_folder
from tests.golden.cli import Folder

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, NAMES)), "")
FILES = {
    "mixed": mixed(),
    "pairs": lines(*map(pair, range(12))),
    "tasks": lines(*map(task, range(12))),
    "images": lines(*map(image, range(12))),
}
MEASURES = """
<script>
addEventListener("load", () => {
  const page = document.querySelector("iframe").contentDocument, body = page.body;
  for (const details of page.querySelectorAll("details")) details.open = true;
  const wide = [...page.querySelectorAll("body *")].filter(node =>
    node.getBoundingClientRect().right > 391 && !node.closest(".wide")).map(n => n.outerHTML.slice(0, 80));
  const reached = [...page.querySelectorAll("summary, a[href], [tabindex='0']")]
    .filter(node => node.getClientRects().length);  // of two drawings of a graph, one is shown
  const focusable = reached.length;
  const unreachable = reached.filter(node => { node.focus(); return page.activeElement !== node; })
    .map(node => node.outerHTML.slice(0, 80));
  const covered = [...page.querySelectorAll(".framed, figure")]
    .filter(node => node.getBoundingClientRect().width < 100).length;
  const unnamed = [...page.querySelectorAll("svg[role=img]")]
    .filter(node => !node.querySelector("title") && !node.getAttribute("aria-label")).length;
  const style = page.defaultView.getComputedStyle(body);
  const bars = [...page.querySelectorAll("svg .bar")]
    .filter(node => node.getBoundingClientRect().width > 0).length;
  document.querySelector("pre").textContent = JSON.stringify(
    {width: page.documentElement.scrollWidth, wide, focusable, unreachable, covered, unnamed, bars,
     background: style.backgroundColor,
     ran: "ran" in page.defaultView});
});
</script>
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not BROWSER, reason="NOT CHECKED: Chromium is not installed (apt-get install chromium)"
    ),
]


def chromium(*arguments: str) -> tuple[str, list[str]]:
    """The document as it is in the end, and what the browser says in its console."""
    options = (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--virtual-time-budget=3000",
        "--dump-dom",
    )
    done = subprocess.run(
        [BROWSER, *options, "--enable-logging=stderr", *arguments],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return done.stdout, re.findall(r"CONSOLE.*?\] (.*)", done.stderr)


def measured(folder: Path, page: str, *arguments: str) -> dict[str, object]:
    """The page in a frame that is as wide as a phone, with everything open."""
    frame = f'<iframe width="390" height="800" srcdoc="{escape(page)}"></iframe><pre></pre>'
    (folder / "frame.html").write_text(f"<!DOCTYPE html>{frame}{MEASURES}", encoding="utf-8")
    document, _ = chromium(*arguments, (folder / "frame.html").as_uri())
    found = re.search(r"<pre>({.*})</pre>", document)
    assert found, document[-500:]
    result: dict[str, object] = json.loads(unescape(found[1]))
    return result


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder.make(tmp_path, "")
    for name, content in FILES.items():
        made.write(f"{name}.jsonl", content)
    made.write("old.jsonl", lines(*ROUTED))
    made.write("new.jsonl", lines(*ROUTED[:8]))
    return made


def report(folder: Folder, *files: str) -> str:
    folder.ok("data", "report", *files, "-o", "report.html", "--force", "--model", "gpt-4.1-2025-04-14")
    return (folder.path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("files", [*((f"{name}.jsonl",) for name in FILES), ("old.jsonl", "new.jsonl")])
def test_a_page_fits_a_phone(folder: Folder, files: tuple[str, ...]) -> None:
    page = report(folder, *files)
    found = measured(folder.path, page)
    assert found["width"] == 390
    assert found["wide"] == []
    assert found["background"] == "rgb(255, 255, 255)", "the style sheet is allowed by its digest"
    assert isinstance(found["bars"], int) and found["bars"] > 0
    assert isinstance(found["focusable"], int) and found["focusable"] > 5
    dark = measured(folder.path, page, "--blink-settings=preferredColorScheme=0")
    assert dark["background"] == "rgb(15, 19, 24)"


def test_the_policy_of_a_page_lets_no_script_run(folder: Folder) -> None:
    page = report(folder, "mixed.jsonl")
    path = folder.path / "report.html"
    assert chromium(path.as_uri())[1] == []
    path.write_text(page.replace("</body>", "<script>window.ran = 1</script><img src=a.png></body>"), "utf-8")
    told = "\n".join(chromium(path.as_uri())[1])
    assert "inline script" in told
    assert "a.png" in told
    assert measured(folder.path, path.read_text("utf-8"))["ran"] is False


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a spec with a sweep, a job of preferences, an evaluation and deployments."""
    return page_of(trained_folder(tmp_path_factory.mktemp("trained")), environ=IN_EMULATOR)


def test_the_page_of_a_spec_fits_a_phone_and_the_keyboard(page: str, tmp_path: Path) -> None:
    found = measured(tmp_path, page)
    assert found["width"] == 390
    assert found["wide"] == []
    assert found["background"] == "rgb(255, 255, 255)", "the style sheet is allowed by its digest"
    assert found["unreachable"] == []
    assert isinstance(found["focusable"], int) and found["focusable"] > 60
    assert (found["covered"], found["unnamed"]) == (0, 0)
    dark = measured(tmp_path, page, "--blink-settings=preferredColorScheme=0")
    assert dark["background"] == "rgb(15, 19, 24)"


def test_the_page_of_a_spec_has_no_errors_and_can_be_printed(page: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page, "utf-8")
    assert chromium(path.as_uri())[1] == []
    printed = tmp_path / "page.pdf"
    _, said = chromium(f"--print-to-pdf={printed}", "--no-pdf-header-footer", path.as_uri())
    assert said == []
    pages = len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes()))
    assert 3 <= pages <= 20
