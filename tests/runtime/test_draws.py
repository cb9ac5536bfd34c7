"""Random numbers are a pure function of their name."""

import pytest
import scipy.stats
import torch

from sgdj.runtime.draws import Draws


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128])
def test_normal_has_unit_variance_per_real_entry(dtype):
    draw = Draws(0).normal("jitter", ["a"], torch.empty(1, 1, 200, 200, dtype=dtype), 0)
    entries = (torch.view_as_real(draw) if draw.is_complex() else draw).flatten().numpy()
    assert scipy.stats.kstest(entries, "norm").pvalue > 1e-3


def test_every_part_of_the_name_matters_and_nothing_else():
    like = torch.empty(2, 3)
    base = Draws(0).normal("jitter", ["a", "b"], like, 1)
    assert torch.equal(base, Draws(0).normal("jitter", ["a", "b"], like, 1))
    others = [
        Draws(1).normal("jitter", ["a", "b"], like, 1),
        Draws(0).normal("attack", ["a", "b"], like, 1),
        Draws(0).normal("jitter", ["c", "d"], like, 1),
        Draws(0).normal("jitter", ["a", "b"], like, 2),
        Draws(0).at(7).normal("jitter", ["a", "b"], like, 1),
    ]
    for other in others:
        assert not (base == other).any()


def test_a_sample_does_not_depend_on_its_neighbours():
    pair = Draws(0).normal("noise", ["a", "b"], torch.empty(2, 5))
    alone = Draws(0).normal("noise", ["b"], torch.empty(1, 5))
    assert torch.equal(pair[1], alone[0])


def test_the_stream_is_pinned():
    """A change of these numbers is a change of every result: raise RESULT_VERSION with it."""
    values = Draws(0).generator("data", "x").standard_normal(3)
    assert values.tolist() == [1.1294346476911583, -0.08302958827619623, -0.31317517296143027]
    key = Draws(0).key("data", "x")
    assert key == 322260155643094502388716782843167351137
