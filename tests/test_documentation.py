"""Every block of the README and of docs/ runs as written; `NOT_RUN` names what composes instead, with the reason."""

import importlib
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import chdir
from functools import cache
from pathlib import Path

import pytest
import torch

import sgdj
from scripts.pages import gather, reference
from sgdj.errors import InputError
from sgdj.jobs.composition import parse
from sgdj.jobs.load import load
from sgdj.modes.cli import main
from sgdj.modes.sweep import _check_all
from tests.helper import inner

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
#: Commands that compose instead of running, by the reason.
NOT_RUN = {
    "it trains, or measures a trained network, for a minute or more": r"python run\.py .*(task|mode|experiment)=",
    "it measures the whole study": r"make (reproduce-tables|demo|test|tables)\b|python scripts/tables\.py ",
    "it reads files that are the reader's": r"python scripts/(data|runs|export)\.py ",
    "it trains for a minute": r"python scripts/unet\.py ",
    "it installs packages": r"make (setup|docs)\b|pip install ",
    "it changes the reader's shell": r"source |eval ",
}


def _blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language; "" for the indented ones, whose lines are commands or equations."""
    text = page.read_text()
    if language:
        return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [re.sub("^    ", "", b, flags=re.MULTILINE) for b in re.findall(r"\n\n((?:    .*\n)+)", outside)]


def _commands(page: Path) -> list[str]:
    """Return the commands of a page, each on one line without its comment."""
    lines = [line for b in _blocks(page, "") for line in re.sub(r"\\\n\s*", "", b).splitlines()]
    starts = ("python ", "make ", "pip ", "source ", "eval ", "PYTHONPATH=", "torchrun ")
    unknown = [line for line in lines if line and not line.startswith((*starts, "x_{k+1} ="))]
    assert not unknown, f"{page.name}: neither a command nor an equation"
    return [re.sub(r"\s+#.*", "", line) for line in lines if line.startswith(starts)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with what the pages speak of: a trained network, a plugin, references, folders of data."""
    folder = tmp_path_factory.mktemp("reader")
    with chdir(folder):
        quick = ("scale=smoke", "logger=none", "evaluation.panels=0", "trainer.threads=1")
        network = ("architecture=prox", "architecture/learned=nonexpansive")
        assert main(["task=mri", *quick, *network, "run_dir=RUN"]) == 0
    for name in ("RUN_A", "RUN_B"):
        (folder / name).symlink_to("RUN")
    for name in ("data/knee", "data/brain", "data/flat", "data/singlecoil_test", "outputs"):
        (folder / name).mkdir(parents=True)
    for name in ("unet.pt", "brain.tiff", "scan.mat", "model.npz"):
        (folder / name).touch()
    for kind in ("python", "yaml"):
        for block in _blocks(ROOT / "docs" / "extending.md", kind):
            if named := re.match(r"# (my_lab/\S+)\n", block):
                (folder / named[1]).parent.mkdir(parents=True, exist_ok=True)
                (folder / named[1]).write_text(block)
    (folder / "my_lab" / "__init__.py").touch()
    (folder / "my_refs.py").write_text("Zero = Wavelets = lambda y, operator: operator.adjoint(0 * y)\n")
    (folder / "my_study.yaml").write_text(_blocks(ROOT / "docs" / "results.md", "yaml")[0])
    return folder


@cache
def _targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def _composes(words: list[str]) -> None:
    """Check a command as far as the program does before it reads data."""
    if words[0].startswith("PYTHONPATH="):
        words = words[1:]
    if words[0] == "make":
        assert words[1] in _targets()
    elif words[:2] == ["python", "run.py"]:
        jobs = [a for a in words[2:] if a not in ("-m", "--fail-fast")]
        if "-m" in words:
            assert _check_all(jobs)
        else:
            assert load(parse(jobs))
    elif words[0] == "python":
        name = words[2] if words[1] == "-m" else words[1].removesuffix(".py").replace("/", ".")
        assert importlib.import_module(name).parser().parse_args(words[3:] if words[1] == "-m" else words[2:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_runs_or_composes(page, place, monkeypatch, capfd):
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(place)
    for command in _commands(page):
        reasons = [
            reason for reason, pattern in NOT_RUN.items() if re.match(pattern, command.removeprefix("PYTHONPATH=. "))
        ]
        written = command.replace("/data/", f"{place}/data/").replace("study/NAME", "study/mse-seed0")
        if not reasons:
            words = shlex.split(command)
            assert words[:2] == ["python", "run.py"], f"neither run nor listed in NOT_RUN: {command}"
            assert main(words[2:]) == 0, command
        else:
            try:
                _composes(shlex.split(written))
            except Exception as error:
                pytest.fail(f"{page.name}: {command}: {error}")
    capfd.readouterr()


def test_the_readmes_snippet_attacks_a_trained_network(place, monkeypatch):
    monkeypatch.chdir(place)
    (snippet,) = _blocks(ROOT / "README.md", "python")
    scope: dict = {}
    exec(snippet, scope)
    assert scope["error"].shape == scope["x"].shape
    assert scope["delta"].norm() == pytest.approx(0.03 * float(scope["batch"].y.norm()), rel=1e-4)


def test_the_documented_strategy_attack_and_operator(place, monkeypatch, capfd):
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(place)
    quick = ("scale=smoke", "epochs=1", "logger=none", "attack=gaussian", "evaluation.panels=0")
    assert main(["task=mri", "strategy=two_draws", "sigma=0.02", "plugins=[my_lab]", *quick]) == 0
    capfd.readouterr()
    scope: dict = {}
    for block in _blocks(ROOT / "docs" / "extending.md", "python"):
        if "class OneStep" in block or "class Inpainting" in block:
            exec(block, scope)
    operator = sgdj.Convolution(torch.hann_window(5), size=8)
    x = torch.rand(2, 1, 8, 8)
    batch = sgdj.Batch(x, operator.forward(x), operator, ("a", "b"), ("a", "b"))
    delta = scope["OneStep"](rho=0.1)(sgdj.StartingPoint("adjoint"), batch, sgdj.Draws(0))
    assert torch.allclose(delta.flatten(1).norm(dim=1), 0.1 * batch.y.flatten(1).norm(dim=1), rtol=1e-4)
    keeps, y = scope["Inpainting"](), torch.rand(2, 1, 8, 8)
    assert torch.allclose(inner(keeps.forward(x), y), inner(x, keeps.adjoint(y)))


def test_every_public_name_has_an_entry():
    text = "\n".join(reference().values())
    for name in sgdj.__all__:
        assert f"## `sgdj.{name}`" in text
    titles = re.findall(r"docs/reference/(\S+)", (ROOT / "mkdocs.yml").read_text())
    assert sorted(titles) == sorted(reference())


def test_the_readme_is_short_and_its_links_hold():
    text = (ROOT / "README.md").read_text()
    assert len(text.encode()) <= 9000
    assert text.count("![") == 1
    for page in PAGES:
        for link in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
            assert (page.parent / link).is_file(), f"{page.name}: {link}"


def test_pages_replace_nothing_but_pages(tmp_path):
    (tmp_path / "thesis.txt").write_text("four years")
    with pytest.raises(InputError, match="holds no pages"):
        gather(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "four years"
    gather(tmp_path / "pages")
    (tmp_path / "pages" / "old.md").write_text("of before")
    gather(tmp_path / "pages")
    assert not (tmp_path / "pages" / "old.md").exists()


def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="mkdocs is in requirements-dev.lock: run make develop")
    gather(tmp_path / "build" / "pages")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    for name in ("sgdj", "scripts"):
        (tmp_path / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    reference_pages = "".join(p.read_text() for p in (tmp_path / "build/docs/docs/reference").glob("*.html"))
    for name, module in sgdj._HOME.items():
        assert f'id="{module}.{name}"' in reference_pages, name
    assert not re.search(
        r'<(script|link|img)[^>]+(src|href)="https?:', (tmp_path / "build/docs/index.html").read_text()
    )
