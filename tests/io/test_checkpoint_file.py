"""Checkpoints as data: what is read as PyTorch reads it, what is refused, and that neither changes the process."""
import builtins
import collections
import io
import pickle
import zipfile

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader, load_checkpoint
from torch import nn

import isalux_mm.io.checkpoint_schemes  # noqa: F401
from isalux_mm.io.checkpoint_file import CheckpointError, read_checkpoint, trusted_checkpoints
from isalux_mm.io.plain_pickle import TABLE

MARK = 'import os\nopen(os.environ["MARK"], "w").write("ran")\n'


class Payload:
    """Would leave a file behind when unpickled."""

    def __reduce__(self):
        return exec, (MARK, )


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """Whether code of a checkpoint has run."""
    monkeypatch.setenv('MARK', str(tmp_path / 'mark'))
    return (tmp_path / 'mark').exists


def content_of_all_kinds() -> dict:
    """What mmengine and its like put into checkpoints."""
    history = HistoryBuffer([1.5, 2.5], [1, 2], 10)
    history.statistics_methods = dict(min=history.min)  # as mmengine's old versions have it, a bound method
    return dict(
        state_dict=nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).state_dict(),
        view=torch.arange(12.).view(3, 4).t()[1:], empty=torch.empty(0, 3), half=torch.ones(2, dtype=torch.float16),
        brain=torch.ones(2, dtype=torch.bfloat16), flags=torch.tensor([True, False]),
        parameter=nn.Parameter(torch.ones(2)), size=torch.Size([1, 2]), dtype=torch.float32, number=np.float64(3.5),
        flag=np.bool_(True), array=np.arange(6).reshape(2, 3)[:, ::2], by_columns=np.asfortranarray(np.eye(3)),
        names=np.array(['a', 'bc']), big=2**80, text='ü', data=b'\0\xff', numbers={1, 2}, fixed=frozenset('a'),
        steps=collections.Counter({3: 1}), cfg=ConfigDict(a=dict(b=1)), nested=(1, [None, (2.5, True)]), log=history)


def assert_equal(found, expected):
    """Equal in kind and value, all the way down."""
    if isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype and torch.equal(found, expected)
    elif isinstance(expected, HistoryBuffer):
        assert type(found) is HistoryBuffer and found.max_length == expected.max_length
        for mine, theirs in zip(found.data, expected.data):
            np.testing.assert_array_equal(mine, theirs)
        assert found.mean() == expected.mean()
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            assert_equal(found[key], value)
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for pair in zip(found, expected):
            assert_equal(*pair)
    else:
        assert type(found) is type(expected) and found == expected


@pytest.mark.parametrize('new_format', [True, False])
def test_plain_data_is_read_as_pytorch_reads_it(tmp_path, new_format):
    content = content_of_all_kinds()
    torch.save(content, tmp_path / 'all.pth', _use_new_zipfile_serialization=new_format)
    found = read_checkpoint(tmp_path / 'all.pth')
    assert_equal(found, torch.load(tmp_path / 'all.pth', weights_only=False))
    assert found['state_dict']._metadata == content['state_dict']._metadata


def test_types_without_a_storage_type(tmp_path):
    content = dict(small=torch.ones(3).to(torch.float8_e4m3fn), unsigned=torch.ones(3, dtype=torch.uint16))
    torch.save(content, tmp_path / 'new.pth')
    assert_equal(read_checkpoint(tmp_path / 'new.pth'), torch.load(tmp_path / 'new.pth'))


@pytest.mark.parametrize(('ahead', 'inside'), [
    ('module.', ''), ('_orig_mod.', ''), ('module._orig_mod.', ''), ('', '_orig_mod.')])
def test_prefixes_of_wrappers_are_taken_off(tmp_path, ahead, inside):
    state = {f'network.{key}': value for key, value in nn.Linear(3, 2).state_dict().items()}
    wrapped = {f'{ahead}{key.replace("network.", f"network.{inside}")}': value for key, value in state.items()}
    torch.save(wrapped, tmp_path / 'bare.pth')
    torch.save(dict(state_dict=wrapped), tmp_path / 'under.pth')
    assert list(read_checkpoint(tmp_path / 'bare.pth')) == list(state)
    assert list(read_checkpoint(tmp_path / 'under.pth')['state_dict']) == list(state)


def test_a_network_with_a_part_called_module_keeps_its_names(tmp_path):
    torch.save({'module.a': torch.zeros(1), 'b': torch.zeros(1)}, tmp_path / 'mixed.pth')
    assert list(read_checkpoint(tmp_path / 'mixed.pth')) == ['module.a', 'b']


class Instructions:
    """Writes a pickle by hand, into a file of PyTorch's form."""

    def __init__(self, path):
        self.path = path

    def write(self, code: bytes) -> None:
        buffer = io.BytesIO()
        torch.save(dict(a=1), buffer)
        with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(self.path, 'w') as new:
            for name in old.namelist():
                new.writestr(name, code if name.endswith('data.pkl') else old.read(name))


def named(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f'{module}\n{name}\n'.encode()


def text(value: str) -> bytes:
    return pickle.BINUNICODE + len(value).to_bytes(4, 'little') + value.encode()


ONE = pickle.EMPTY_DICT + text('update') + pickle.BININT1 + b'\1' + pickle.SETITEM  # dict(update=1)
SLOTS = pickle.NONE + ONE + pickle.TUPLE2  # what the pickle machine gives an object by setattr


@pytest.mark.parametrize('state', [ONE, SLOTS], ids=['attributes', 'slots'])
@pytest.mark.parametrize(('module', 'name'), [tuple(key.rsplit('.', 1)) for key in TABLE] + [('torch', 'float32')])
def test_no_class_of_this_process_is_changed(tmp_path, module, name, state):
    before = {kind: dict(vars(kind)) for kind in (collections.Counter, collections.OrderedDict, HistoryBuffer)}
    allowed = set(torch.serialization.get_safe_globals())
    Instructions(tmp_path / 'change.pth').write(b'\x80\x02' + named(module, name) + state + pickle.BUILD + b'.')
    with pytest.raises(CheckpointError, match='it changes'):
        read_checkpoint(tmp_path / 'change.pth')
    assert before == {kind: dict(vars(kind)) for kind in before}
    assert callable(collections.Counter.update) and set(torch.serialization.get_safe_globals()) == allowed


def test_a_state_of_a_type_of_numbers_stays_in_the_file(tmp_path):
    """NumPy's `dtype('f8')` is one object for the whole process: without `copy` a state would turn its bytes round."""
    state = pickle.MARK + b'K\x03' + text('>') + pickle.NONE * 3 + b'J\xff\xff\xff\xff' * 2 + b'K\0' + pickle.TUPLE
    call = named('numpy', 'dtype') + text('f8') + pickle.TUPLE1 + pickle.REDUCE + state + pickle.BUILD
    Instructions(tmp_path / 'dtype.pth').write(b'\x80\x02' + call + b'.')
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path / 'dtype.pth')
    assert np.dtype('f8').isnative and np.ones(1).tobytes() == b'\0\0\0\0\0\0\xf0?'


@pytest.mark.parametrize(('code', 'reason'), [
    (named('posix', 'system') + text('true') + pickle.TUPLE1 + pickle.REDUCE, 'asks for posix.system'),
    (named('builtins', 'getattr') + named('collections', 'Counter') + text('__init__') + pickle.TUPLE2 + pickle.REDUCE,
     'asks for builtins.getattr'),
    (text('posix') + text('system') + pickle.STACK_GLOBAL, 'asks for posix.system'),
    (pickle.MARK + text('true') + pickle.INST + b'posix\nsystem\n', 'the instruction'),
    (b'\x82\x01', 'the instruction'),  # a name by its number in copyreg
    (named('torch._tensor', '_rebuild_from_type_v2') + pickle.MARK + named('collections', 'Counter') + pickle.NONE
     + pickle.EMPTY_TUPLE + ONE + pickle.TUPLE + pickle.REDUCE, 'tensor of another kind'),
    (pickle.EMPTY_LIST + pickle.BINPUT + b'\1' + pickle.BINGET + b'\1' + pickle.APPEND, 'holds itself'),
    (named('collections', 'OrderedDict'), 'holds collections.OrderedDict'),
])
def test_other_instructions_are_refused(tmp_path, code, reason):
    Instructions(tmp_path / 'odd.pth').write(b'\x80\x04' + code + b'.')
    with pytest.raises(CheckpointError, match=reason):
        read_checkpoint(tmp_path / 'odd.pth')


def test_a_pickle_that_grows_without_end_takes_no_memory(tmp_path):
    """2**40 entries, were shared lists copied as often as they are named."""
    code = pickle.EMPTY_LIST
    for level in range(40):
        code += pickle.BINPUT + bytes([level]) + pickle.BINGET + bytes([level]) + pickle.TUPLE2
    Instructions(tmp_path / 'bomb.pth').write(b'\x80\x02' + code + b'.')
    assert len(read_checkpoint(tmp_path / 'bomb.pth')) == 2


@pytest.mark.parametrize('cut', [10, 300, 0.5, 0.999])
def test_a_file_that_is_cut_off_is_named(tmp_path, cut):
    torch.save(dict(state_dict=nn.Linear(30, 20).state_dict()), tmp_path / 'whole.pth')
    data = (tmp_path / 'whole.pth').read_bytes()
    (tmp_path / 'cut.pth').write_bytes(data[:int(cut * len(data)) if cut < 1 else cut])
    with pytest.raises(CheckpointError, match=r'cut\.pth must hold plain tensors'):
        read_checkpoint(tmp_path / 'cut.pth')


def test_a_bit_that_fell_over_is_found(tmp_path):
    torch.save(dict(w=torch.ones(1000)), tmp_path / 'good.pth')
    data = bytearray((tmp_path / 'good.pth').read_bytes())
    data[data.index(np.ones(8, 'f4').tobytes()) + 1000] ^= 1
    (tmp_path / 'bad.pth').write_bytes(data)
    with pytest.raises(CheckpointError, match='CRC'):
        read_checkpoint(tmp_path / 'bad.pth')


def test_tensors_stay_inside_their_storage(tmp_path):
    rebuild = torch._utils._rebuild_tensor_v2
    storage = torch.zeros(4).untyped_storage()

    class Beyond:

        def __reduce__(self):
            return rebuild, (torch.storage.TypedStorage(wrap_storage=storage, dtype=torch.float32, _internal=True), 2,
                             (4, ), (1, ), False, collections.OrderedDict())

    torch.save(dict(w=Beyond()), tmp_path / 'beyond.pth')
    with pytest.raises(CheckpointError, match='reaches beyond its 4 numbers'):
        read_checkpoint(tmp_path / 'beyond.pth')


@pytest.mark.parametrize('new_format', [True, False])
def test_trust_is_a_switch_that_the_error_names(tmp_path, ran, new_format):
    torch.save(dict(state_dict=dict(w=torch.ones(1)), meta=Payload()), tmp_path / 'code.pth',
               _use_new_zipfile_serialization=new_format)
    with pytest.raises(CheckpointError, match=r'asks for builtins\.exec.*--trust-checkpoint'):
        read_checkpoint(tmp_path / 'code.pth')
    assert not ran()
    with trusted_checkpoints():
        read_checkpoint(tmp_path / 'code.pth')
    assert ran()
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path / 'code.pth')


SCHEMES = ('{}', 'http://host/{}', 'https://host/{}', 'torchvision://{}', 'modelzoo://{}', 'openmmlab://{}',
           'open-mmlab://{}', 'mmcls://{}', 's3://bucket/{}', 'petrel://bucket/{}', 'pavi://{}')


@pytest.mark.parametrize('scheme', SCHEMES)
def test_every_loader_of_mmengine_goes_by_the_reader(tmp_path, ran, scheme, monkeypatch):
    """All that are registered are tried here, each with the payload at its end."""
    path = tmp_path / 'code.pth'
    torch.save(dict(state_dict=dict(w=torch.ones(1)), meta=Payload()), path)
    (tmp_path / 'checkpoints').mkdir()
    (tmp_path / 'checkpoints/code.pth').write_bytes(path.read_bytes())
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    module = 'mmengine.runner.checkpoint.'
    for table in ('get_torchvision_models', 'get_external_models', 'get_mmcls_models'):
        monkeypatch.setattr(module + table, lambda: {'code.pth': 'https://host/code.pth'})
    monkeypatch.setattr('isalux_mm.io.checkpoint_schemes.get_file_backend',
                        lambda *a, **k: type('Store', (), dict(get=lambda self, name: path.read_bytes()))())
    name = str(path) if scheme == '{}' else scheme.format('code.pth')
    with pytest.raises(CheckpointError, match='--trust-checkpoint'):
        CheckpointLoader.load_checkpoint(name)
    assert not ran()
    assert {loader.__module__ for loader in CheckpointLoader._schemes.values()} == {'isalux_mm.io.checkpoint_schemes'}


def test_texts_of_configs_do_not_reach_mmengine(tmp_path):
    info = dict(cfg=MARK, best_score=1.0)
    torch.save(dict(state_dict=nn.Linear(3, 2).state_dict(), meta=dict(iter=1, config=MARK, cfg=MARK),
                    message_hub=dict(runtime_info=info)), tmp_path / 'plain.pth')
    found = load_checkpoint(nn.Linear(3, 2), str(tmp_path / 'plain.pth'))
    assert found['meta'] == dict(iter=1) and found['message_hub']['runtime_info'] == dict(best_score=1.0)
    with trusted_checkpoints():
        assert load_checkpoint(nn.Linear(3, 2), str(tmp_path / 'plain.pth'))['meta']['config'] == MARK


def test_nothing_of_the_table_is_a_function_of_python():
    assert not [name for name, make in TABLE.items() if make in vars(builtins).values()]


@pytest.mark.parametrize(('name', 'content', 'reason'), [
    ('picture.png', b'\x89PNG\r\n\x1a\n' + bytes(99), 'it is no checkpoint'),
    ('picture.pth', b'\xff\xd8\xff\xe0' + bytes(99), 'it is no checkpoint'),
    ('empty.pth', b'', 'it is no checkpoint'),
    ('text.safetensors', b'no checkpoint', 'it is no checkpoint'),
    ('safe.pth', bytes(8) + b'{}', 'it is safetensors under a name of the other kind'),
    ('plain.safetensors', b'PK\3\4' + bytes(99), 'it is a file of torch.save under a name of the other kind'),
])
def test_what_is_no_checkpoint_is_called_so(tmp_path, name, content, reason):
    """Trust, which would not make it one, is not spoken of."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=reason) as error:
        read_checkpoint(tmp_path / name)
    assert '--trust-checkpoint' not in str(error.value)
