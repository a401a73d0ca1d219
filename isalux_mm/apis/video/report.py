"""What became of a video."""
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class VideoReport:
    """What became of a video.

    Attributes:
        path: the file written.
        frames: enhanced and written.
        cuts: scenes begun after the first.
        broken: packets and frames that could not be decoded, left out.
        left_out: streams that the container does not take, or that are neither picture, sound nor subtitle.
        interrupted: whether a live source was ended by Ctrl-C.
    """
    path: Path
    frames: int = 0
    cuts: int = 0
    broken: int = 0
    left_out: list[str] = field(default_factory=list)
    interrupted: bool = False

    def summary(self) -> str:
        """One line."""
        parts = [f'{self.frames} frames enhanced', f'{self.cuts} scene cuts']
        parts += [f'{self.broken} broken packets left out'] if self.broken else []
        parts += [f'streams left out: {", ".join(self.left_out)}'] if self.left_out else []
        return f'{", ".join(parts)} (result in {self.path})'
