"""tools/run_table.py: a tiny table from end to end, what is taken up again, its errors."""
import csv
import json
import shlex
import shutil
import statistics
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from loading import load_tool
from mmengine.config import Config
from skimage.metrics import peak_signal_noise_ratio

from isalux_mm.functional.confidence import bootstrap_mean
from isalux_mm.io.images import read_image, write_image
from isalux_mm.registry import MODELS

run_table = load_tool('run_table')
jobs, tables, provenance = (sys.modules[f'tabling.{name}'] for name in ('jobs', 'tables', 'provenance'))
ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
_base_ = ['{base}']
model = dict(network=dict(embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2)),
             losses=dict(_delete_=True, loss_mse=dict(type='MSELoss')))
pipeline = [dict(type='LoadImages'), dict(type='PairedRandomCrop', crop_size=16), dict(type='PackEnhanceInputs')]
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(data_root='{data}', pipeline=pipeline))
val_dataloader = val_evaluator = val_cfg = None
param_scheduler = []
custom_hooks = []
train_cfg = dict(max_iters=2)
default_hooks = dict(checkpoint=dict(interval=1, save_best=None))
log_level = 'ERROR'
"""
TABLE = """
title, shows = 'Tiny', 'For a test.'
sets = dict(
    all=dict(low='{data}/our485/low', gt='{data}/our485/high', title='All'),
    one=dict(low='{data}/our485/low', gt='{data}/our485/high', only=[1], measures=['PSNR']))
row_defaults = dict(seeds=[0, 1], options={{'train_cfg.max_iters': 1}})
rows = [
    dict(name='input', peer='input'),
    dict(name='Gone', peer='iat', weights=['gone.pth']),
    dict(name='Trained', config='{config}', trained_on='noise',
         options={{'model.network.embed_dims': (8, 12)}}, published=dict(all=dict(PSNR=30.0)), source='a paper'),
    dict(name='Given weights', config='{config}', checkpoint='{folder}/weights.pth'),
    dict(name="Somebody's", outputs='{folder}/theirs/{{set}}', parameters=12),
    dict(name='Quoted', published=dict(all=dict(PSNR=31.5, SSIM=0.9)), source='another paper'),
]
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three pairs, a config, weights, somebody's results, and a table of all these."""
    folder = tmp_path / 'table'
    rng = np.random.default_rng(0)
    for k in range(3):
        high = rng.random((24, 28, 3), np.float32)
        write_image(folder / f'data/our485/high/normal{k}.png', high)
        write_image(folder / f'data/our485/low/low{k}.png', high / 8)
        for name in ('all', 'one'):
            write_image(folder / f'theirs/{name}/{k}.png', high * (0.5 + 0.1 * k))
    config = folder / 'tiny.py'
    config.write_text(CONFIG.format(base=ROOT / 'configs/isalux_cpu.py', data=folder / 'data'))
    network = MODELS.build(dict(Config.fromfile(config).model.network, _scope_='isalux_mm'))
    torch.save(network.state_dict(), folder / 'weights.pth')
    (folder / 'tiny_table.py').write_text(TABLE.format(config=config, folder=folder, data=folder / 'data'))
    return folder


@pytest.fixture
def trainings(monkeypatch) -> list[list[str]]:
    """Trainings run in this process; gives the words of each."""
    called: list[list[str]] = []

    def run(words: list[str], check: bool) -> SimpleNamespace:
        called.append(words)
        with monkeypatch.context() as patch:
            patch.setattr(sys, 'argv', words[1:])
            return SimpleNamespace(returncode=load_tool('train').main())

    monkeypatch.setattr(jobs, 'subprocess', SimpleNamespace(run=run))
    return called


def call(folder: Path, *options) -> int:
    return run_table.main([str(word) for word in (
        folder / 'tiny_table.py', '--weights', folder, '--work-dir', folder / 'work', '--out', folder / 'out',
        *options)])


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline='') as file:
        return list(csv.DictReader(file))


def test_a_table_from_end_to_end(folder, trainings, capsys):
    assert call(folder) == 1  # the weights of one row are missing
    out = capsys.readouterr()
    assert 'Gone' in out.err and 'gone.pth' in out.err and 'Not computed: Gone' in out.out
    assert [words[words.index('--seed') + 1] for words in trainings] == ['0', '1']
    assert trainings[0][-3:] == ['--cfg-options', 'train_cfg.max_iters=1', 'model.network.embed_dims=(8,12)']
    lines = read(folder / 'out/tiny_table.csv')
    assert [(line['row'], line['how'], line['set']) for line in lines if line['set'] == 'all'] == [
        ('input', 'measured', 'all'), ('Trained', 'trained here', 'all'), ('Trained', 'published', 'all'),
        ('Given weights', 'measured', 'all'), ("Somebody's", 'measured', 'all'), ('Quoted', 'published', 'all')]
    by_key = {(line['row'], line['how'], line['set']): line for line in lines}

    # the mean and its interval, from the files alone
    dark = by_key['input', 'measured', 'all']
    values = [peak_signal_noise_ratio(read_image(folder / f'data/our485/high/normal{k}.png').astype(np.float64),
                                      read_image(folder / f'data/our485/low/low{k}.png').astype(np.float64),
                                      data_range=1) for k in range(3)]
    assert float(dark['PSNR']) == pytest.approx(statistics.fmean(values), abs=1e-3)
    assert (float(dark['PSNR_low']), float(dark['PSNR_high'])) == pytest.approx(bootstrap_mean(values), abs=1e-3)
    one = by_key['input', 'measured', 'one']
    assert one['pictures'] == '1' and float(one['PSNR']) == pytest.approx(values[1], abs=1e-3) and not one['SSIM']

    # two seeds: mean and sample deviation of their means
    pictures = read(folder / 'out/tiny_table_pictures.csv')
    means = [statistics.fmean(float(p['value']) for p in pictures if (p['row'], p['seed'], p['set'], p['measure'])
                              == ('Trained', seed, 'all', 'PSNR')) for seed in '01']
    trained = by_key['Trained', 'trained here', 'all']
    assert float(trained['PSNR']) == pytest.approx(statistics.fmean(means), abs=1e-3) and means[0] != means[1]
    assert float(trained['PSNR_spread']) == pytest.approx(abs(means[0] - means[1]) / 2**0.5, abs=1e-3)
    assert trained['seeds'] == '0 1' and 'tools/train.py' in trained['training'] and len(trained['config_hash']) == 12
    assert 'torch' in trained['versions'] and trained['hardware'] and trained['trained_on'] == 'noise'
    assert by_key["Somebody's", 'measured', 'all']['parameters'] == '12'
    assert by_key['Quoted', 'published', 'all']['SSIM'] == '0.9'
    assert by_key['Quoted', 'published', 'all']['source'] == 'another paper'
    text = (folder / 'work/tiny_table/tiny_table.md').read_text()
    assert '| Quoted | published: another paper | 31.50 | 0.900 |' in text
    assert f'± {float(trained["PSNR_spread"]):.2f}' in text


def test_what_is_there_is_taken_up(folder, trainings, capsys, monkeypatch):
    call(folder)
    before = read(folder / 'out/tiny_table_pictures.csv')
    trainings.clear()
    monkeypatch.setattr(jobs, 'write_outputs', lambda *_, **__: pytest.fail('results are computed anew'))
    monkeypatch.setattr(jobs, 'score_all', lambda tasks, _: iter(tasks and pytest.fail('scores are computed anew')))
    assert call(folder) == 1 and not trainings
    assert read(folder / 'out/tiny_table_pictures.csv') == before
    assert call(folder, '--collect') == 0
    capsys.readouterr()
    assert call(folder, '--print') == 0
    line, = capsys.readouterr().out.splitlines()
    assert '--rows Gone' in line and line.startswith('python tools/run_table.py')


def test_a_printed_command_has_every_option():
    """Each option is given, and comes back from the command, but what says which job it is and what prints."""
    words = ['table.py', '--sets', 'a', 'b c', '--weights', 'w', '--work-dir', 'k', '--out', 'o', '--launcher',
             'torchrun --nproc_per_node=4', '--device', 'cuda:0', '--threads', '3', '--again', '--print']
    args, plain = vars(run_table.parse_args(words)), vars(run_table.parse_args(['table.py']))
    assert {name for name in args if args[name] == plain[name]} == {'table', 'rows', 'seeds', 'collect'}
    job = jobs.Job(SimpleNamespace(name='A row'), 2, Path('folder'))
    command = shlex.split(run_table.command_of(job, run_table.parse_args(words)))
    assert vars(run_table.parse_args(command[2:])) == {
        **args, 'rows': ['A row'], 'seeds': [2], 'print_commands': False}


def test_rows_that_were_computed_elsewhere_are_kept(folder, trainings):
    call(folder)
    files = [folder / f'out/tiny_table{end}.csv' for end in ('', '_pictures')]
    before = [read(file) for file in files]
    shutil.rmtree(folder / 'work')
    assert call(folder, '--rows', 'input') == 0 and len(trainings) == 2  # of the first call

    def without_times(lines: list[dict[str, str]]) -> list[dict[str, str]]:
        return [{key: value for key, value in line.items() if 'seconds' not in key and key != 'command'}
                for line in lines]

    assert [without_times(read(file)) for file in files] == [without_times(lines) for lines in before]
    # a row is one, however it was obtained: what is computed here takes its place
    files[0].write_text(files[0].read_text().replace('input,measured,', 'input,trained here,'))
    call(folder, '--rows', 'input')
    assert [(line['row'], line['how']) for line in read(files[0])] == [(line['row'], line['how']) for line in before[0]]
    table = folder / 'tiny_table.py'
    table.write_text(table.read_text().replace("name=\"Somebody's\"", "name='Else'"))
    call(folder, '--rows', 'input')
    for file, lines in zip(files, before):
        assert [line['row'] for line in read(file)] == [line['row'] for line in lines if line['row'] != "Somebody's"]


def test_a_training_goes_on_where_it_stopped(folder, trainings):
    row = next(r for r in tables.read_table(folder / 'tiny_table.py').rows if r.name == 'Trained')
    settings = jobs.Settings(Path('t.py'), folder / 'stopped', folder)
    job = jobs.Job(row, 5, folder / 'stopped/seed5')
    first = jobs.train(job, settings)
    record = job.folder / 'trained.json'
    record.write_text(json.dumps({key: value for key, value in first.items() if key != 'checkpoint'}))  # as if stopped
    again = jobs.train(job, settings)
    assert '--resume' in trainings[1] and '--resume' not in trainings[0] and again['resumed']
    assert again['checkpoint'] == first['checkpoint'] and Path(first['checkpoint']).name == 'iter_1.pth'
    record.write_text(json.dumps(dict(first, config_hash='another')))
    with pytest.raises(jobs.JobError, match='training of another config'):
        jobs.train(job, settings)


def test_a_failed_training_is_a_reason(folder, monkeypatch):
    row = next(r for r in tables.read_table(folder / 'tiny_table.py').rows if r.name == 'Trained')
    words = []
    monkeypatch.setattr(jobs, 'subprocess', SimpleNamespace(
        run=lambda given, check: words.extend(given) or SimpleNamespace(returncode=7)))
    settings = jobs.Settings(Path('t.py'), folder, folder, launcher=('torchrun', '--nproc_per_node=2'))
    with pytest.raises(jobs.JobError, match='exit code 7 and no checkpoint'):
        jobs.train(jobs.Job(row, 0, folder / 'failed'), settings)
    assert words[:2] == ['torchrun', '--nproc_per_node=2'] and words[words.index('--launcher') + 1] == 'pytorch'


def test_hash_is_of_what_a_config_says(tmp_path):
    (tmp_path / 'a.py').write_text("x = dict(a=1, b=(2, 3))\nwork_dir = 'here'\n")
    (tmp_path / 'b.py').write_text("# the same\nx = dict(\n    b=[2, 3],\n    a=1)\nwork_dir = 'there'\n")
    (tmp_path / 'c.py').write_text('x = dict(a=2, b=(2, 3))\n')
    a, b, c = (provenance.config_hash(Config.fromfile(tmp_path / f'{name}.py')) for name in 'abc')
    assert a == b != c


@pytest.mark.parametrize(('rows', 'message'), [
    ("dict(name='a')", 'must state one of peer, config, outputs'),
    ("dict(name='a', peer='input', outputs='b')", 'must state one of'),
    ("dict(name='a', peer='imput')", 'imput'),
    ("dict(name='a', peer='iat')", 'must name 1 files of weights'),
    ("dict(name='a', peer='input', sead=1)", 'sead'),
    ("dict(name='a', published=dict(s=dict(PSNR=1)))", 'must state the source'),
    ("dict(name='a', published=dict(x=dict(PSNR=1)), source='b')", 'published set'),
    ("dict(name='a b', peer='input'), dict(name='A-b', peer='input')", "names of their own, got \\['a_b'\\]"),
])
def test_a_wrong_table_is_refused(rows, message, tmp_path):
    (tmp_path / 't.py').write_text(f"title, shows = 'a', 'b'\nsets = dict(s=dict(low='d'))\nrows = [{rows}]\n")
    with pytest.raises(ValueError, match=message):
        tables.read_table(tmp_path / 't.py')


@pytest.mark.parametrize('only', ['low1', 5, [1.5], []])
def test_pictures_that_count_are_a_list_of_names(only, tmp_path):
    (tmp_path / 't.py').write_text(f"title, shows = 'a', 'b'\nsets = dict(s=dict(low='d', only={only!r}))\nrows = []\n")
    with pytest.raises(ValueError, match='only of set s must be a list of 1 or more names, got'):
        tables.read_table(tmp_path / 't.py')


def test_a_set_has_every_picture_that_it_names_and_no_two_of_one_name(tmp_path):
    for name in ('low1.png', 'low12.png'):
        write_image(tmp_path / name, np.zeros((4, 4, 3), np.float32))
    assert [*tables.EvaluationSet('s', tmp_path, only=('1', )).inputs().values()] == [tmp_path / 'low1.png']
    with pytest.raises(FileNotFoundError, match=r"set s: names in only have no picture in .*: \['2', 'nope'\]"):
        tables.EvaluationSet('s', tmp_path, only=('1', '2', 'nope.png')).inputs()
    write_image(tmp_path / 'normal1.png', np.zeros((4, 4, 3), np.float32))
    with pytest.raises(ValueError, match='set s: two pictures of one name, .*low1.png and .*normal1.png'):
        tables.EvaluationSet('s', tmp_path).inputs()


def test_wrong_use(folder, capsys):
    assert call(folder, '--rows', 'Nobody') == 2 and 'Nobody' in capsys.readouterr().err


@pytest.mark.parametrize('path', sorted((ROOT / 'configs/tables').glob('*.py')), ids=lambda p: p.stem)
def test_the_tables_of_the_repository(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    table = tables.read_table(path)
    assert table.title and table.shows and table.sets
    for row in table.rows:
        if row.config:
            cfg = jobs.merged_config(row)
            assert len(provenance.config_hash(cfg)) == 12
            MODELS.build(dict(cfg.model.network, _scope_='isalux_mm'))
