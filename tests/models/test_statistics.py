"""What tiles and frames share, and where a tile lies."""
import pytest
import torch

from isalux_mm.models.gates import TopKGate
from isalux_mm.models.statistics import SharedStatistics, Tile, Visible, sharing, weighing


def pooled_by(gate: TopKGate, value: float) -> float:
    """What the gate uses in the place of the statistic `value`."""
    return float(gate.shared(torch.tensor(value)))


@pytest.mark.parametrize('error', [None, ValueError])
def test_an_inner_sharing_gives_back_the_outer_one(error):
    network = torch.nn.Sequential(TopKGate(4, 4))
    gate, outer, inner = network[0], SharedStatistics(), SharedStatistics()
    with sharing(network, outer):
        assert pooled_by(gate, 1.0) == 1
        try:
            with sharing(gate, inner):
                assert pooled_by(gate, 2.0) == 2 and gate.shared_name == ''
                if error:
                    raise error
        except ValueError:
            pass
        assert gate.statistics is outer and gate.shared_name == '0'
        assert pooled_by(gate, 3.0) == 1  # the first of the outer one
    assert gate.statistics is None and pooled_by(gate, 4.0) == 4
    assert outer.known.keys() == {'0'} and inner.known.keys() == {''}


def test_a_tile_at_the_scales_of_its_image():
    tile = Tile((37, 53), 8, 12, None, None)
    whole, window = tile.at_scale(2, (5, 6))
    assert whole == (10, 14) and tuple(window) == (2, 7, 3, 9)  # 37 / 4 and 53 / 4 rounded up; 8 / 4, 12 / 4


def test_weights_of_every_scale_have_mean_one():
    weights = torch.zeros(1, 1, 37, 53)
    weights[:, :, 5:20, 7:] = 1
    visible = Visible(weights)
    for size in ((37, 53), (19, 27), (10, 14), (3, 4)):
        assert visible.at(size).shape == (1, 1, *size)
        assert float(visible.at(size).mean()) == pytest.approx(1, abs=1e-6)
    assert visible.at((37, 53))[0, 0, :5].max() == 0


@pytest.mark.parametrize('error', [None, ValueError])
def test_weighing_counts_what_is_seen_alone_and_ends(error):
    gate = TopKGate(3, 4)
    x = torch.rand(1, 3, 6, 8)
    weights = torch.zeros(1, 1, 6, 8)
    weights[:, :, 2:5, 1:4] = 1
    try:
        with weighing(gate, weights):
            with weighing(gate, None):
                weighed = gate(x).probabilities
            if error:
                raise error
    except ValueError:
        pass
    assert gate.visible is None
    torch.testing.assert_close(weighed, gate(x[:, :, 2:5, 1:4]).probabilities)
