"""The study's figures show a strategy with one look, and references beside every architecture."""

import pytest

from sgdj.study import figures
from sgdj.study.looks import look
from sgdj.study.paper import LOOKS
from tests.study.test_tables import row


def test_a_look_follows_from_the_name():
    assert look("jitter") == LOOKS["jitter"]
    found = {name: look(name) for name in ("two_draws", "weighted", "smoothed")}
    assert found["two_draws"] == ("#E69F00", ">", "two_draws")  # in every process, and whatever stands beside it
    assert len({(colour, marker) for colour, marker, _ in found.values()}) == 3
    assert not {colour for colour, _, _ in found.values()} & {colour for colour, _, _ in LOOKS.values()}


@pytest.mark.parametrize(("trained", "panels"), [(["gd", "prox"], {"gd", "prox"}), ([], {"external"})])
def test_references_stand_in_the_panels_of_what_was_trained(tmp_path, trained, panels):
    rows = [row(architecture=name) for name in trained]
    rows.append(row(architecture="external", strategy="my_references:Zero"))
    _, axes = figures._panels(rows)
    assert set(axes) == panels
    figures.epsilon("mri", rows, tmp_path)
    assert (tmp_path / "epsilon-mri.png").is_file()
