"""Reading checkpoints: what is let in, what is refused, what is counted."""
import pickle

import pytest
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from safetensors.torch import save_file
from torch import nn

from isalux_mm.models.pretrained import load_weights, read_state_dict


class Payload:
    """Would run code when unpickled."""

    def __reduce__(self):
        return (print, ('code from a checkpoint ran', ))


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_formats(tmp_path, suffix):
    state = nn.Linear(3, 2).state_dict()
    path = tmp_path / f'weights{suffix}'
    save_file(state, path) if suffix == '.safetensors' else torch.save(dict(state_dict=state), path)
    read = read_state_dict(path)
    assert read.keys() == state.keys()
    torch.testing.assert_close(read['weight'], state['weight'])


def test_mmengine_checkpoints_are_read(tmp_path):
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    torch.save(dict(state_dict=dict(w=torch.ones(2)), message_hub=dict(log_scalars=dict(loss=history))),
               tmp_path / 'epoch_1.pth')
    assert read_state_dict(tmp_path / 'epoch_1.pth')['w'].tolist() == [1, 1]


def test_code_in_a_checkpoint_does_not_run(tmp_path, capsys):
    (tmp_path / 'evil.pth').write_bytes(pickle.dumps(dict(state_dict=Payload())))
    with pytest.raises(ValueError, match='must hold plain tensors'):
        read_state_dict(tmp_path / 'evil.pth')
    assert 'ran' not in capsys.readouterr().out


@pytest.mark.parametrize('content', [b'', b'no checkpoint'])
def test_broken_files(tmp_path, content):
    (tmp_path / 'broken.pth').write_bytes(content)
    with pytest.raises(ValueError, match='broken.pth must hold plain tensors'):
        read_state_dict(tmp_path / 'broken.pth')


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='must be an existing file'):
        read_state_dict(tmp_path / 'none.pth')


def test_no_matching_key_and_wrong_width(tmp_path):
    torch.save(nn.Linear(3, 2).state_dict(), tmp_path / 'linear.pth')
    with pytest.raises(ValueError, match='no key of .* matches'):
        load_weights(nn.BatchNorm1d(3, affine=False), tmp_path / 'linear.pth', name='norm')
    with pytest.raises(ValueError, match=r'another architecture or width.*weight: expected \(2, 4\), got \(2, 3\)'):
        load_weights(nn.Linear(4, 2), tmp_path / 'linear.pth', name='layer')


def test_prefix_is_taken_off(tmp_path):
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    torch.save({f'network.{k}': v for k, v in source.state_dict().items()}, tmp_path / 'whole.pth')
    load_weights(target, tmp_path / 'whole.pth', name='layer', prefix='network.')
    torch.testing.assert_close(target.weight, source.weight)
