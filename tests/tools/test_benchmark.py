"""tools/benchmark.py: arithmetic by hand, measurements on known work, the command from end to end."""
import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from loading import load_tool
from PIL import Image
from torch import nn

from isalux_mm.functional.tone import with_soft_highlights

ROOT = Path(__file__).resolve().parents[2]
benchmark = load_tool('benchmark')
measure, report, rows = benchmark.measure, benchmark.report, benchmark.rows
TINY = '''
model = dict(
    type='LowLightEnhancer',
    network=dict(
        type='ISALux', embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2),
        illumination_prior=dict(type='MaxChannelPrior'),
        semantic_prior=dict(type='TorchvisionSemanticPrior'),
        attention=dict(type='HISAAttention', lora_reduction=4), ffn=dict(type='MoEFFN')))
'''


@pytest.fixture(scope='module')
def tiny_config(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp('config') / 'tiny.py'
    path.write_text(TINY, encoding='utf-8')
    return str(path)


@pytest.fixture
def command(tiny_config, tmp_path):
    """Runs the benchmark; returns its exit code, the JSON and the folder."""

    def run(*arguments: str) -> tuple[int, dict, Path]:
        code = benchmark.main(['--config', tiny_config, '--threads', '1', '--product-side', '64', '--out',
                               str(tmp_path), *arguments])
        return code, json.loads((tmp_path / 'benchmark.json').read_text(encoding='utf-8')), tmp_path

    return run


def by_hand() -> dict:
    """Two models, two sizes, three rounds, with times that are easy to divide."""
    walls = {('10x20', 'ours'): (1.0, 2.0, 4.0), ('10x20', 'peer'): (2.0, 8.0, 12.0),
             ('20x40', 'ours'): (4.0, 10.0, 16.0), ('20x40', 'peer'): (12.0, 20.0, 80.0)}
    samples = [dict(round=r, size=size, model=model, wall=wall, cpu=2 * wall)
               for (size, model), times in walls.items() for r, wall in enumerate(times)]
    return dict(
        settings=dict(batch_size=2, sizes=['10x20', '20x40'], models=['ours', 'peer'], references=['peer'], train=False,
                      device='cpu', dtype='fp32', warmup=1, repeats=3, product_side=64),
        models=dict(ours=dict(parameters=1_500_000, description='a'), peer=dict(parameters=3, description='b')),
        samples=samples, products=[dict(round=r, size='10x20', rate=rate) for r, rate in enumerate((10.0, 10.0, 40.0))],
        flops=dict(ours={'10x20': 8}), memory=dict(ours={'10x20': 3 * report.MIB}, peer={'10x20': 12 * report.MIB}),
        machine=dict(cpu='a processor', threads=1), failures=[], profiles=[], complete=True)


def test_figures_by_hand():
    found = report.summarize(by_hand())
    ours = next(r for r in found['rows'] if (r['size'], r['model']) == ('10x20', 'ours'))
    assert (ours['latency_q1'], ours['latency'], ours['latency_q3']) == (1.5, 2.0, 3.0)
    assert ours['cpu_time'] == 4.0 and ours['rounds'] == 3
    assert ours['speedup'] == ours['cpu_speedup'] == {'peer': 3.0}  # 2, 4, 3: not 8 / 2, the ratio of the medians
    assert ours['images_per_second'] == 1.0 and ours['megapixels_per_second'] == pytest.approx(2 * 200 / 2 / 1e6)
    assert ours['share_of_peak'] == pytest.approx(0.4)  # 8/10, 4/10, 2/40
    assert ours['memory'] == 3 * report.MIB and ours['memory_ratio'] == {'peer': 0.25}
    large = next(r for r in found['rows'] if (r['size'], r['model']) == ('20x40', 'peer'))
    assert large['flops'] is large['share_of_peak'] is large['memory'] is None
    # time per pixel: ours 4/4, 10/8, 16/16 of that at 10x20; peer 12/8, 20/32, 80/48
    assert found['linearity'] == [
        dict(model='ours', base='10x20', ratios={'10x20': 1.0, '20x40': 1.0}),
        dict(model='peer', base='10x20', ratios={'10x20': 1.0, '20x40': 1.5})]


def test_ratios_need_a_common_round():
    assert report.median_ratio({0: 6.0, 1: 2.0, 5: 1.0}, {0: 2.0, 1: 2.0, 7: 9.0}) == 2.0
    assert report.median_ratio({0: 1.0}, {1: 1.0}) is None


def test_throughput_on_a_gpu_is_that_of_queued_calls():
    raw = by_hand()
    for sample in raw['samples']:
        sample.update(burst=sample['wall'] / 4, gpu=sample['wall'] / 2)
    row = report.summarize(raw)['rows'][0]
    assert row['latency'] == 2.0 and row['gpu_time'] == 1.0 and row['images_per_second'] == 4.0


def test_markdown_holds_the_figures():
    raw = by_hand()
    text = report.to_markdown(dict(raw, **report.summarize(raw)))
    ours = ('ours', '1.500', '0.00', '2000.0', '1500.0 to 3000.0', '4000.0', '1', '0.0002', '3.00', '3.00', '40.0%',
            '3.0', '0.25')
    assert f'| {" | ".join(ours)} |' in text
    assert '| peer | 1.000 | 1.500 |' in text and 'a processor' in text
    assert 'Not finished' not in text
    assert 'Not finished' in report.to_markdown(dict(raw, **report.summarize(raw), complete=False))


def test_flops_by_hand():
    layers = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1, groups=4))
    assert measure.count_flops(layers, torch.rand(2, 3, 8, 8)) == 2 * 2 * 8 * 8 * (3 * 4 * 9 + 4 * 9)


def test_peak_arithmetic_takes_the_fastest_trial(monkeypatch):
    product = measure.MatrixProduct('cpu', 'bf16', side=50)
    assert {x.dtype for x in product.factors} == {torch.float32, torch.bfloat16}
    walls = iter((0.5, 0.2, 0.4, 0.9, 0.25, 0.8))
    monkeypatch.setattr(measure, 'timed', lambda call, device: dict(wall=next(walls)))
    assert product.rate() == pytest.approx(2 * 50**3 / 0.2)


def test_wall_and_processor_time_are_told_apart(monkeypatch):
    clock = SimpleNamespace(wall=100.0, cpu=7.0)
    monkeypatch.setattr(measure, 'time', SimpleNamespace(
        perf_counter=lambda: clock.wall, process_time=lambda: clock.cpu))

    def half_asleep():
        clock.wall, clock.cpu = clock.wall + 4, clock.cpu + 2

    assert measure.timed(half_asleep, 'cpu') == dict(wall=4.0, cpu=2.0)
    assert measure.timed_burst(half_asleep, 'cpu', 3) == 4.0


@pytest.mark.skipif(not Path('/proc/self/clear_refs').exists(), reason='the peak can be reset on Linux alone')
def test_resident_peak_sees_memory_that_was_freed():
    size = 64 * report.MIB
    assert measure.resident_growth(lambda: np.ones(size, dtype=np.uint8).sum()) == pytest.approx(size, rel=0.15)
    assert measure.resident_growth(lambda: None) < size / 4  # the peak of before is forgotten


def test_forms_compute_the_same(tiny_config):
    setup = rows.Setup(config=tiny_config)
    images = rows.random_images((37, 53), 2, setup)
    assert images.min() >= 0 and images.max() <= 0.25
    forms = ('isalux', 'isalux_unprepared', 'isalux_plain_dense', 'isalux_plain_sparse')
    outputs = [rows.build_row(name, setup).call(images) for name in forms]
    for output in outputs[1:]:
        torch.testing.assert_close(output, outputs[0], rtol=1e-4, atol=1e-5)
    counts = [measure.count_flops(rows.build_row(name, setup).counted, images[:1]) for name in forms]
    assert counts[0] == counts[1] < counts[3] < counts[2]


def test_semantic_network_is_replaced_by_a_fixed_map(tiny_config):
    network = rows.our_enhancer(tiny_config).network
    assert isinstance(network.semantic_prior, rows.FixedSemanticMap)
    first, second = (network.semantic_prior(torch.rand(2, 3, 5, 7, dtype=torch.float64)) for _ in range(2))
    assert first.shape == (2, 21, *rows.MAP_SIZE) and first.dtype == torch.float64 and torch.equal(first, second)
    torch.testing.assert_close(first.sum(dim=1), torch.ones(2, *rows.MAP_SIZE, dtype=torch.float64), atol=1e-6, rtol=0)
    assert not any('semantic_prior' in name for name, _ in network.named_parameters())


def test_a_training_step_changes_the_weights(tiny_config):
    row = rows.build_row('isalux', rows.Setup(config=tiny_config, train=True))
    images = rows.random_images((16, 24), 2, rows.Setup(train=True))
    losses = [float(row.call(images)) for _ in range(4)]
    assert all(math.isfinite(loss) for loss in losses) and losses[-1] < losses[0]


def test_a_training_step_counts_as_three_forwards(command):
    arguments = ('--models', 'isalux', 'semantic_prior', '--sizes', '16x24', '--repeats', '1', '--batch-size', '2',
                 '--no-memory', '--no-plot', '--overwrite')
    forward, step = (command(*arguments, *mode)[1]['flops'] for mode in ((), ('--train', )))
    assert step['isalux']['16x24'] == 3 * forward['isalux']['16x24'] > 0
    assert step['semantic_prior'] == forward['semantic_prior']  # frozen


def test_checkpointing_gives_the_same_step(tiny_config):
    setup = rows.Setup(config=tiny_config, train=True)
    images = rows.random_images((16, 24), 1, setup)
    plain, again = (rows.build_row(name, setup) for name in ('isalux', 'isalux+checkpointing'))
    for _ in range(2):
        torch.testing.assert_close(plain.call(images), again.call(images), rtol=1e-4, atol=1e-6)
    gelus = [sum(o['calls'] for o in measure.operators(row.call, images) if o['name'] == 'aten::gelu')
             for row in (plain, again)]
    assert gelus == [4 + 3 * 2, 4 + 2 * 3 * 2]  # one in each adapter, two in each block, which are recomputed


def test_half_precision_changes_weights_at_inference_and_autocast_in_training(tiny_config):
    setup = rows.Setup(config=tiny_config, dtype='bf16')
    images = rows.random_images((16, 24), 1, setup)
    assert images.dtype == torch.bfloat16
    for name in ('isalux', 'isalux_plain_dense', 'semantic_prior'):
        assert rows.build_row(name, setup).call(images).dtype == torch.bfloat16
    training = rows.Setup(config=tiny_config, dtype='bf16', train=True)
    assert rows.random_images((16, 24), 1, training).dtype == torch.float32
    assert math.isfinite(rows.build_row('isalux', training).call(rows.random_images((16, 24), 1, training)))


def test_operators_are_listed_by_their_own_time():
    layer, image = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 3, 3)), torch.rand(1, 3, 64, 64)
    found = measure.operators(layer, image)
    assert {r['name']: r['calls'] for r in found}.items() >= {'aten::conv2d': 2, 'aten::relu': 1}.items()
    assert [r['seconds'] for r in found] == sorted((r['seconds'] for r in found), reverse=True)
    assert sum(r['share'] for r in found) == pytest.approx(1)
    assert len(found) > len(measure.dominating_operators(layer, image)) == measure.PROFILE_ROWS


def test_command_writes_consistent_reports(command, capsys):
    code, found, folder = command('--models', 'isalux', 'retinexformer', '--sizes', '24x32', '37x53', '--repeats', '2',
                                  '--skip', 'retinexformer@37x53', '--no-memory', '--profile')
    assert code == 0 and found['complete'] and not found['failures']
    assert [(r['size'], r['model']) for r in found['rows']] == [
        ('24x32', 'isalux'), ('24x32', 'retinexformer'), ('37x53', 'isalux')]
    assert found['machine']['threads'] == 1 and found['machine']['cpu'] and found['machine']['torch']
    walls = {(s['round'], s['model']): s['wall'] for s in found['samples'] if s['size'] == '24x32'}
    order = [s['model'] for s in found['samples'] if s['size'] == '24x32']
    assert order == ['isalux', 'retinexformer', 'retinexformer', 'isalux']  # another one starts each round
    ratios = [walls[r, 'retinexformer'] / walls[r, 'isalux'] for r in range(2)]
    assert found['rows'][0]['speedup']['retinexformer'] == pytest.approx(np.median(ratios))
    assert found['rows'][1]['parameters'] == 1_605_701
    assert {p['model'] for p in found['profiles']} == {'isalux', 'retinexformer'}
    markdown = (folder / 'benchmark.md').read_text(encoding='utf-8')
    assert f'| {found["rows"][0]["speedup"]["retinexformer"]:.2f} |' in markdown and markdown in capsys.readouterr().out
    with Image.open(folder / 'benchmark.png') as picture:
        assert picture.size[0] > 800 and len(picture.convert('RGB').getcolors(1 << 20)) > 10
    assert sorted(p.name for p in folder.iterdir()) == ['benchmark.json', 'benchmark.md', 'benchmark.png']


def test_command_measures_memory_in_a_process_of_its_own(command):
    code, found, _ = command('--models', 'isalux', '--sizes', '96x128', '--repeats', '1', '--warmup', '1', '--no-plot')
    # at least the features at full resolution, at most what 100 of them would take
    features = 4 * 8 * 96 * 128
    assert code == 0 and features < found['memory']['isalux']['96x128'] < 100 * features
    assert found['rows'][0]['memory'] == found['memory']['isalux']['96x128']


def test_command_times_training(command):
    code, found, _ = command('--train', '--models', 'isalux', 'semantic_prior', 'retinexformer', '--batch-size', '1',
                             '--sizes', '16x24', '--repeats', '2', '--warmup', '1', '--no-memory')
    assert code == 0 and found['settings']['train'] and found['complete']
    assert {r['model']: r['rounds'] for r in found['rows']} == dict(isalux=2, semantic_prior=2, retinexformer=2)


def test_interrupted_run_keeps_what_it_has(command, monkeypatch):
    run_round = benchmark.Benchmark.run_round

    def interrupted(self, number):
        if number == 1:
            raise KeyboardInterrupt
        run_round(self, number)

    monkeypatch.setattr(benchmark.Benchmark, 'run_round', interrupted)
    code, found, folder = command('--models', 'isalux', '--sizes', '16x24', '--repeats', '3', '--no-plot')
    assert code == 130 and not found['complete']
    assert found['rows'][0]['rounds'] == 1 and found['rows'][0]['latency'] > 0
    assert 'Not finished' in (folder / 'benchmark.md').read_text(encoding='utf-8')


def test_a_model_that_fails_does_not_stop_the_others(command):
    code, found, folder = command('--models', 'isalux', 'retinexformer', '--sizes', '2x2', '--repeats', '1',
                                  '--no-memory', '--no-plot')
    assert code == 0 and [r['model'] for r in found['rows']] == ['isalux']
    assert [(f['model'], f['step']) for f in found['failures']] == [('retinexformer', 'warm-up')]
    assert 'got 2 x 2' in (folder / 'benchmark.md').read_text(encoding='utf-8')
    assert found['rows'][0]['speedup'] == {'retinexformer': None}


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--models', 'isalux', 'swinir'], "models must be one of .*'retinexformer'.*, got 'swinir'"),
    (['--models', 'isalux+faster'], "option of 'isalux' must be one of .*, got 'faster'"),
    (['--models', 'isalux+checkpointing'], "isalux has no option 'checkpointing' at inference"),
    (['--train', '--models', 'isalux+onnx'], "isalux has no option 'onnx' in training"),
    (['--models', 'retinexformer+fast'], "retinexformer has no option 'fast' at inference"),
    (['--train', '--models', 'restormer+checkpointing'], "restormer has no option 'checkpointing' in training"),
    (['--sizes', '256'], "HEIGHTxWIDTH or one of 720p, 1080p, got '256'"),
    (['--sizes', '0x16'], "got '0x16'"),
    (['--repeats', '0'], '--repeats: expected a whole number from 1 up, got 0'),
    (['--models', 'isalux', '--skip', 'restormer@720p'], "NAME@SIZE .* got 'restormer@720p'"),
    (['--config', 'nowhere.py'], 'config must be a config file, got nowhere.py'),
])
def test_errors_name_the_argument(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        benchmark.parse_args(arguments)
    assert stopped.value.code == 2
    assert re.search(message, ' '.join(capsys.readouterr().err.split()))


def test_config_without_a_network_is_refused():
    with pytest.raises(ValueError, match='config must define model.network'):
        rows.our_enhancer(ROOT / 'configs/_base_/default_runtime.py')


def test_cuda_without_a_gpu_says_so(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(SystemExit):
        benchmark.parse_args(['--device', 'cuda'])
    assert '--device cuda needs a GPU' in capsys.readouterr().err


def test_defaults_of_the_modes():
    args = benchmark.parse_args(['--no-plot'])
    assert args.sizes == [(256, 256), (400, 600), (720, 1280), (1080, 1920)] and args.batch_size == 1
    assert args.models == list(rows.KINDS)
    args = benchmark.parse_args(['--train', '--no-plot'])
    assert args.sizes == [(256, 256)] and args.batch_size == 8 and 'isalux+checkpointing' in args.models
    args = benchmark.parse_args(['--no-plot', '--compile', '--models', 'isalux', 'restormer+compile'])
    assert args.models == ['isalux', 'restormer+compile', 'isalux+compile']
    args = benchmark.parse_args(['--no-plot', '--models', 'restormer', '--skip', 'restormer@1080p'])
    assert args.skip == [('restormer', '1080x1920')]


def test_fast_row_runs_the_network_on_a_small_copy(tiny_config):
    setup = rows.Setup(config=tiny_config)
    whole, fast = (rows.build_row(name, setup) for name in ('isalux', 'isalux+fast'))
    image = 0.3 * torch.rand(1, 3, 130, 170)
    assert fast.call(image).shape == image.shape and fast.parameters == whole.parameters
    flops = [measure.count_flops(row.counted, image) for row in (whole, fast)]
    assert 3 < flops[0] / flops[1] < 6  # 130 x 170 pixels over 64 x 84


def test_onnx_row_gives_what_the_prepared_one_gives(tmp_path):
    pytest.importorskip('onnxscript')
    pytest.importorskip('onnxruntime')
    config = tmp_path / 'one_scale.py'  # the time of an export grows with the number of operators
    config.write_text(TINY.replace('(8, 16)', '(8, )').replace('(1, 1)', '(1, )').replace('(1, 2)', '(1, )'))
    setup = rows.Setup(config=str(config))
    prepared, exported = (rows.build_row(name, setup) for name in ('isalux', 'isalux+onnx'))
    image = 0.3 * torch.rand(1, 3, 37, 53)
    expected = with_soft_highlights(prepared.call(image), image)  # the tone is part of what is exported
    torch.testing.assert_close(exported.call(image), expected, atol=1e-4, rtol=1e-3)
    assert exported.parameters == prepared.parameters
    with pytest.raises(ValueError, match='option onnx runs on the cpu in fp32, got cpu and bf16'):
        rows.build_row('isalux+onnx', rows.Setup(config=str(config), dtype='bf16'))
