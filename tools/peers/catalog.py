"""The peers that run here, by name: their network, how its published weights are read, and where they are described."""
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from isalux_mm.datasets.transforms import to_tensor
from isalux_mm.functional.checks import check_choice
from peers import classical, pairlie, sci, uretinex
from peers.curves import SGZ, ZeroDCE
from peers.iat import IAT
from peers.pairlie import PairLIE
from peers.ruas import RUAS
from peers.sci import SCI
from peers.uretinex import URetinex
from peers.weights import load_published, read_published

Method = Callable[[np.ndarray], np.ndarray]  # (H, W, 3), float32, RGB in [0, 1], to the same
FILE = 'weights'
State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Peer:
    """A published network.

    Attributes:
        title: for tables.
        source: who, where.
        build: gives the network.
        files: what its published weights lie in.
        state: from the files' contents, by the names of `files`, to the network's tensors.
        unused: beginnings of keys in the file that inference does not need.
    """
    title: str
    source: str
    build: Callable[[], nn.Module]
    files: tuple[str, ...] = (FILE, )
    state: Callable[[dict[str, dict[str, Any]]], State] = lambda files: files[FILE]
    unused: tuple[str, ...] = ()


def _of_one_file(convert: Callable[[dict[str, Tensor]], State]) -> Callable[[dict[str, dict[str, Any]]], State]:
    return lambda files: convert(files[FILE])


PEERS = dict(
    zero_dce=Peer('Zero-DCE', 'Guo et al., CVPR 2020', ZeroDCE),
    sgz=Peer('SGZ', 'Zheng and Gupta, WACVW 2022', SGZ),
    sci=Peer('SCI', 'Ma et al., CVPR 2022', SCI, state=_of_one_file(sci.published_state)),
    ruas=Peer('RUAS', 'Liu et al., CVPR 2021', RUAS),
    ruas_undenoised=Peer('RUAS without its denoising part', 'Liu et al., CVPR 2021', partial(RUAS, denoise=False),
                         unused=('denoise_net.', )),
    pairlie=Peer('PairLIE', 'Fu et al., CVPR 2023', PairLIE, state=_of_one_file(pairlie.published_state)),
    pairlie_lol=Peer('PairLIE, exponent for LOL', 'Fu et al., CVPR 2023',
                     partial(PairLIE, pairlie.EXPONENT_LOL), state=_of_one_file(pairlie.published_state)),
    iat=Peer('IAT', 'Cui et al., BMVC 2022', IAT),
    uretinex=Peer('URetinex-Net', 'Wu et al., CVPR 2022', URetinex, files=tuple(uretinex.PARTS),
                  state=uretinex.published_state))
CLASSICAL = dict(
    input=('input', classical.unchanged),
    gamma=('gamma to mean 0.45', classical.gamma),
    equalize=('histogram equalization', classical.equalized),
    clahe=('CLAHE', classical.clahe))
NAMES = (*CLASSICAL, *PEERS)


def load_network(name: str, weights: Sequence[Path]) -> nn.Module:
    """A peer's network with its published weights, for inference.

    Args:
        name: key of `PEERS`.
        weights: as many files as the peer has, in the order of `Peer.files`.

    Raises:
        ValueError: if the name is unknown, the number of files is another, or they do not fit.
        FileNotFoundError: if one is missing.
    """
    check_choice(name, PEERS, 'peer')
    peer = PEERS[name]
    if len(weights) != len(peer.files):
        raise ValueError(f'{name} needs {len(peer.files)} files of weights ({", ".join(peer.files)}), '
                         f'got {len(weights)}')
    network = peer.build()
    files = {part: read_published(path) for part, path in zip(peer.files, weights)}
    load_published(network, peer.state(files), unused=peer.unused)
    return network.eval().requires_grad_(False)


def as_method(network: nn.Module, device: str = 'cpu') -> Method:
    """A network of images (B, 3, H, W) as a function of a picture; its result is clamped to [0, 1]."""
    network.to(device)

    @torch.inference_mode()
    def enhance(image: np.ndarray) -> np.ndarray:
        result = network(to_tensor(image)[None].to(device))
        return result.clamp(0, 1)[0].permute(1, 2, 0).cpu().numpy()

    return enhance


def load_method(name: str, weights: Sequence[Path] = (), *, device: str = 'cpu') -> tuple[Method, int]:
    """A method of `NAMES`, and the number of its parameters.

    Args:
        name: key of `PEERS` or `CLASSICAL`.
        weights: as of `load_network`.
        device: of a network; classical methods run on the CPU.

    Raises:
        ValueError: as `load_network`; also if a classical method is given weights.
        FileNotFoundError: as `load_network`.
    """
    check_choice(name, NAMES, 'peer')
    if name in CLASSICAL:
        if weights:
            raise ValueError(f'{name} has no weights, got {len(weights)} files')
        return CLASSICAL[name][1], 0
    network = load_network(name, weights)
    return as_method(network, device), sum(p.numel() for p in network.parameters())
