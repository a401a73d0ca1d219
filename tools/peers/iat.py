"""IAT (Cui et al., BMVC 2022, arXiv 2205.14871), the enhancement network.

A local branch multiplies and adds pixel by pixel, a global branch gives a colour matrix and a gamma for the picture.
Written after the paper's Section 3; names of layers are those in the published weights.
"""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

LOCAL, WIDTH, HEADS = 16, 64, 4
QUERIES = 10  # one for gamma, nine for the colour matrix
DARKEST = 1e-8  # published: ahead of the power


class ColorNorm(nn.Module):
    """A matrix over the channels, then scale and shift, in the place of a normalization; (B, C, H, W)."""

    def __init__(self, dims: int):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, 1, dims))
        self.beta = nn.Parameter(torch.zeros(1, 1, dims))
        self.color = nn.Parameter(torch.eye(dims))

    def forward(self, x: Tensor) -> Tensor:
        mixed = torch.einsum('bchw,dc->bdhw', x, self.color)
        return mixed * self.alpha.view(1, -1, 1, 1) + self.beta.view(1, -1, 1, 1)


class FeedForward(nn.Module):
    """Two linear layers, GELU between, at four times the width; 1x1 convolutions on maps."""

    def __init__(self, dims: int, *, on_maps: bool):
        super().__init__()
        self.fc1 = nn.Conv2d(dims, 4 * dims, 1) if on_maps else nn.Linear(dims, 4 * dims)
        self.fc2 = nn.Conv2d(4 * dims, dims, 1) if on_maps else nn.Linear(4 * dims, dims)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class LocalBlock(nn.Module):
    """Position, depthwise 5x5 in the place of attention, feed-forward; residuals scaled by channel."""

    def __init__(self, dims: int):
        super().__init__()
        self.gamma_1, self.gamma_2 = (nn.Parameter(torch.ones(1, dims, 1, 1)) for _ in range(2))
        self.pos_embed = nn.Conv2d(dims, dims, 3, padding=1, groups=dims)
        self.norm1, self.norm2 = ColorNorm(dims), ColorNorm(dims)
        self.conv1, self.conv2 = nn.Conv2d(dims, dims, 1), nn.Conv2d(dims, dims, 1)
        self.attn = nn.Conv2d(dims, dims, 5, padding=2, groups=dims)
        self.mlp = FeedForward(dims, on_maps=True)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.pos_embed(x)
        x = x + self.gamma_1 * self.conv2(self.attn(self.conv1(self.norm1(x))))
        return x + self.gamma_2 * self.mlp(self.norm2(x))


class LocalBranch(nn.Module):
    """Image (B, 3, H, W) to what it is multiplied by, at least 0, and what is added, in [-1, 1]."""

    def __init__(self, dims: int = LOCAL):
        super().__init__()
        self.conv1 = nn.Conv2d(3, dims, 3, padding=1)
        self.mul_blocks, self.add_blocks = (nn.Sequential(*(LocalBlock(dims) for _ in range(3))) for _ in range(2))
        self.mul_end = nn.Sequential(nn.Conv2d(dims, 3, 3, padding=1), nn.ReLU())
        self.add_end = nn.Sequential(nn.Conv2d(dims, 3, 3, padding=1), nn.Tanh())

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x = F.leaky_relu(self.conv1(image), 0.2)
        return self.mul_end(self.mul_blocks(x) + x), self.add_end(self.add_blocks(x) + x)


class QueryAttention(nn.Module):
    """Ten learned queries over all places; (B, N, C) to (B, 10, C)."""

    def __init__(self, dims: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Parameter(torch.ones(1, QUERIES, dims))
        self.k, self.v = nn.Linear(dims, dims, bias=False), nn.Linear(dims, dims, bias=False)
        self.proj = nn.Linear(dims, dims)

    def forward(self, x: Tensor) -> Tensor:
        def heads(tokens: Tensor) -> Tensor:  # (B, N, C) -> (B, heads, N, C / heads)
            return tokens.unflatten(2, (self.num_heads, -1)).transpose(1, 2)

        q = self.q.expand(x.shape[0], -1, -1)
        attended = F.scaled_dot_product_attention(heads(q), heads(self.k(x)), heads(self.v(x)))
        return self.proj(attended.transpose(1, 2).flatten(2))


class QueryBlock(nn.Module):
    """Position, attention of the queries, feed-forward; (B, C, H, W) to (B, 10, C)."""

    def __init__(self, dims: int, num_heads: int):
        super().__init__()
        self.pos_embed = nn.Conv2d(dims, dims, 3, padding=1, groups=dims)
        self.norm1, self.norm2 = nn.LayerNorm(dims), nn.LayerNorm(dims)
        self.attn = QueryAttention(dims, num_heads)
        self.mlp = FeedForward(dims, on_maps=False)

    def forward(self, x: Tensor) -> Tensor:
        tokens = (x + self.pos_embed(x)).flatten(2).transpose(1, 2)
        queries = self.attn(self.norm1(tokens))
        return queries + self.mlp(self.norm2(queries))


class GlobalBranch(nn.Module):
    """Image (B, 3, H, W) to gamma (B, 1) and colour matrix (B, 3, 3)."""

    def __init__(self, dims: int = WIDTH, num_heads: int = HEADS):
        super().__init__()
        self.gamma_base = nn.Parameter(torch.ones(1))
        self.color_base = nn.Parameter(torch.eye(3))
        reduce = nn.Sequential(
            nn.Conv2d(3, dims // 2, 3, stride=2, padding=1), nn.BatchNorm2d(dims // 2), nn.GELU(),
            nn.Conv2d(dims // 2, dims, 3, stride=2, padding=1), nn.BatchNorm2d(dims))
        self.conv_large = nn.ModuleDict(dict(proj=reduce))
        self.generator = QueryBlock(dims, num_heads)
        self.gamma_linear, self.color_linear = nn.Linear(dims, 1), nn.Linear(dims, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        queries = self.generator(self.conv_large.get_submodule('proj')(image))
        gamma = self.gamma_linear(queries[:, 0]) + self.gamma_base
        matrix = self.color_linear(queries[:, 1:]).view(-1, 3, 3) + self.color_base
        return gamma, matrix


class IAT(nn.Module):
    """The published network: 91 thousand parameters.

    Input (B, 3, H, W), RGB in [0, 1]; output of the same size in [0, 1].
    """

    def __init__(self) -> None:
        super().__init__()
        self.local_net, self.global_net = LocalBranch(), GlobalBranch()

    def forward(self, image: Tensor) -> Tensor:
        factor, summand = self.local_net(image)
        gamma, matrix = self.global_net(image)
        mixed = torch.einsum('bchw,bdc->bdhw', image * factor + summand, matrix)
        return mixed.clamp(DARKEST, 1)**gamma.view(-1, 1, 1, 1)
