"""Names from outside, safe wherever they are shown or stored."""

import csv
import io
import json

import numpy as np
import pytest
import yaml
from PIL import Image

from sgdj.audit.checks import Check
from sgdj.audit.report import Report, markdown, table
from sgdj.errors import InputError, InputErrors, first_line
from sgdj.reporting import figures
from sgdj.reporting.terminal import show
from sgdj.runs.catalogue import listing, view
from sgdj.runs.directory import RunDirectory
from sgdj.runs.model_card import write_model
from sgdj.runtime import text
from sgdj.runtime.output import print_error, say_traceback
from sgdj.runtime.ranks import tell
from sgdj.study import paper

pytestmark = pytest.mark.figures

#: A file name that clears the screen, reverses the writing and is not UTF-8, as Python gets it.
HOSTILE = "\x1b[2J\u202egnp.a\udcff\n"


@pytest.mark.parametrize("name", ["file1000_v3", "1 < 2 & [3, 4]", "T2 3 T.h5", "Größe-β", "图像", "-5", "+1.5e3"])
def test_ordinary_names_stay_as_they_are(name):
    assert text.printable(name) == text.cell(name) == text.from_cell(name) == text.label(name) == name
    assert text.markdown(name) == name
    assert text.file_name(name, ".png") == f"{name}.png"


def test_printable_shows_what_is_invisible():
    assert text.printable(HOSTILE) == r"\x1b[2J\u202egnp.a\udcff\n"


def test_cells_read_back_to_the_same_name():
    alphabet = "='+-@\t\r\n\\ab1.x|$" + "\x1b\u202e\udcff＝"
    rng = np.random.default_rng(0)
    for _ in range(5000):
        name = "".join(rng.choice(list(alphabet), rng.integers(0, 7)))
        stored = text.cell(name)
        assert text.from_cell(stored) == name
        assert stored.isprintable()
        if stored[:1] in tuple("=+-@"):
            float(stored)


def test_cells_are_no_formulas_and_numbers_stay():
    assert text.cell('=HYPERLINK("http://a")') == '\'=HYPERLINK("http://a")'
    assert [text.cell(value) for value in ("-1.5", -1.5, True, None, "-inf")] == ["-1.5", -1.5, True, None, "-inf"]


def test_names_of_too_many_bytes_are_shortened_to_names_of_their_own():
    one, other = ("ß" * 130 + end for end in "ab")
    made = {text.file_name(name, ".png") for name in (one, other)}
    assert len(made) == 2
    assert all(len(name.encode()) <= 255 and name.endswith(".png") for name in made)
    assert text.file_name("../a/b", ".png") == "..-a-b.png"


def test_terminal_gets_no_commands(capfd):
    print_error(InputErrors([InputError("bad", HOSTILE, "mend it"), InputError("worse", "b", "mend it")]))
    tell(f"skipped {HOSTILE}")
    show(table(Report(HOSTILE, [Check(1, HOSTILE, "PASS", "[/red] :smile:", "", False)], None, None, [])))
    out, err = capfd.readouterr()
    assert "\x1b" not in out + err
    assert "\u202e" not in out + err
    assert err.splitlines()[:2] == [r"error: bad, \x1b[2J\u202egnp.a\udcff\n: mend it", "error: worse, b: mend it"]
    assert "[/red] :smile:" in out


def test_runs_are_listed_with_hostile_values(tmp_path, capfd):
    (tmp_path / "run.json").write_text(json.dumps({"status": HOSTILE}))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"task": "[/bold]\x1b[31m", "strategy": {"name": "x"}}))
    show(listing([view(tmp_path)]))
    out, _ = capfd.readouterr()
    assert "\x1b" not in out
    assert "[/bold]" in out


def test_rows_of_a_run_read_back(tmp_path):
    run = RunDirectory(tmp_path)
    run.evaluation.mkdir()
    run.write_rows("samples.csv", ("volume", "psnr"), [{"volume": name, "psnr": -1.5} for name in ("=a", HOSTILE, "b")])
    content = (run.evaluation / "samples.csv").read_text()
    assert "\n=a" not in content
    rows = list(csv.DictReader(io.StringIO(content)))
    assert [text.from_cell(row["volume"]) for row in rows] == ["=a", HOSTILE, "b"]
    assert [row["psnr"] for row in rows] == ["-1.5"] * 3


def test_markdown_of_an_audit_has_no_markup_from_outside():
    checks = [Check(1, "a|b", "PASS", "<img src=x> ![](http://a)", "`", False)]
    made = markdown(Report("Audit: mri, <script>`m`:f\n# title", checks, None, None))
    assert "<" not in made
    assert made.splitlines()[0] == r"# Audit: mri, &lt;script>\`m\`:f\\n# title"
    (line,) = [line for line in made.splitlines() if line.startswith("| 1")]
    assert line == r"| 1 | a\|b | PASS | &lt;img src=x> ![\](http://a) | \` |"


def test_model_card_has_no_markup_from_outside(tmp_path):
    entry = {metric: {"mean": 1.0, "n_volumes": 1} for metric in ("psnr", "ssim")}
    config = {
        "task": "mri", "epochs": 1, "scale": "small", "dataset": {"name": "a|b"},
        "strategy": {"name": "<b>"}, "architecture": {"name": "gd"},
    }  # fmt: skip
    record = {
        "commit": None, "parameters": 1, "seed": 0, "data": "real", "data_hash": "00", "config_hash": "11",
        "versions": {"torch": "2"}, "device": "cpu", "machine": "<i>", "threads": 1, "command": "python run.py a=`|`",
    }  # fmt: skip
    checkpoint = {"sgdj_config": yaml.safe_dump(config), "state_dict": {}}
    write_model(tmp_path / "model", checkpoint, record, {"network": {"clean": entry, "shift|x": entry}})
    card = (tmp_path / "model" / "README.md").read_text()
    assert "<b>" not in card
    assert "<i>" not in card
    assert r"| command | `` python run.py a=`\|` `` |" in card
    assert r"| data | a\|b, real; hash `00` |" in card
    assert r"| shift\|x | 1.00 | 1.000 |" in card
    assert "commit `unknown`" in card


def test_latex_and_labels():
    assert text.latex(r"a_b & 50 % \input{x}") == r"a\_b \& 50 \% \textbackslash{}input\{x\}"
    assert text.latex(paper.NAMES["gd", "jitter"]) == "SGD jittering"
    assert len(text.label("a" * 300)) <= 100


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", [r"$\foo$.png", "$", r"a\$b$c", "图像.png", HOSTILE, "a" * 250])
def test_figures_take_any_name(tmp_path, name):
    image = np.ones((8, 8), np.float32)
    figures.file_panel(image, image, None, name, tmp_path / "panel.png")
    with Image.open(tmp_path / "panel.png") as drawn:
        assert drawn.size[0] > 100


def test_figures_follow_no_link(tmp_path):
    (tmp_path / "mine.png").write_bytes(b"mine")
    (tmp_path / "panel.png").symlink_to("mine.png")
    image = np.ones((8, 8), np.float32)
    figures.file_panel(image, image, None, "a", tmp_path / "panel.png")
    assert (tmp_path / "mine.png").read_bytes() == b"mine"


def test_tracebacks_hold_no_commands(capfd):
    try:
        raise ValueError(HOSTILE)
    except ValueError as error:
        say_traceback(error)
    _, err = capfd.readouterr()
    assert "\x1b" not in err
    assert r"ValueError: \x1b[2J" in err


def test_a_table_of_markdown_escapes_its_cells():
    rows = [("a|b", 3, text.bold("1*")), (text.Markup("`x`"), "", text.markdown("c|d"))]
    made = text.markdown_table(("", "what", text.Markup("s*")), rows)
    assert made.splitlines() == [
        "| | what | s* |",
        "|---|---|---|",
        r"| a\|b | 3 | **1\*** |",
        r"| `x` |  | c\|d |",
    ]
    with pytest.raises(ValueError, match="2 cells in a table of 3 columns"):
        text.markdown_table(("a", "b", "c"), [("1", "2")])


def test_markdown_is_escaped_once():
    once = text.markdown("a*b")
    assert text.markdown(once) == once == r"a\*b"
    assert text.markdown(text.markdown_code("a|b")) == r"`a\|b`"


def test_means_and_spreads_are_rounded():
    assert text.plus_minus(1.005, 0.26, 1) == "1.0 ± 0.3"
    assert text.plus_minus(2, None, 2) == "2.00"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n  late\n"), "late"),
        (ValueError(""), "ValueError"),
        (OSError(2, "gone"), "[Errno 2] gone"),
        (KeyError("long" * 50), "'longlonglo"),
    ],
)
def test_an_error_is_told_by_its_first_line(error, line):
    assert first_line(error, 11 if "long" in line else None) == line
