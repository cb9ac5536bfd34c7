"""Rows, tables and the campaign that fills them."""

import csv
import json
import os
import re
import shlex
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from omegaconf import OmegaConf
from scipy.stats import ttest_ind

from scripts.common import status
from scripts.tables import main
from sgdj.config.instantiate import build as instantiate
from sgdj.config.nodes import get
from sgdj.errors import InputError
from sgdj.evaluation.key import CLEAN, Key
from sgdj.jobs.composition import CONF
from sgdj.jobs.identity import RESULT_VERSION, identity
from sgdj.modes.plan import plan
from sgdj.runtime.hashing import digest
from sgdj.study import claims, levels, margins, steadiness, tables
from sgdj.study.campaign import missing
from sgdj.study.collecting import _variant, collect, collect_new, level
from sgdj.study.columns import columns
from sgdj.study.design import COMMITTED, cells, composed, folder
from sgdj.study.deviations import document
from sgdj.study.paper import deviations, reported
from sgdj.study.report import build, put_excerpts
from sgdj.study.robustness import volume_points
from sgdj.study.rows import Row, matrix, same_network
from sgdj.study.store import fold, read, write
from tests.conftest import QUIET, only_run
from tests.program import Program, run

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "tables.py"
RESULTS = ROOT / "results"
PGD = Key("pgd", 1.0)
CONDITIONS = (CLEAN, Key("gaussian", 1.0), PGD, Key(shift="lesion"), Key(shift="line"))


def row(architecture="gd", strategy="mse", seed=0, shift=0.0, **changed) -> Row:
    """Return a row with values that depend on seed and volume, moved by `shift` dB."""
    rng = np.random.default_rng(seed)
    base = {c: 25 + rng.normal(0, 0.1, 4) - i for i, c in enumerate(CONDITIONS)}
    values = {
        who: {
            c: {
                "psnr": {f"v{i}": float(p + (shift if who == "network" else -5)) for i, p in enumerate(psnr)},
                "ssim": {f"v{i}": float(p / 40) for i, p in enumerate(psnr)},
                "nmse": {f"v{i}": 0.1 for i in range(4)},
            }
            for c, psnr in base.items()
        }
        for who in ("network", "x0")
    }
    level = {"jitter": {"strategy.sigma": 0.1}, "input_jitter": {"strategy.sigma": 0.05}}.get(strategy, {})
    found = Row(
        run=f"{architecture}{strategy}{seed}", experiment="table_mri", task="mri", scale="small",
        architecture=architecture, strategy=strategy, seed=seed,
        level=level, variant=[], iterations=4,
        command=f"python run.py +experiment=table_mri architecture={architecture} strategy={strategy} seed={seed}",
        config_hash=f"{architecture}{strategy}{seed}", data_hash="d", samples_hash="s", data="synthetic",
        result_version=RESULT_VERSION, commit="c",
        machine="m", threads=1, versions={}, attack={"name": "pgd", "rho": 0.03, "epsilon": None, "steps": 10},
        definitions={"psnr": "p"}, values=values,
        budgets={c: {"epsilon": 0.5, "rho": 0.03} for c in CONDITIONS if c.attack},
    )  # fmt: skip
    return replace(found, **changed)


def full(seeds=range(10), gain=0.5):
    """Return a complete table in which jitter beats MSE by `gain` dB and all others lose by 1 dB."""
    shifts = {"mse": 0.0, "jitter": gain, "adversarial": -1.0, "input_jitter": -1.0}
    return [row(a, s, seed, d) for a in ("gd", "prox") for s, d in shifts.items() for seed in seeds]


@pytest.mark.parametrize(
    "changed",
    [
        {"attack": {"name": "pgd", "rho": 0.05, "epsilon": None, "steps": 10}},
        {"definitions": {"psnr": "clamped"}},
        {"data_hash": "other"},
        {"scale": "paper"},
        {"result_version": RESULT_VERSION - 1},
    ],
)
def test_rows_that_cannot_be_compared_are_refused(changed):
    with pytest.raises(InputError, match="rows with different"):
        tables.lines([row(), row(strategy="jitter", **changed)])


def test_rows_of_one_line_share_their_level():
    with pytest.raises(InputError, match="different levels"):
        tables.lines([row(strategy="jitter"), row(strategy="jitter", seed=1, level={"strategy.sigma": 0.2})])


def test_rows_on_other_volumes_are_refused():
    other = row(seed=1)
    del other.values["network"][CLEAN]["psnr"]["v0"]
    with pytest.raises(InputError, match="different volumes"):
        matrix([row(), other], CLEAN)


def test_the_table_shows_means_paper_and_what_is_missing():
    rows = [r for r in full(range(3)) if not (r.strategy == "jitter" and r.architecture == "prox" and r.seed == 1)]
    found = tables.lines(rows)
    text = tables.markdown("mri", found, range(3))
    assert "Missing: SPGD jittering, seeds 1." in text
    mean = np.mean([r.mean(CLEAN) for r in rows if (r.architecture, r.strategy) == ("gd", "jitter")])
    assert re.search(rf"\| SGD jittering \| σ = 0.1 \| 3 \| synthetic data \| \*\*{mean:.2f} ± ", text)
    records = list(csv.DictReader(tables.as_csv("mri", found).splitlines()))
    (cell,) = [r for r in records if (r["training"], r["column"]) == ("SGD jittering", "adversarial")]
    assert (cell["paper_psnr"], cell["paper_ssim"], cell["n_volumes"], cell["n_seeds"]) == ("26.77", "0.552", "4", "3")
    assert float(cell["psnr_minus_paper"]) == pytest.approx(float(cell["psnr"]) - 26.77, abs=0.006)
    assert cell["data"] == "synthetic"
    assert cell["command"].endswith("strategy=jitter seed=0,1,2")
    (empty,) = [r for r in records if (r["training"], r["column"]) == ("SPGD jittering", "adversarial")]
    assert empty["paper_psnr"] == empty["psnr_minus_paper"] == ""
    assert r"\toprule" in tables.as_latex("mri", found)


def test_the_published_attack_stands_beside_a_stronger_one():
    """The paper's figure is compared with its own attack; claims rest on the stronger one."""
    rows = full(range(2))
    for one in rows:
        one.attack.update(name="apgd", steps=60)
        for values in one.values.values():
            values[Key("apgd", 1.0)] = {name: {v: x - 1 for v, x in of.items()} for name, of in values[PGD].items()}
    found = tables.lines(rows)
    shown = columns(found[0].first)
    assert list(shown)[2:4] == ["adversarial", "published PGD"]
    assert (shown["adversarial"], shown["published PGD"]) == (Key("apgd", 1.0), PGD)
    records = {(r["training"], r["column"]): r for r in csv.DictReader(tables.as_csv("mri", found).splitlines())}
    assert records["SGD jittering", "adversarial"]["paper_psnr"] == ""
    assert records["SGD jittering", "published PGD"]["paper_psnr"] == "26.77"
    text = "Adversarial: APGD, ρ = 0.03, 60 steps; random noise of the same norm. Published PGD: the paper's attack"
    assert text in tables.markdown("mri", found, (0, 1))
    (claim,) = [
        f for f in claims.findings(rows) if f.claim.text.startswith("SGD jittering is more robust than MSE to a")
    ]
    assert claim.difference == pytest.approx(0.5)


def test_published_figures():
    """Spot checks of the transcription against the differences that the paper's claims rest on."""
    for task, gain in (("seismic", 1.04), ("mri", 1.09)):
        jitter, mse = (reported(task, "gd", s)["adversarial"][0] for s in ("jitter", "mse"))
        assert jitter - mse == pytest.approx(gain, abs=0.001)
    assert reported("mri", "prox", "jitter") == {}


def test_claims_follow_the_data():
    by = {(f.claim.number, f.claim.architecture, f.claim.column): f for f in claims.findings(full())}
    assert by["3", "gd", "adversarial"].verdict == "reversed"  # the later claim of the pair: jitter beats AT here
    verdicts = {f.claim.text: f.verdict for f in by.values()}
    assert verdicts["SGD jittering generalises better than MSE"] == "supported"
    assert verdicts["input jittering pays with accuracy out of distribution"] == "supported"
    lines = claims.summary(list(by.values())).splitlines()
    assert "- reversed: adversarial training stays the most robust to attacks (gd, adversarial, -1.50 dB)" in lines
    lost = {f.claim.text: f.verdict for f in claims.findings(full(gain=-0.3))}
    assert lost["SPGD jittering is more robust to attacks"] == "reversed"
    few = claims.findings(full(range(3)))
    assert {f.verdict for f in few} == {"underpowered"}
    assert claims.summary(few) == "Of 12 comparisons for the claims, 12 underpowered."
    assert few[1].difference == pytest.approx(0.5)
    assert "the seeds agree" not in claims.markdown(list(by.values()))


def test_claims_name_what_seeds_settle_and_volumes_do_not():
    """Every seed gains 0.05 dB on average: 1 dB on half of the volumes, and 0.9 dB less than before on the others."""
    rows = full(gain=0.0)
    for one in rows:
        if (one.architecture, one.strategy) == ("gd", "jitter"):
            for metrics in one.values["network"].values():
                for volume, gain in zip(metrics["psnr"], (1.0, 1.0, -0.9, -0.9), strict=True):
                    metrics["psnr"][volume] += gain
    found = claims.findings(rows)
    (one,) = [f for f in found if f.claim.text == "SGD jittering generalises better than MSE"]
    assert one.difference == pytest.approx(0.05)
    assert one.adjusted < 0.05
    assert one.interval[0] < 0 < one.interval[1]
    assert one.verdict == "not supported"
    count = sum(f.verdict == "not supported" and f.adjusted < 0.05 for f in found)
    assert f"In {count} of the comparisons that are not supported the seeds agree" in claims.markdown(found)
    assert "the 4 test volumes" in claims.markdown(found)


def test_networks_that_oscillate_are_counted():
    def walked(seed, strategy, then):
        nmse = {Key(iterations=k): {"nmse": {"v0": e, "v1": e}} for k, e in ((4, 0.1), (5, then))}
        return row(strategy=strategy, seed=seed, values={"network": nmse})

    rows = [walked(0, "mse", 0.15), walked(1, "mse", 0.21), walked(2, "mse", 0.9), walked(0, "jitter", 0.1)]
    lines = steadiness.markdown(rows).splitlines()
    assert "| MSE | 3 | 0.100 (0.100 to 0.100) | 0.210 (0.150 to 0.900) | 2 of 3 |" in lines
    assert "| SGD jittering | 1 | 0.100 (0.100 to 0.100) | 0.100 (0.100 to 0.100) | 0 of 1 |" in lines


def test_what_is_lost_from_training_to_test_data():
    def gaining(seed, gains):
        start = {f"v{i}": 20.0 + i for i in range(len(gains))}
        both = {"network": {v: start[v] + g for v, g in zip(start, gains, strict=True)}, "x0": start}
        return row(seed=seed, values={who: {c: {"psnr": psnr} for c in CONDITIONS} for who, psnr in both.items()})

    trained = [gaining(0, [3.0, 4.0, 5.0, 6.0]), gaining(1, [3.2, 4.4, 5.0, 6.6])]
    tested = [gaining(0, [3.0, 3.5, 4.5]), gaining(1, [3.0, 3.7, 4.1])]
    loss, error = margins.lost(trained, tested)
    welch = ttest_ind([3.1, 4.2, 5.0, 6.3], [3.0, 3.6, 4.3], equal_var=False)
    assert (loss, loss / error) == pytest.approx((4.65 - 10.9 / 3, welch.statistic))
    lines = margins.markdown("mri", tables.lines(tested), trained).splitlines()
    assert lines[-1] == f"| MSE | 2 | 4.65 | 3.63 | 1.02 ± {error:.2f} | 0.00 (2.53) | 0.00 (-1.71) |"


def test_each_deviation_is_shown_by_its_difference():
    found = deviations("mri", "gd")
    everything = sorted({override for one in found for override in one.overrides})
    base = row(strategy="jitter", experiment="deviations")
    rows = [base] + [
        row(strategy="jitter", experiment="deviations", shift=shift, variant=variant)
        for shift, variant in ((-0.25, ["trainer.schedule=constant"]), (-3.0, everything))
    ]
    text = document(rows)
    (line,) = [line for line in text.splitlines() if line.startswith("| no schedule |")]
    assert "| yes |" in line
    assert line.count("(-0.25)") == len(columns(base))
    (last,) = [line for line in text.splitlines() if line.startswith("| **all** |")]
    assert last.count("(-3.00)") == len(columns(base))
    assert "missing: noise scale, jittered validation, K = 5" in text


def test_a_volume_without_a_relative_error_leaves_the_others():
    """Both ways in which rows have it: absent, or infinite."""

    def shifted(errors):
        cell = {"psnr": {"v0": 20.0, "v1": 22.0}, "ssim": {"v0": 0.5, "v1": 0.7}, "nmse": errors}
        return row(values={"network": {Key(shift="layers", level=float(x)): cell for x in (1, 2)}})

    for errors in ({"v0": 0.25}, {"v0": 0.25, "v1": float("inf")}):
        found = {(p.metric, p.x): (p.mean, p.n_volumes) for p in volume_points(shifted(errors))}
        assert found["relative_error", 2.0] == (0.5, 1)
        assert found["psnr", 2.0] == (21.0, 2)


@pytest.mark.figures
def test_committed_tables_are_up_to_date(tmp_path):
    """In a fresh clone `make tables` changes nothing."""
    scale, seeds = "small", COMMITTED["small"]
    committed = folder(RESULTS, scale, seeds)
    (tmp_path / "results" / scale).mkdir(parents=True)
    for path in committed.glob("*.csv"):
        shutil.copy(path, tmp_path / "results" / scale)
    done = run(SCRIPT, "build", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = {p.relative_to(tmp_path / "results"): p for p in (tmp_path / "results").rglob("*") if p.is_file()}
    assert len(made) > 10
    for page in ("README.md", "docs/results.md"):
        copy = tmp_path / Path(page).name
        shutil.copy(ROOT / page, copy)
        assert re.search("<!-- end of (results|finding) -->", copy.read_text())
        put_excerpts([copy], committed)
        assert copy.read_text() == (ROOT / page).read_text(), f"the excerpt in {page}: run make tables"
    for name, path in made.items():
        assert path.read_bytes() == (RESULTS / name).read_bytes(), f"{name}: run make tables"


def test_committed_rows_are_of_this_configuration():
    """Every training's command composes, and gives the row's level and data; of today's version, attack and hash, too.

    A row of an older version has another hash than its command has today, so that it is measured anew.
    """
    found = read(folder(RESULTS, "small", COMMITTED["small"]))
    assert {(one.scale, one.threads) for one in found} == {("small", 1)}
    assert [one.name for one in found if _variant(one.command) != one.variant] == []
    trained = [one for one in found if "checkpoint=" not in one.command]
    assert {one.experiment for one in trained} == {"table_mri", "table_seismic", "figure_sigma", "deviations"}
    for one in trained:
        lines = shlex.split(one.command)[2:]
        same = composed(tuple(line for line in lines if not line.startswith("seed="))).settings
        settings = same.changed("seed", one.seed)
        config = settings.plain()
        assert f"seed={one.seed}" in lines
        assert f"+experiment={one.experiment}" in lines
        assert [config[name] for name in ("task", "scale")] == [one.task, one.scale]
        assert [config[node]["name"] for node in ("architecture", "strategy")] == [one.architecture, one.strategy]
        assert level(config) == one.level, one.name
        manifest = instantiate(settings, "dataset").manifest()  # of generated data, which need not be there
        assert digest(manifest) == one.data_hash, one.name
        current = one.result_version == RESULT_VERSION
        assert (identity(config, manifest) == one.config_hash) == current, one.name
        assert not current or one.attack.items() <= config["attack"].items(), one.name


def test_committed_curves_are_of_the_networks_in_the_tables():
    rows = read(folder(RESULTS, "small", COMMITTED["small"]))
    trained = {one.network: one for one in rows if one.experiment.startswith("table_")}
    curves = [one for one in rows if one.experiment in ("figure_epsilon", "figure_iterations")]
    assert len(curves) >= 96
    assert [one.name for one in curves if not same_network(one, trained[one.network])] == []


def test_a_curve_of_another_network_is_missing():
    """The same training on another machine ends elsewhere; what was measured on that network is measured again."""
    wanted = [
        cell
        for cell in cells(["mri"], "smoke", (0,), ["tables", "curves"])
        if {"architecture=gd", "strategy=mse"} <= set((cell.trained or cell).overrides)
    ]
    table, *evaluations = wanted
    trained = row(scale="smoke", config_hash=plan(table.job()).key)
    curves = {cell.experiment: replace(trained, experiment=cell.experiment, config_hash="e") for cell in evaluations}
    assert {"figure_epsilon", "figure_iterations"} <= set(curves)
    assert missing(wanted, [trained, *curves.values()]) == []
    elsewhere = row(scale="smoke", shift=0.01, experiment="figure_epsilon", config_hash="e")
    assert same_network(replace(elsewhere, variant=["evaluation.part=real"]), trained), "measured in another way"
    left = missing(wanted, [trained, *(curves | {"figure_epsilon": elsewhere}).values()])
    assert [cell.experiment for cell in left] == ["table_mri", "figure_epsilon"]
    del curves["figure_iterations"]
    assert [cell.experiment for cell in missing(wanted, [trained, *curves.values()])] == [
        "table_mri",
        "figure_iterations",
    ]


def test_levels_in_use_are_the_chosen_ones():
    rows = read(folder(RESULTS, "small", COMMITTED["small"]))
    chosen = {
        (task, strategy): levels.choose(group)
        for task in ("mri", "seismic")
        for strategy, group in levels.candidates(rows, task).items()
        if levels.is_complete(task, strategy, group)
    }
    assert chosen
    for (task, strategy), best in chosen.items():
        node = OmegaConf.to_container(OmegaConf.load(CONF / "scale_task_strategy" / f"small_{task}_{strategy}.yaml"))
        (key, value), *_ = best.row.level.items()
        assert get(node, key) == value
    for one in rows:
        if one.experiment.startswith("table_") and (one.task, one.strategy) in chosen:
            assert one.level == chosen[one.task, one.strategy].row.level


@pytest.mark.figures
def test_an_incomplete_table_is_built_and_says_so(tmp_path):
    for one in full(range(2)):
        write(replace(one, times={"wall_s": 60.0, "training_s": 50.0, "steps": 100, "peak_memory_mib": 1.0}), tmp_path)
    build(tmp_path, range(3), tmp_path, "# T")
    text = (tmp_path / "README.md").read_text()
    assert "Missing: MSE, seeds 2" in text
    assert "underpowered" in (tmp_path / "claims.md").read_text()
    assert "| SGD jittering | 500.0 | 1.00 | 1.0 |" in (tmp_path / "times.md").read_text()
    assert {p.suffix for p in (tmp_path / "figures").iterdir()} == {".png", ".pdf"}


@pytest.mark.figures
def test_what_the_paper_does_not_have_is_shown_as_exploratory(tmp_path):
    """A fifth strategy and another architecture, with and without a level, in every document and figure."""
    new = (("gd", "two_draws", {"strategy.sigma": 0.3}), ("wide", "plain", {}), ("gd", "plain", {}))
    rows = full(range(2)) + [row(a, s, seed, level=level) for a, s, level in new for seed in range(2)]
    for one in rows:
        walked = {Key(iterations=k): one.values["network"][CLEAN] for k in (3, 4, 5)}
        write(one, tmp_path)
        more = {who: values | walked for who, values in one.values.items()}
        for experiment in ("generalisation", "figure_epsilon", "figure_iterations", "robustness_mri", "figure_sigma"):
            if one.seed == 0:
                run = f"{experiment}{one.run}"
                write(replace(one, experiment=experiment, values=more, run=run, config_hash=run), tmp_path)
        write(replace(one, experiment="selection", run=f"s{one.run}", config_hash=f"s{one.run}"), tmp_path)
    build(tmp_path, range(2), tmp_path, "# T")
    text = (tmp_path / "README.md").read_text()
    assert "none of its claims: plain (gd), two_draws (gd), plain (wide)." in text
    assert "| two_draws (gd) | σ = 0.3 | 2 |" in text
    assert "Missing: nothing." in text
    assert "two_draws" not in (tmp_path / "claims.md").read_text().partition("### What")[0]
    assert "plain (wide) " in (tmp_path / "robustness" / "README.md").read_text()
    for name in ("tradeoff", "epsilon", "iterations", "sigma"):
        assert (tmp_path / "figures" / f"{name}-mri.png").is_file()


def test_a_document_is_of_one_version(tmp_path):
    """The newest of a task; older rows stay in the files, and documents say how many they leave out."""
    older = [replace(r, result_version=RESULT_VERSION - 1, run=f"old{r.run}", config_hash="o") for r in full(range(2))]
    for one in older:
        write(one, tmp_path)
    text = build_text(tmp_path)
    assert f"Measured with result version {RESULT_VERSION - 1} of this program; today's version" in text["README.md"]
    assert "Left out" not in text["README.md"] + text["claims.md"]
    newer = row(seed=0)
    write(newer, tmp_path)
    text = build_text(tmp_path)
    shown = f"| MSE | — | 1 | synthetic data | **{newer.mean(CLEAN):.2f}**"
    assert shown in text["README.md"]
    assert "SGD jittering | σ" not in text["README.md"]
    for name in ("README.md", "claims.md"):
        assert "Measured with result version" not in text[name]
        assert (
            f"Left out, since a document is of one version: 16 rows of result version {RESULT_VERSION - 1}."
            in (text[name])
        )
    assert len(read(tmp_path)) == 17


def build_text(place: Path) -> dict[str, str]:
    """Return the documents of the rows in a folder, by name."""
    fold(place)
    build(place, (0, 1), place, "# Results")
    return {name: (place / name).read_text() for name in ("README.md", "claims.md")}


def test_rows_of_an_older_version_are_missing_today():
    wanted = cells(["mri"], "smoke", (0,), ["tables", "curves"])[:1]
    (table,) = wanted
    measured = row(scale="smoke", config_hash=plan(table.job()).key)
    assert missing(wanted, [measured]) == []
    assert missing(wanted, [replace(measured, result_version=RESULT_VERSION - 1)]) == wanted


def test_a_row_of_an_older_version_is_not_checked_today(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    older = next(one for one in read(RESULTS / "small") if one.result_version != RESULT_VERSION)
    assert status(lambda: main(["check", f"{older.experiment}/{older.name}"])) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: measured with result version {older.result_version}, and this program computes ")
    assert f"check it with the program of its commit, {older.commit[:12]}, or measure it anew" in err
    assert err.count("\n") == 1


def test_without_a_row_there_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert status(lambda: main(["build", "--scale", "paper", "--seeds", "0"])) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: no rows, results/paper-seeds-0: ")
    assert err.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_runs_that_no_table_takes_are_named_with_the_reason(cli, tmp_path):
    command = ["+experiment=table_seismic", "scale=smoke", "architecture=gd", "strategy=mse", "seed=0"]
    assert cli(*command, "run_dir=outputs/taken", "trainer.threads=1", "plugins=[]")[0] == 0
    taken, results = tmp_path / "outputs" / "taken", tmp_path / "results"
    record, config = json.loads((taken / "run.json").read_text()), yaml.safe_load((taken / "config.yaml").read_text())

    def another(name, command="", config_changes=(), **changes):
        shutil.copytree(taken, taken.parent / name)
        changed = record | {"config_hash": name, "command": f"{record['command']} {command}"} | changes
        (taken.parent / name / "run.json").write_text(json.dumps(changed))
        (taken.parent / name / "config.yaml").write_text(yaml.safe_dump(config | dict(config_changes)))

    another("again", data_hash="other")
    another("changed", "operator.noise=0.5 trainer.workers=0 device=cpu")
    another("experiment", experiment="demo")
    another("failed", status="failed")
    another("plain", experiment=None)
    another("scale", config_changes={"scale": "paper"})
    another("seed", config_changes={"seed": 7})
    another("task", config_changes={"task": "mine"})
    another("torn", config_changes={"seed": 1})
    (taken.parent / "torn" / "evaluation" / "samples.csv").write_text("reconstructor\r\nnetwork\r\n")
    shutil.move(taken.parent / "again", taken.parent / "zagain")  # read last
    added, passed = collect_new(tmp_path / "outputs", results, "smoke", (0, 1))
    (made,) = read(results)
    assert added == ["table_seismic/seismic-gd-mse-seed0"]
    assert (made.run, made.variant) == (record["config_hash"], [])
    reasons = {Path(line.partition(": ")[0]).name: line.partition(": ")[2] for line in passed[:-1]}
    assert passed[-1] == "1 runs of no experiment"
    assert reasons.pop("torn").startswith("it cannot be read (")
    assert reasons == {
        "zagain": "there is another run of its configuration, on other data or with other settings",
        "changed": "its command changes more than table_seismic leaves open: operator.noise=0.5",
        "experiment": "its experiment, demo, has no table",
        "failed": "it is failed",
        "scale": "its scale is paper, not smoke",
        "seed": "its seed, 7, is none of 0, 1",
        "task": "its task, mine, is not that of table_seismic",
    }
    assert collect_new(tmp_path / "outputs", results, "smoke", (0, 1)) == ([], passed)


@pytest.mark.figures
def test_a_task_that_the_paper_does_not_have_gets_a_table_of_its_own(tmp_path):
    """Title and columns are the task's; of small images there is no SSIM."""

    def measured(strategy, seed, experiment="table_toy", **changed):
        made = row(strategy=strategy, seed=seed, task="toy", experiment=experiment, **changed)
        for conditions in made.values.values():
            for metrics in conditions.values():
                metrics.pop("ssim")
        return made

    for seed in (0, 1):
        write(measured("mse", seed), tmp_path)
        write(measured("jitter", seed, shift=0.5), tmp_path)
    for sigma in (0.1, 0.2):
        write(measured("jitter", 0, "figure_sigma", level={"strategy.sigma": sigma}), tmp_path)
    write(measured("mse", 0, "generalisation", config_hash="g"), tmp_path)
    build(tmp_path, (0, 1), tmp_path, "t")
    text = (tmp_path / "README.md").read_text()
    assert "### Signals on a subspace (synthetic data, scale small)" in text
    assert "| training | level | seeds | data | in-distribution | random noise | adversarial | lesion | line |" in text
    assert "Missing" not in text
    assert "Exploratory" not in text
    tested = (tmp_path / "claims.md").read_text()
    assert (
        "| 1 | SGD jittering is at least as accurate as MSE in distribution | gd, in-distribution | +0.500 |" in tested
    )
    assert "out-of-distribution |" not in tested
    assert {path.name for path in (tmp_path / "figures").glob("*.png")} == {"sigma-toy.png", "tradeoff-toy.png"}
    with (tmp_path / "tables" / "toy.csv").open(newline="") as file:
        assert {(line["column"], line["ssim"]) for line in csv.DictReader(file)} == {
            (column, "") for column in ("in-distribution", "random noise", "adversarial", "lesion", "line")
        }


def test_a_run_of_before_the_columns_gives_the_same_row(cli, tmp_path):
    """Conditions are then told by their names, and the starting point has another one."""
    command = ["+experiment=table_mri", "scale=smoke", "strategy=mse", "shift=[noise_level,lesion]"]
    command += ["evaluation.iterations=[2]", "+evaluation.shift_levels={noise_level:[2,4.5]}", "evaluation.curve=[0.5]"]
    assert cli(*command)[0] == 0
    run = only_run(tmp_path)
    new, path = collect(run, "table_mri"), run / "evaluation" / "samples.csv"
    assert {Key("apgd", 0.5), PGD, Key(shift="noise_level", level=4.5), Key(iterations=2)} < set(new.values["x0"])
    lines = [line.rsplit(",", 3)[0] for line in path.read_bytes().decode().split("\r\n")]
    path.write_bytes("\r\n".join(re.sub("^x0,", "zero_filled,", line) for line in lines).encode())
    old = collect(run, "table_mri")
    assert replace(old, samples_hash=new.samples_hash) == new


#: Four trainings with noise of their own in every epoch, and more epochs than the one after which they are killed.
OWN = {
    "title": "Mine",
    "scale": "smoke",
    "seeds": [0, 1],
    "overrides": [*QUIET, "epochs=4"],
    "rows": [{"task": "seismic", "strategy": ["input_jitter", "jitter"]}],
    "columns": {"clean": {}, "attacked": {"attack": "apgd"}},
    "claims": [{"text": "Noise helps", "better": "jitter", "worse": "input_jitter", "column": "attacked"}],
}
PAPER = ("--scale", "smoke", "--tasks", "seismic", "--parts", "tables")


def _campaign(folder: Path, chosen: tuple[str, ...]) -> Program:
    """Start a campaign in a process group of its own, with its jobs in it."""
    folder.mkdir(exist_ok=True)
    (folder / "mine.yaml").write_text(yaml.safe_dump(OWN))
    return Program(SCRIPT, "run", *chosen, "--jobs", "2", cwd=folder, group=0, jobs=True)


def _trained_but_unfinished(folder: Path) -> int:
    """List runs that have stepped (their first epoch is on disk) and are not finished."""
    return sum(
        json.loads(p.read_text())["status"] == "running" and (p.parent / "checkpoints" / "last.ckpt").exists()
        for p in folder.rglob("run.json")
    )


def _kill_in_the_middle(folder: Path, chosen: tuple[str, ...], whole_group: bool) -> None:
    process, deadline = _campaign(folder, chosen), time.monotonic() + 300
    seen = {p.parent for p in folder.rglob("last.ckpt")}
    while time.monotonic() < deadline:
        fresh = {p.parent for p in folder.rglob("last.ckpt")} - seen
        if fresh and _trained_but_unfinished(folder):
            break
        time.sleep(0.02)
    else:
        pytest.fail("no run got to its first epoch")
    if whole_group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()  # its jobs live on, and the next campaign has to wait for them
    process.wait(60)


@pytest.mark.parametrize(
    ("chosen", "place", "files"),
    [
        (("--study", "mine.yaml"), Path("results/mine"), 6),
        pytest.param(
            PAPER,
            folder(Path("results"), "smoke", (0,)),
            9,
            marks=pytest.mark.long(reason="every training of a table, where four are killed alike"),
        ),
    ],
    ids=["own", "paper"],
)
def test_a_campaign_killed_twice_gives_the_same_tables(tmp_path, chosen, place, files):
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    _kill_in_the_middle(broken, chosen, whole_group=True)
    _kill_in_the_middle(broken, chosen, whole_group=False)
    assert _campaign(broken, chosen).wait(400) == 0
    assert _campaign(whole, chosen).wait(400) == 0
    timed = ("times.md", "runs.csv")
    names = [p.relative_to(whole) for p in (whole / place).rglob("*") if p.is_file() and p.name not in timed]
    assert len(names) >= files
    for name in names:
        assert (broken / name).read_bytes() == (whole / name).read_bytes(), name
    one, other = ([replace(row, times={}) for row in read(root / place)] for root in (broken, whole))
    assert one == other != []
    assert any("seismic" in (whole / name).read_text().lower() for name in names if name.suffix == ".md")


def test_an_unknown_part_or_task_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for arguments, line in (
        (["--parts", "table"], "there is no 'table', --parts: choose of tables, "),
        (["--tasks", "toy"], "there is no 'toy', --tasks: choose of denoising, "),
        (["--seed", "1"], "unknown option --seed, python scripts/tables.py run --seed: did you mean --seeds?"),
        (["--seeds", "a"], "'a' are no whole numbers, --seeds: write 0,1,2"),
    ):
        assert status(lambda given=arguments: main(["run", *given])) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"error: {line}")
        assert err.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_rows_from_before_and_after_a_setting_was_added_fit_together(cli, tmp_path):
    """A setting younger than the first rows, at the value that means what they did, is no difference."""
    assert cli("+experiment=table_seismic", "scale=smoke", "strategy=mse", "attack=pgd")[0] == 0
    run = only_run(tmp_path)
    new = collect(run, "table_seismic")
    config = yaml.safe_load((run / "config.yaml").read_text())
    for name in ("norm", "goal", "average", "keep", "support"):
        del config["attack"][name]
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    summary = json.loads((run / "evaluation" / "summary.json").read_text())
    del summary["definitions"]["local_psnr"]
    (run / "evaluation" / "summary.json").write_text(json.dumps(summary))
    old = collect(run, "table_seismic")
    assert old.times["steps"] > 0
    tables.check([new, replace(old, seed=1)])
    config["attack"]["norm"] = "linf"
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    other = collect(run, "table_seismic")
    with pytest.raises(InputError, match="different attack"):
        tables.check([new, replace(other, seed=1)])


def test_the_robustness_part_evaluates_with_its_own_attack_and_shifts(cli, tmp_path):
    """An evaluation takes the groups that its experiment overrides, not those of the training."""
    for task, shifts in (("mri", ["noise_level", "acceleration"]), ("seismic", ["noise_level", "wavelet", "layers"])):
        wanted = cells([task], "smoke", (0,), ["robustness"])
        assert [c.mode for c in wanted[1:3]] == ["evaluate", "audit"]
        assert cli(*list(wanted[0].job().overrides), f"run_dir={task}")[0] == 0
        checkpoint = tmp_path / task / "checkpoints" / "best.ckpt"
        config = wanted[1].job(checkpoint).settings.plain()
        assert list(config["shift"]) == shifts
        assert config["attack"]["name"] == "apgd"
        assert set(config["evaluation"]["shift_levels"]) == set(shifts)
        assert wanted[2].job(checkpoint).settings.mode == "audit"
