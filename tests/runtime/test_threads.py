"""Small networks compute on one thread, large ones on every core."""

import os

import pytest

from sgdj.runtime.threads import threads_for


@pytest.mark.parametrize(
    ("weights", "size", "batch", "several"),
    [(16_400, 64, 1, False), (28_800, 64, 4, True), (225_000, 320, 2, True), (5_000, 32, 2, False)],
)
def test_threads_follow_the_size_of_a_pass(monkeypatch, weights, size, batch, several):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert threads_for(weights, size**2, batch) == (8 if several else 1)
    assert threads_for(weights, size**2, batch, processes=4) == (2 if several else 1)
    assert threads_for(weights, size**2, batch, processes=16) == 1
