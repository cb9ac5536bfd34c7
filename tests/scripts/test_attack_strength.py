"""The share of a long search that the default attack reaches is measured, and judged, as stated."""

import pytest
import torch
from omegaconf import OmegaConf

from scripts.benchmarks import attack
from sgdj.attacks import APGD
from sgdj.errors import ExitCode
from sgdj.jobs.composition import CONF
from tests.conftest import QUIET, only_run


def test_the_default_is_what_is_judged():
    assert OmegaConf.load(CONF / "attack" / "apgd.yaml").steps == attack.STEPS
    *_, (name, last) = attack.attacks(0.1).items()
    assert isinstance(last, APGD)
    assert (name, last.steps, last.rho) == ("Auto-PGD, 100 steps", 100, 0.1)


@pytest.mark.parametrize(
    ("losses", "reached"),
    [((0.96, 1.04), True), ((0.94, 1.06), False), ((0.96, 0.98), False)],
    ids=["as stated", "one sample too weak", "too weak on the mean"],
)
def test_shares_are_judged_by_worst_sample_and_mean(losses, reached):
    found = {f"Auto-PGD, {attack.STEPS} steps": torch.tensor(losses), "Auto-PGD, 100 steps": torch.ones(2)}
    (line, _), kept = attack.compare(found, attack.WANTED[1])
    assert kept == reached
    assert line[2:4] == (f"{min(losses):.4f}", f"{sum(losses) / 2:.4f}")
    assert line[4].endswith(": reached" if reached else ": not reached")


def test_one_command_measures_a_trained_network(cli, tmp_path, monkeypatch, capfd):
    assert cli("task=mri", "scale=smoke", "evaluation.max_samples=1", *QUIET)[0] == 0
    monkeypatch.setattr(attack, "_TRIED", (1, attack.STEPS))
    code = attack.main([str(only_run(tmp_path)), "evaluation.max_samples=1"])
    out = capfd.readouterr().out
    assert code in (ExitCode.DONE, ExitCode.CHECK_FAILED)
    assert (code == ExitCode.DONE) == ("not reached" not in out)
    assert out.count("| PGD, 10 steps |") == out.count("| Auto-PGD, 100 steps | 1.0000 | 1.0000 |") == 2
