"""Packaging of ISALux-MM. `pip install -e .[onedl,det,seg,dev]` gives the whole default stack."""
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
# the upper bounds are the next major versions: what changes there is not tried yet
CORE = [
    'torch>=2.6,<3', 'torchvision>=0.21,<1', 'numpy>=1.24,<3', 'pillow>=11.3,<13', 'torchmetrics>=1.3,<2',
    'pytorch-msssim>=1.0,<2', 'safetensors>=0.4,<1', 'scipy>=1.10,<2', 'opencv-python-headless>=4.7,<5', 'rich>=13,<16',
    'tifffile>=2023.2', 'matplotlib>=3.8,<4', 'tensorboard>=2.16,<3',
]
EXTRAS = {
    # the maintained continuation of OpenMMLab 2.x: same import names, current torch
    'onedl': ['onedl-mmengine>=0.10.12,<0.11', 'onedl-mmcv>=2.3.6,<3'],
    'det': ['onedl-mmdetection>=3.5.1,<4'],
    'seg': ['onedl-mmsegmentation>=1.4.2,<2'],
    # the originals, for people who already have them
    'openmmlab': ['mmengine>=0.10,<0.11', 'mmcv>=2.0,<2.2', 'mmdet>=3.1,<4', 'mmsegmentation>=1.1,<2'],
    'serve': ['gradio>=6,<7'],
    'ray': ['ray>=2.40,<3', 'fsspec>=2024.2'],
    'video': ['av>=14,<19'],
    'fast': ['numba>=0.61,<1'],
    'heif': ['pillow-heif>=0.18,<2'],
    'jxl': ['pillow-jxl-plugin>=1.3,<2'],
    'raw': ['rawpy>=0.21,<1'],
    'export': ['onnx>=1.16,<2', 'onnxscript>=0.5,<1', 'onnxruntime>=1.18,<2'],
    'docs': [
        'mkdocs>=1.6,<2', 'mkdocs-material>=9.6,<10', 'mkdocstrings[python]>=0.29,<2', 'pymdown-extensions>=10,<14'],
    'dev': [
        'pytest>=8', 'pytest-randomly>=3.16', 'pytest-timeout>=2.3', 'pytest-xdist>=3.6', 'ruff>=0.6', 'mypy>=1.13',
        'scikit-image>=0.22', 'scikit-learn>=1.4', 'onnx>=1.16', 'onnxruntime>=1.18',
        'ai-edge-litert>=2.1', 'hypothesis>=6.100', 'pillow-heif>=0.18', 'pillow-jxl-plugin>=1.3', 'rawpy>=0.21',
        'numba>=0.61',
    ],
}


class BuildWithConfigs(build_py):
    """Copies configs/ into the built package, at OpenMMLab's place for it; an editable install reads the checkout's."""

    def run(self) -> None:
        """Builds, then copies."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / 'isalux_mm' / '.mim' / 'configs'
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(ROOT / 'configs', target, ignore=shutil.ignore_patterns('__pycache__'))


setup(
    name='isalux-mm',
    version=re.search(r"__version__ = '(.+)'", (ROOT / 'isalux_mm/__init__.py').read_text(encoding='utf-8')).group(1),
    description='ISALux low-light image enhancement, standalone or ahead of any MMDetection or MMSegmentation model',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10,<3.14',
    packages=find_packages(include=('isalux_mm', 'isalux_mm.*')),
    package_data={'isalux_mm': ['py.typed', 'weights/*.safetensors', 'weights/*.txt'],
                  'isalux_mm.functional': ['*.npz']},
    cmdclass={'build_py': BuildWithConfigs},
    entry_points={'console_scripts': ['isalux = isalux_mm.cli:main']},
    install_requires=CORE,
    extras_require=EXTRAS,
)
