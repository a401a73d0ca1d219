"""Reading checkpoints: what is let in, what is refused, what is counted."""
import pathlib
import pickle
import zipfile

import numpy as np
import pytest
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from safetensors.torch import save_file
from torch import nn

from isalux_mm.models.pretrained import half_precision, load_weights, read_state_dict


class Payload:
    """Would run code when unpickled."""

    def __init__(self, function=print, *arguments):
        self.function, self.arguments = function, arguments or ('code from a checkpoint ran', )

    def __reduce__(self):
        return (self.function, self.arguments)


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_formats(tmp_path, suffix):
    state = nn.Linear(3, 2).state_dict()
    path = tmp_path / f'weights{suffix}'
    save_file(state, path) if suffix == '.safetensors' else torch.save(dict(state_dict=state), path)
    read = read_state_dict(path)
    assert read.keys() == state.keys()
    torch.testing.assert_close(read['weight'], state['weight'])


def test_mmengine_checkpoints_are_read(tmp_path):
    hub = dict(log_scalars=dict(loss=HistoryBuffer([1.0, 2.0], [1, 1])),
               runtime_info=dict(best=np.float64(3.5), counts=np.arange(3), flag=np.bool_(True),
                                 small=np.ones(2, 'f4')))
    torch.save(dict(meta=dict(epoch=1), state_dict=dict(w=torch.ones(2)), message_hub=hub), tmp_path / 'epoch_1.pth')
    assert read_state_dict(tmp_path / 'epoch_1.pth')['w'].tolist() == [1, 1]


def test_a_stranger_cannot_change_the_buffers_of_the_process(tmp_path):
    history = HistoryBuffer([1.0], [1])
    history._statistics_methods = dict(mean='replaced')
    torch.save(dict(state_dict=dict(w=torch.ones(2)), message_hub=history), tmp_path / 'epoch_1.pth')
    read_state_dict(tmp_path / 'epoch_1.pth')
    assert HistoryBuffer([2.0, 4.0], [1, 1]).statistics('mean') == 3


@pytest.mark.parametrize('form', ['raw', 'zip'])
@pytest.mark.parametrize('where', ['state_dict', 'message_hub'])
@pytest.mark.parametrize('payload', [
    Payload(), Payload(eval, "print('ran')"), Payload(getattr, HistoryBuffer, 'mean', print),
    Payload(Payload, Payload()), pathlib.PurePosixPath('x')])
def test_code_in_a_checkpoint_does_not_run(tmp_path, capfd, form, where, payload):
    content = dict(state_dict=dict(w=torch.ones(1))) | {where: payload}
    path = tmp_path / 'evil.pth'
    torch.save(content, path) if form == 'zip' else path.write_bytes(pickle.dumps(content, protocol=2))
    assert zipfile.is_zipfile(path) == (form == 'zip')
    with pytest.raises(ValueError, match='must hold (plain )?tensors'):
        read_state_dict(path)
    assert 'ran' not in capfd.readouterr().out


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


def test_half_precision_keeps_whole_numbers_and_names_what_it_has_not():
    packed = half_precision(dict(a=torch.ones(2, 3).T, n=torch.tensor([70000])), name='x.pth')
    assert packed['a'].dtype == torch.float16 and packed['a'].is_contiguous() and packed['n'].tolist() == [70000]
    with pytest.raises(ValueError, match=r'x.pth: b in half precision, up to 65,504, must be finite, got 1 .* of 2'):
        half_precision(dict(a=torch.ones(2), b=torch.tensor([1.0, 7e4])), name='x.pth')
