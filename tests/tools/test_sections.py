"""The part of docs/benchmarks.md about the benchmark itself: by hand; every gap to a stated figure is explained."""
import sys
from pathlib import Path

import pytest
from loading import load_tool

load_tool('write_benchmarks')
page, report, sections, tables = (sys.modules[f'tabling.{name}'] for name in ('page', 'report', 'sections', 'tables'))
ROOT = Path(__file__).resolve().parents[2]


def trained(row: str, psnr: float, spread: float, **more: str) -> dict[str, str]:
    return dict(row=row, how='trained here', PSNR_GTmean=str(psnr), PSNR_GTmean_spread=str(spread)) | more


def stated(row: str, psnr: float) -> dict[str, str]:
    return dict(row=row, how='published', PSNR_GTmean=str(psnr))


@pytest.fixture(scope='module')
def results() -> dict:
    return page.read_results(ROOT / 'configs/tables', ROOT / 'docs/tables')


@pytest.mark.parametrize(('ours', 'verdict'), [
    (20.6, 'as in the paper'), (19.4, '**against the paper**'), (20.4, 'within the spread of the seeds')])
def test_a_step_is_judged_by_its_sign_and_the_seeds(ours, verdict):
    # 0.3 and 0.4 dB over seeds are 0.5 dB of the difference
    step, = sections.steps_of([trained('no priors', 20, 0.3), trained('+ semantic', ours, 0.4)],
                              [stated('no priors', 27), stated('+ semantic', 27.25)])
    assert (step.before, step.after, step.verdict) == ('no priors', '+ semantic', verdict)
    assert (step.paper, step.ours, step.spread) == pytest.approx((0.25, ours - 20, 0.5))


def test_orders_are_set_side_by_side():
    paper = [stated('no priors', 27), stated('+ illumination', 27.5), stated('+ semantic', 28)]
    text = sections.order_section(
        [trained('no priors', 20, 0.03), trained('+ illumination', 19, 0.04), trained('+ semantic', 20.5, 0.04)], paper)
    assert '| no priors | + illumination | +0.50 | -1.00 ± 0.05 | **against the paper** |' in text
    assert '| no priors | + semantic | +1.00 | +0.50 ± 0.05 | as in the paper |' in text
    assert 'Of the paper\'s 2 steps 2 are larger here' in text
    assert '1 of them go the other way: no priors to + illumination.' in text
    assert sections.order_section([trained('no priors', 20, 0.03)], paper) == ''  # nothing to compare yet


def test_the_papers_rows_are_rows_of_the_ablation(results):
    names = {row.name for row in tables.read_table(ROOT / 'configs/tables/ablation.py').rows}
    assert {name for step in sections.STEPS for name in step} <= names
    assert {name for step in sections.STEPS for name in step} <= {line['row'] for line in results['paper'].lines}


def test_seeds_by_hand():
    same = dict(PSNR='20', PSNR_low='18', pictures='10', seeds='0 1 2')
    rows = [trained(name, 20, 0.1, **same, PSNR_high=high, PSNR_spread=spread)
            for name, high, spread in (('a', '20', '0.1'), ('b', '22', '0.3'), ('c', '24', '0.2'))]
    text = sections.seeds_section(rows)
    assert 'with 3 seeds' in text and 'its 10 pictures' in text
    assert '0.20 dB (median of 3 rows; 0.10 to 0.30)' in text and '±2.00 dB' in text
    assert sections.seeds_section([dict(row='a', how='measured')]) == ''


def test_stated_beside_measured():
    lines = [dict(row='A', how='measured', PSNR='20.1', SSIM='0.8', note='why'),
             dict(row='A', how='published', PSNR='20.5', SSIM='0.79', source='a paper'),
             dict(row='B', how='published', PSNR='21', SSIM='0.7', source='another')]
    assert '| A | 20.10 | 20.50 | -0.40 | 0.800 | 0.790 | +0.010 | a paper | why |' in sections.stated_section(lines)
    assert sections.unexplained(lines) == []
    assert sections.unexplained([dict(lines[0], note=''), lines[1]]) == ['A']
    assert sections.unexplained([dict(lines[0], note='', PSNR='20.4'), lines[1]]) == []
    assert sections.stated_section(lines[2:]) == ''


def test_peers_are_where_they_are_stated_to_be_or_say_why(results):
    assert sections.unexplained(results['lol_v1'].lines) == []
    assert len(sections.stated_section(results['lol_v1'].lines).splitlines()) > 9  # head, and five peers


def test_how_far_definitions_move_a_row():
    line = dict(row='A', PSNR_GTmean='20', PSNR_GTmean_bgr='20.25', PSNR_GTmean_8bit='19.5',
                PSNR_GTmean_unclipped='3', SSIM='0.5', SSIM_gray='0.625')
    still = dict(row='B', PSNR_GTmean='20', SSIM='0.5')
    text = sections.definitions_section([still, line])
    assert 'up to 0.75 dB (A), between the four SSIMs by up to 0.125 (A)' in text
    assert '| A |  | 20.00 | 20.25 | 19.50 |  | 3.00 | 0.500 |  | 0.625 |  |' in text
