"""The learning rate over a training."""

from types import SimpleNamespace

import pytest

from sgdj.jobs.composition import parse
from sgdj.jobs.load import load
from sgdj.networks.initial import initial_network
from sgdj.runtime.draws import Draws
from sgdj.strategies import MSE
from sgdj.training.module import Training

STEPS, PEAK = 100, 8e-3


def rates(schedule: str, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Compute the learning rate of every step, and that after the last one."""
    asked = ("task=toy", "scale=smoke", f"trainer.lr={PEAK}", f"trainer.schedule={schedule}")
    settings = load(parse(asked)).settings
    monkeypatch.setattr(Training, "trainer", SimpleNamespace(estimated_stepping_batches=STEPS))
    made = Training(initial_network(settings), MSE(), Draws(0), settings.trainer, "").configure_optimizers()
    optimizer, scheduler = made["optimizer"], made["lr_scheduler"]["scheduler"]
    found = [optimizer.param_groups[0]["lr"]]
    for _ in range(STEPS):
        optimizer.step()
        scheduler.step()
        found.append(optimizer.param_groups[0]["lr"])
    return found


def test_one_cycle_rises_to_the_rate_and_falls_to_nothing(monkeypatch):
    found = rates("onecycle", monkeypatch)
    assert found[0] == pytest.approx(PEAK / 25)
    top = found.index(max(found))
    assert (top, found[top]) == (29, pytest.approx(PEAK))  # after 30 % of the steps
    assert found[: top + 1] == sorted(found[: top + 1])
    assert found[top:STEPS] == sorted(found[top:STEPS], reverse=True)
    assert found[STEPS - 1] == pytest.approx(PEAK / 25 / 1e4)


def test_cosine_decay_begins_at_the_rate_and_ends_at_zero(monkeypatch):
    found = rates("cosine", monkeypatch)
    assert found[0] == PEAK
    assert found[STEPS // 2] == pytest.approx(PEAK / 2)
    assert found == sorted(found, reverse=True)
    assert found[-1] == pytest.approx(0, abs=1e-12)
