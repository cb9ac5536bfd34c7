"""The rules of a protocol, on rows that are made up: what is run, and what is chosen."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sgdj.errors import InputError
from sgdj.evaluation.key import CLEAN, Key
from sgdj.study import executing
from sgdj.study.chosen import Chosen
from sgdj.study.ledger import Ledger, seed_of, variant
from sgdj.study.protocol_documents import build
from sgdj.study.protocol_file import read
from sgdj.study.stages import Study
from tests.study.test_tables import row as any_row

PROTOCOL = read(Path(__file__).resolve().parents[2] / "conf" / "study" / "seismic.yaml")
PROTOCOL = replace(PROTOCOL, parts=PROTOCOL.parts[:1])
NOISE = [Key(shift="noise_level", level=float(level)) for level in PROTOCOL.regime.noise]
SHIFTS = [Key(shift=name) for name in PROTOCOL.regime.shifts]
BUDGETS = [Key("apgd", float(factor)) for factor in {*PROTOCOL.regime.budgets, *PROTOCOL.tables.curve}]


def value(cell, key, name):
    """Return the last value that a cell's command lines give to a key."""
    lines = (*(cell.trained.overrides if cell.trained else ()), *cell.overrides)
    found = [line.partition("=")[2] for line in lines if line.partition("=")[0] == key]
    return found[-1] if found else name


class Made:
    """Rows as a campaign would leave them: every cost is known, every volume alike but for its own offset."""

    def __init__(self, best: float = 0.4, attack: float = 5.0, gain: float = 0.1) -> None:
        self.best, self.attack, self.gain, self.rows, self.stages = best, attack, gain, [], []

    def psnr(self, stage, cell, key):
        found = 20.0 - (0.5 if stage == "regime" and value(cell, "trainer.images", "") == "12" else 0)
        found += 1.0 * (stage in ("regime-train", "tables-train"))
        level = value(cell, "sigma", None)
        if level is not None:
            found -= abs(np.log(float(level) / self.best))
        if key.attack == "apgd":
            found -= self.attack * (key.factor or 1) ** 0.5
        if key.shift == "noise_level":
            found -= 0.25 * (key.level or 2)
        if key.shift in ("random_detail", "wavelet"):
            found -= 2.0
        return found

    def add(self, step):
        self.stages.append(step.stage)
        for cell in step.cells:
            own = f"{seed_of(cell)}-" * step.stage.endswith("-train")  # every seed has training images of its own
            keys = [CLEAN, Key("gaussian", 1.0), *BUDGETS, *NOISE, *SHIFTS]
            steps = int(value(cell, "attack.steps", 20))
            loss = 1 - self.gain / steps
            values = {
                who: {
                    key: {
                        "psnr": {
                            f"{own}v{i}": self.psnr(step.stage, cell, key) * (who == "network") + i for i in range(3)
                        }
                    }
                    for key in keys
                }
                for who in ("network", "x0")
            }
            budgets = {key: {"loss": loss if key.attack else 0.5, "epsilon": 1.0, "rho": 0.1} for key in keys}
            made = any_row(strategy=value(cell, "strategy", "mse"), seed=seed_of(cell))
            self.rows.append(
                replace(made, experiment=step.stage, variant=variant(cell), values=values, budgets=budgets)
            )

    def study(self, path):
        return Study(PROTOCOL, Ledger(self.rows), Chosen(path))


def finished(made: Made, path: Path) -> Study:
    for _ in range(30):
        step = (study := made.study(path)).next()
        if step is None:
            return study
        made.add(step)
    raise AssertionError("it does not end")


def test_every_stage_follows_and_nothing_is_run_twice(tmp_path):
    made = Made()
    study = finished(made, tmp_path / "chosen.yaml")
    stages = list(dict.fromkeys(made.stages))
    assert stages == [
        "regime",
        "regime-train",
        "attack",
        "levels",
        "tables",
        "tables-train",
        "check",
        "curve",
        "optimistic",
    ]
    assert len({(row.experiment, row.seed, *row.variant) for row in made.rows}) == len(made.rows)
    assert [row.seed for row in made.rows if row.experiment == "regime"][:2] == PROTOCOL.seeds.regime
    assert study.chosen.levels["gd/MSE"].overrides == []
    networks = len(PROTOCOL.parts[0].networks) - 1  # MSE as in the regime is the same network
    assert sum(row.experiment == "tables" for row in made.rows) == networks * len(PROTOCOL.seeds.tables)
    study.verify()


def test_the_regime_is_the_first_that_fits(tmp_path):
    regime = finished(Made(), tmp_path / "chosen.yaml").chosen.regime
    assert regime.candidate == PROTOCOL.regime.candidates[0].name
    assert regime.shift == "random_detail"  # the first that costs half a decibel
    assert regime.noise == 8.0  # 2 dB, the middle
    assert regime.rho == pytest.approx(0.1 * 1.5)  # 5 √1.5 = 6.1 dB is nearest to 5.79
    assert regime.costs == {"attack": 6.124, "shift": 2.0, "noise": 2.0, "generalisation": 1.5}


def test_without_a_fitting_one_the_least_missing_is_taken(tmp_path):
    regime = finished(Made(attack=1.0), tmp_path / "chosen.yaml").chosen.regime
    assert regime.rho == pytest.approx(0.3)
    assert "none of 6 candidates fits" in regime.reason
    assert regime.reason.endswith("it misses attack")


def test_the_attack_has_the_fewest_steps_that_do(tmp_path):
    attack = finished(Made(gain=0.1), tmp_path / "few.yaml").chosen.attack
    assert (attack.steps, attack.reason) == (20, "40 steps add 0.25 % to the loss")
    attack = finished(Made(gain=0.4), tmp_path / "more.yaml").chosen.attack
    assert (attack.steps, attack.reason) == (80, "160 steps add 0.25 % to the loss")
    attack = finished(Made(gain=5.0), tmp_path / "most.yaml").chosen.attack
    assert (attack.steps, attack.reason[:23]) == (160, "even 160 steps add 3.33")


@pytest.mark.parametrize(
    ("best", "chosen", "extended"), [(0.4, 0.4, []), (12.8, 12.8, [12.8, 25.6]), (60.0, 25.6, [12.8, 25.6])]
)
def test_levels_beyond_the_edge_are_tried_twice_at_most(tmp_path, best, chosen, extended):
    levels = finished(Made(best=best), tmp_path / "chosen.yaml").chosen.levels["gd/SGD jittering"]
    assert levels.overrides == [f"sigma={chosen:g}"]
    assert levels.extended == pytest.approx(extended)
    assert levels.reason.endswith(", at the edge") == (best == 60.0)


def test_a_tie_goes_to_the_smaller_level(tmp_path):
    made = Made(best=0.4 * 2**0.5)  # 0.4 and 0.8 are equally far
    assert finished(made, tmp_path / "chosen.yaml").chosen.levels["gd/SGD jittering"].overrides == ["sigma=0.4"]


def test_only_the_best_three_have_all_seeds(tmp_path):
    made = Made()
    finished(made, tmp_path / "chosen.yaml")
    drawn = [r for r in made.rows if r.experiment == "levels" and "strategy=jitter" in r.variant]
    by_seed = [sum(row.seed == seed for row in drawn) for seed in PROTOCOL.seeds.levels]
    assert by_seed == [8, 3, 3]


def test_a_row_without_a_volume_is_left_out_of_the_choice(tmp_path):
    made = Made()
    while (step := made.study(tmp_path / "chosen.yaml").next()).stage != "levels":
        made.add(step)
    made.add(step)
    for at, row in enumerate(made.rows):
        if row.experiment != "levels" or "strategy=jitter" not in row.variant:
            continue
        if "sigma=0.4" in row.variant:
            values = {key: {"psnr": dict(metrics["psnr"])} for key, metrics in row.values["network"].items()}
            del values[CLEAN]["psnr"]["v2"]
            made.rows[at] = replace(row, values=row.values | {"network": values})
        if "sigma=0.2" in row.variant:
            values = row.values["network"] | {CLEAN: {"psnr": {"v0": 1.0, "v1": np.nan, "v2": 1.0}}}
            made.rows[at] = replace(row, values=row.values | {"network": values})
    study = finished(made, tmp_path / "chosen.yaml")
    assert study.chosen.levels["gd/SGD jittering"].overrides == ["sigma=0.8"]
    assert ("sigma=0.4",) not in study.tried(PROTOCOL.parts[0], PROTOCOL.parts[0].networks[-1])
    study.verify()


def test_the_optimistic_table_has_one_seed_of_the_best_of_all_candidates(tmp_path):
    study = finished(Made(best=0.8), tmp_path / "chosen.yaml")
    (first, *_) = PROTOCOL.seeds.levels
    for option, cell in study.optimistic(PROTOCOL.parts[0])["SGD jittering"].values():
        assert option == ("sigma=0.8",)
        assert seed_of(cell) == first


def test_what_no_claim_needs_comes_last(tmp_path, monkeypatch):
    two = read(Path(__file__).resolve().parents[2] / "conf" / "study" / "seismic.yaml")
    monkeypatch.setattr("tests.study.test_stages.PROTOCOL", two)
    made = Made()
    finished(made, tmp_path / "chosen.yaml")
    last = max(at for at, stage in enumerate(made.stages) if stage == "check")
    assert made.stages[last + 1 :] == ["curve", "optimistic", "optimistic", "curve"]


def test_another_protocol_is_refused(tmp_path):
    path = tmp_path / "chosen.yaml"
    made = Made()
    for _ in range(3):
        made.add(Study(PROTOCOL, Ledger(made.rows), Chosen(path, PROTOCOL.sha256)).next())
    assert Chosen(path, PROTOCOL.sha256).made.protocol == PROTOCOL.sha256
    with pytest.raises(InputError, match="another protocol made these choices"):
        Chosen(path, "0" * 64)


def test_rows_that_lead_elsewhere_are_an_error(tmp_path):
    path = tmp_path / "chosen.yaml"
    finished(Made(), path)
    other = Made(best=1.6)
    for _ in range(30):
        step = Study(PROTOCOL, Ledger(other.rows), Chosen(tmp_path / "other.yaml")).next()
        if step is None:
            break
        other.add(step)
    with pytest.raises(InputError, match=r"the rows now lead to another choice of levels\.gd/"):
        other.study(path).verify()


def test_a_diverged_candidate_is_left_out(tmp_path):
    made = Made()
    first = made.study(tmp_path / "chosen.yaml").next()
    broken = first.cells[:1]
    rows = [cell for cell in first.cells if cell not in broken]
    made.add(replace(first, cells=rows))
    study = Study(PROTOCOL, Ledger(made.rows, broken), Chosen(tmp_path / "chosen.yaml"))
    step = study.next()
    assert step.stage == "regime-train"
    assert broken[0] not in [cell.trained for cell in step.cells]
    made.add(step)
    study = Study(PROTOCOL, Ledger(made.rows, broken), Chosen(tmp_path / "chosen.yaml"))
    assert study.next().stage == "attack"
    assert study.chosen.regime.candidate == PROTOCOL.regime.candidates[1].name


@pytest.mark.parametrize(("code", "left_out"), [(3, True), (1, False), (4, False)])
def test_only_a_divergence_takes_a_candidate_away(tmp_path, monkeypatch, code, left_out):
    """Nothing is run: the first training of the regime ends with a code, the others have their rows."""
    made, stages, first = Made(), [], []

    class Campaign:
        def __init__(self, cells, *rest):
            self.cells, self.failed, self.diverged = cells, [], set()

        def run(self):
            stages.append(step := made.study(tmp_path / "chosen.yaml").next() if not first else None)
            if first:
                return 130  # enough was seen
            first.append(self.cells[0])
            made.add(replace(step, cells=self.cells[1:]))
            self.failed, self.diverged = ["failed"], {self.cells[0]} if code == 3 else set()
            return 5

    monkeypatch.setattr(executing, "Campaign", Campaign)
    monkeypatch.setattr(executing, "stored", lambda folder: made.rows)
    monkeypatch.setattr(executing, "fold", lambda folder: None)
    ended = executing.execute(PROTOCOL, tmp_path, 1, lambda line: None)
    assert (ended, len(stages)) == ((130, 2) if left_out else (5, 1))
    assert not (tmp_path / "chosen.yaml").exists()


def test_documents_say_what_became_of_the_claims(tmp_path):
    made = Made()
    study = finished(made, tmp_path / "chosen.yaml")
    doubted = next(at for at, r in enumerate(made.rows) if r.experiment == "tables" and "strategy=jitter" in r.variant)
    made.rows[doubted] = replace(made.rows[doubted], unbelievable=[Key("apgd", 1.0)])
    for at, row in enumerate(made.rows):
        if row.experiment == "check" and "strategy=adversarial" in row.variant and "attack.steps=40" in row.variant:
            values = row.values["network"] | {Key("apgd", 1.0): {"psnr": {f"v{i}": 0.0 for i in range(3)}}}
            made.rows[at] = replace(row, values=row.values | {"network": values})
    study = made.study(tmp_path / "chosen.yaml")
    build(study, tmp_path)
    claims = {(c["better"], c["worse"], c["column"]): c for c in json.loads((tmp_path / "claims.json").read_text())}
    jitter, mse, adversarial = "SGD jittering", "MSE", "adversarial training"
    assert len(claims[jitter, mse, "attacked"]["seeds"]) == len(PROTOCOL.seeds.tables) - 1
    assert len(claims[jitter, mse, "random"]["seeds"]) == len(PROTOCOL.seeds.tables)
    assert claims[jitter, mse, "shifted"]["cost_dB"] == pytest.approx(2.0)
    assert claims[jitter, mse, "clean"]["p_not_worse_holm"] is not None
    assert claims[jitter, mse, "noisy"]["p_not_worse_holm"] is None
    found = {key: claim["claim_is"] for key, claim in claims.items()}
    assert found[adversarial, mse, "attacked"] == "inconclusive: attack not converged"
    assert found[jitter, mse, "shifted"] == "falsified"  # no difference where 2 dB are lost
    assert found[mse, adversarial, "clean"] == "inconclusive: nothing at stake"
    written = (tmp_path / "README.md").read_text()
    assert f"SGD jittering, attacked, seeds {PROTOCOL.seeds.tables[0]}." in written
    assert "Differences from MSE as in the regime, not tested:" in written
    assert "**attack not converged**" in written
