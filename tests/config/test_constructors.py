"""Settings that a constructor refuses are reported before anything runs, like all other mistakes."""

import pickle

import pytest
import torch

from sgdj.errors import InputErrors, SettingError
from sgdj.jobs.composition import parse
from sgdj.jobs.load import load

LAB = """
import torch

from sgdj.config.types import Count
from sgdj.errors import SettingError
from sgdj.strategies import MSE


class Pairs(MSE):
    def __init__(self, draws: Count) -> None:
        torch.rand(3)
        if draws % 2:
            raise SettingError("draws", "an odd number of draws has no pairs", "add one, {key}.draws=2")
"""
PAIRS = ["strategy._target_=pairs_lab.Pairs", "strategy.name=pairs", "plugins=[pairs_lab]"]
SECTION = ["task=seismic", "dataset=section", f"dataset.path={__file__}"]
CASES = [
    (["task=toy", "dataset.dimension=65"], ["the subspace is larger than the space, dataset.dimension: lower it"]),
    (
        [*SECTION, "dataset.fractions={train:0.7,val:0.2,test:0.2}"],
        ["the fractions do not add up to 1, dataset.fractions: change them"],
    ),
    (
        ["task=seismic", "architecture.learned.features=30"],
        ["30 features cannot be divided into 4 groups, architecture.learned.features: use a multiple of 4"],
    ),
    (
        ["strategy=adversarial", "attack.rho=null", "strategy.attack.rho=null"],
        [
            "give exactly one of epsilon and rho, strategy.attack: set strategy.attack.rho",
            "give exactly one of epsilon and rho, attack: set attack.rho",
        ],
    ),
    (
        ["attack.rho=0.1", "attack.epsilon=1"],
        ["give exactly one of epsilon and rho, attack: set the other to null, attack.rho=null"],
    ),
    (
        [*PAIRS, "++strategy.draws=3", "operator.center_fraction=0.5", "trainer.batch_size=1000"],
        [
            "acceleration 4 cannot be reached with a centre fraction of 0.5, operator.center_fraction: "
            "lower it to 0.25 or less",
            "an odd number of draws has no pairs, strategy.draws: add one, strategy.draws=2",
            "1000 exceeds the 192 training images, trainer.batch_size: lower it, or enlarge the data set",
        ],
    ),
    (
        ["architecture.learned.features=1000000000"],
        ["this cannot be built (Storage size calculation overflowed"],
    ),
    ([*PAIRS, "++strategy.draws=0"], ["0 must be at least 1, strategy.draws: raise it"]),
    ([*PAIRS, "++strategy.draw=2"], ["unknown key, strategy.draw: ", "no value, strategy.draws: "]),
]


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """Create a package with classes outside the project."""
    (tmp_path / "pairs_lab.py").write_text(LAB)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize(("arguments", "lines"), CASES, ids=lambda v: v[-1] if isinstance(v, list) else "")
def test_a_constructor_speaks_of_its_key(lab, arguments, lines):
    with pytest.raises(InputErrors) as told:
        load(parse(arguments))
    found = sorted(str(mistake) for mistake in told.value.mistakes)
    assert len(found) == len(lines)
    assert all(one.startswith(line) for one, line in zip(found, sorted(lines), strict=True)), found


def test_building_to_check_draws_no_random_number(lab):
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    load(parse([*PAIRS, "++strategy.draws=2"]))
    assert torch.equal(torch.rand(2), wanted)


def test_a_setting_error_survives_another_process():
    error = pickle.loads(pickle.dumps(SettingError("", "give one", "set {key}.rho")))
    assert str(error) == "give one: set rho"
    assert str(error.at("attack")) == "give one, attack: set attack.rho"
