"""The HTML pages of runs: what they show, that files are data to them, and how a browser lays them out."""

import csv
import json
import re
import shutil
import subprocess
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from statistics import mean, stdev

import pytest

from sgdj.reporting.comparison import compared
from sgdj.reporting.html import MARK, picture, table
from sgdj.reporting.pages import run_page, runs_page
from sgdj.runs.catalogue import RunView, find, view
from sgdj.runtime.hashing import file_digest
from tests.conftest import QUIET, SMOKE, finished_run, only_run
from tests.program import run

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "</td><script>alert(1)</script><img src=http://x.org/a.png onerror=alert(1)>\"'\u202e&amp;"


class Tags(HTMLParser):
    """Collects the tags of a page with their attributes, and its text."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.shown = ""
        self.feed(content.decode())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.shown += data

    def assert_harmless(self) -> None:
        """Check that nothing runs, and nothing is loaded."""
        names = {name for name, _ in self.tags}
        assert not names & {"script", "iframe", "object", "embed", "link", "form", "base", "a"}
        for name, attributes in self.tags:
            assert not [key for key in attributes if key.startswith("on") or key in ("srcset", "href")], name
            assert (attributes.get("src") or "data:image/png;base64,").startswith("data:image/png;base64,")
        assert "default-src 'none'" in next(
            a["content"] or "" for n, a in self.tags if n == "meta" and "http-equiv" in a
        )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two trainings of two seeds, as a sweep."""
    folder = tmp_path_factory.mktemp("runs")
    return finished_run(folder, "-m", *SMOKE, "strategy=mse,jitter", "seed=0,1", "epochs=1")


def test_a_run_ends_with_a_page_whose_hash_is_kept(cli, tmp_path):
    code, out, _ = cli("task=mri", "scale=smoke", "logger=none", "epochs=1", "attack=gaussian")
    assert code == 0
    folder = only_run(tmp_path)
    content = (folder / "report.html").read_bytes()
    assert f"look at: {folder.relative_to(tmp_path)}/report.html" in out
    record = json.loads((folder / "run.json").read_text())
    assert record["files"]["report.html"] == file_digest(folder / "report.html")
    assert cli("mode=verify", f"run_dir={folder}")[0] == 0
    page = Tags(content)
    page.assert_harmless()
    pictures = sorted((folder / "figures").glob("*.png"))
    assert sum(name == "img" for name, _ in page.tags) == len(pictures) > 3
    for text in (record["command"], record["config_hash"], record["data_hash"], "Synthetic data.", "strategy.name"):
        assert text in page.shown
    summary = json.loads((folder / "evaluation" / "summary.json").read_text())
    assert f"{summary['network']['clean']['psnr']['mean']:.2f} ±" in page.shown
    for name, sha in record["files"].items():
        assert name == "report.html" or f"{name}{sha}" in page.shown
    (folder / "report.html").write_bytes(content + b"<!-- edited -->")
    code, out, err = cli("mode=verify", f"run_dir={folder}")
    assert code == 5
    assert "report.html has changed" in out + err
    assert "already finished" in cli("task=mri", "scale=smoke", "logger=none", "epochs=1", "attack=gaussian")[2]


def test_audits_show_their_checks_and_evaluations_their_curve(cli, tmp_path):
    assert cli(*SMOKE, "run_dir=net", "epochs=1")[0] == 0
    checkpoint = "checkpoint=net/checkpoints/best.ckpt"
    cli("mode=audit", checkpoint, "run_dir=audit", "audit.light=true", "audit.samples=1", *QUIET)
    page = Tags((tmp_path / "audit" / "report.html").read_bytes())
    checks = json.loads((tmp_path / "audit" / "evaluation" / "audit.json").read_text())["checks"]
    assert all(check["name"] in page.shown for check in checks)
    assert cli("mode=evaluate", checkpoint, "run_dir=again", *QUIET)[0] == 0
    assert "data:image/png" in (tmp_path / "again" / "report.html").read_text()


def test_whatever_files_say_is_text(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "panel-<script>.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 20)
    (tmp_path / "figures" / "panel-b.png").write_text("<script>alert(1)</script>")
    (tmp_path / "evaluation").mkdir()
    checks = [{"number": 1, "name": HOSTILE, "status": "FAIL", "value": HOSTILE, "rule": [HOSTILE]}]
    (tmp_path / "evaluation" / "audit.json").write_text(json.dumps({"checks": checks}))
    (tmp_path / "evaluation" / "certificate.json").write_text(json.dumps({HOSTILE: HOSTILE, "definitions": [HOSTILE]}))
    entry = {"mean": 1.0, "std": 0.1, "n_volumes": HOSTILE, "n_samples": HOSTILE}
    metrics = dict.fromkeys(("psnr", "ssim", "delta_norm", "y_norm"), entry)
    summary = {who: {"clean": metrics, HOSTILE: metrics} for who in ("network", "x0")} | {"notes": [HOSTILE]}
    record = {
        "status": "finished", "command": HOSTILE, "data": HOSTILE, "files": {HOSTILE: HOSTILE}, "reason": HOSTILE,
        "versions": {HOSTILE: HOSTILE}, "config_hash": HOSTILE, "machine": {HOSTILE: [HOSTILE]},
    }  # fmt: skip
    config = {"task": HOSTILE, "mode": HOSTILE, HOSTILE: {HOSTILE: HOSTILE}}
    hostile = RunView(tmp_path, record, config, summary)
    for content in (run_page(hostile), runs_page(HOSTILE, [hostile], HOSTILE)):
        page = Tags(content)
        page.assert_harmless()
        assert "alert(1)" in page.shown
        assert "\u202e" not in content.decode()
    assert "the image cannot be shown (panel-b.png)" in Tags(run_page(hostile)).shown


@pytest.mark.parametrize("summary", [{"network": 3}, {"network": {"clean": []}}, {"x0": {}}, {"network": {}, "x0": {}}])
def test_damaged_files_leave_a_page_without_them(tmp_path, summary):
    page = Tags(run_page(RunView(tmp_path, {"files": 3, "versions": 3}, {}, summary)))
    assert "Command" in page.shown
    assert compared([RunView(tmp_path, {"status": "finished"}, {}, summary)]) == []


def test_a_link_is_no_picture(tmp_path):
    (tmp_path / "secret.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "link.png").symlink_to("secret.png")
    assert "data:" in picture(tmp_path / "secret.png", "it")
    assert "data:" not in picture(tmp_path / "link.png", "it")
    assert "data:" not in picture(tmp_path / "nothing.png", "it")


def test_a_sweep_compares_its_trainings_over_seeds(runs, cli, monkeypatch):
    monkeypatch.chdir(runs)
    (page,) = (runs / "outputs").glob("sweep-*.html")
    shown = Tags(page.read_bytes())
    shown.assert_harmless()
    clean = {"mse": [], "jitter": []}
    for one in find([runs / "outputs"], {}):
        with (one.path / "evaluation" / "samples.csv").open() as file:
            rows = [r for r in csv.DictReader(file) if (r["reconstructor"], r["condition"]) == ("network", "clean")]
        clean[one.facts["strategy"]].append(mean(float(r["psnr"]) for r in rows))
    (one,) = compared(find([runs / "outputs"], {}))
    assert one.header[:3] == ("training", "seeds", "clean")
    for row, (strategy, values) in zip(sorted(one.rows, reverse=True), clean.items(), strict=True):
        assert row[0].startswith(f"gd, {strategy}")
        assert row[1] == "2"
        assert row[2] == f"{mean(values):.2f} ± {stdev(values):.2f}"
        assert row[2] in shown.shown


def test_runs_that_differ_in_more_than_the_seed_are_not_averaged(runs):
    found = find([runs / "outputs"], {"strategy": "mse"})
    changed = RunView(found[1].path, found[1].record, found[1].config | {"epochs": 7}, found[1].summary)
    (one,) = compared([found[0], changed])
    assert [row[1] for row in one.rows] == ["1", "1"]
    assert "epochs=7" in one.rows[1][0]


def test_a_page_of_any_set_of_runs(runs):
    def report(*arguments: str) -> tuple[int, str]:
        done = run(ROOT / "scripts" / "runs.py", "report", *arguments, cwd=runs)
        return done.returncode, done.stdout + done.stderr

    assert report("--strategy", "jitter") == (0, "look at: runs.html\n")
    assert (runs / "runs.html").read_bytes().startswith(MARK)
    page = Tags((runs / "runs.html").read_bytes())
    assert "2 runs." in page.shown
    assert "python scripts/runs.py report --strategy jitter" in page.shown
    assert report("--output", "runs.html")[0] == 0
    (runs / "thesis.html").write_text("four years")
    assert report("--output", "thesis.html")[0] == 2
    assert (runs / "thesis.html").read_text() == "four years"
    assert report("--strategy", "nothing")[0] == 2
    assert report("--output", "nowhere/a.html")[0] == 2


def test_a_wide_table_scrolls_and_is_reached_by_the_keyboard():
    made = table(("a",), [("b",)], "title")
    assert 'tabindex="0"' in made
    assert 'aria-label="title"' in made


@pytest.mark.figures
def test_a_browser_lays_the_page_out(cli, tmp_path):
    """In a headless browser: no message on the console, no overflow at either width, dark where it is asked for."""
    browser = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-headless-shell")
    if browser is None:
        pytest.skip("no headless browser is installed (Debian's package chromium)")
    assert cli("task=mri", "scale=smoke", "logger=none", "epochs=1", "run_dir=run")[0] == 0
    content = (tmp_path / "run" / "report.html").read_text().replace("<details>", "<details open>")
    script = """<script>onload = () => {
      const frames = [...document.querySelectorAll("iframe")];
      document.title = JSON.stringify(frames.map(frame => {
        const inner = frame.contentDocument, root = inner.documentElement, images = [...inner.images];
        inner.querySelector(".wide").focus();
        return [root.scrollWidth, root.clientWidth, images.length, images.every(one => one.naturalWidth > 0),
          inner.activeElement.className, getComputedStyle(inner.body).backgroundColor];
      })); }</script>"""
    frames = "".join(f'<iframe width="{w}" height="900" srcdoc="{escape(content)}"></iframe>' for w in (400, 1400))
    (tmp_path / "frames.html").write_text(f'<!doctype html><meta charset="utf-8">{frames}{script}')
    flags = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        f"--user-data-dir={tmp_path}/p",
    ]
    found = []
    for scheme in (1, 0):
        command = [
            browser, *flags, f"--blink-settings=preferredColorScheme={scheme}", "--window-size=1500,2000", "--dump-dom",
            (tmp_path / "frames.html").as_uri(),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        assert "CONSOLE" not in done.stderr
        (title,) = re.findall("<title>(.*?)</title>", done.stdout)[:1]
        found.append(json.loads(title))
    drawn = len(list((tmp_path / "run" / "figures").glob("*.png")))
    for light, dark in zip(*found, strict=True):
        for width, room, images, all_shown, focused, _ in (light, dark):
            assert width <= room
            assert (images, all_shown, focused) == (drawn, True, "wide")
        assert light[-1] == "rgb(255, 255, 255)"
        assert dark[-1] == "rgb(20, 24, 29)"
    assert view(tmp_path / "run").status == "finished"


def test_evaluations_of_two_networks_are_no_seeds_of_one(runs):
    one = find([runs / "outputs"], {"strategy": "mse"})[0]

    def row(**changes):
        return RunView(one.path, one.record, one.config | {"mode": "evaluate"} | changes, one.summary)

    def counts(*rows):
        return [cells[1] for cells in compared(rows)[0].rows]

    assert counts(row(checkpoint="a", seed=0), row(checkpoint="b", seed=1)) == ["2"]
    assert counts(row(checkpoint="a"), row(checkpoint="b")) == ["1", "1"]
    assert counts(
        row(checkpoint="a", seed=0, reconstructor="m:n"), row(checkpoint="b", seed=1, reconstructor="m:n")
    ) == [
        "1",
        "1",
    ]


def test_rows_of_one_name_say_what_tells_them_apart(runs):
    one = find([runs / "outputs"], {"strategy": "mse"})[0]
    wider = one.config | {"architecture": one.config["architecture"] | {"iterations": 77, "_target_": "other"}}
    names = [cells[0] for cells in compared([one, RunView(one.path, one.record, wider, one.summary)])[0].rows]
    assert len(set(names)) == 2
    assert names[1] == "gd, mse, architecture.iterations=77"
