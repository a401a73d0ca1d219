"""What became of a video."""
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from isalux_mm.apis.video.items import Remark


@dataclass
class VideoReport:
    """What became of a video.

    Attributes:
        path: the file written.
        frames: enhanced and written.
        cuts: scenes begun after the first.
        broken: packets and frames that could not be decoded or copied, left out.
        corrected: frames whose time stamp was missing, repeated or backward.
        moved: copied packets of which the same holds.
        joins: jumps of the source's time stamps that were closed.
        resized: frames that were scaled to the size of the first.
        left_out: what the container does not take, or is neither picture, sound nor subtitle.
        warnings: sentences on what is lost or not understood.
        interrupted: whether a live source was ended by Ctrl-C.
        seconds: that the work took, from the first packet to the last.
        asked: frames that the network has seen, in fast mode; `None` in full mode, where it sees all.
        dropped: frames left out to keep pace with the source; `None` where none may be.
        told: hears every warning as it arises.
    """
    path: Path
    frames: int = 0
    cuts: int = 0
    broken: int = 0
    corrected: int = 0
    moved: int = 0
    joins: int = 0
    resized: int = 0
    left_out: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    interrupted: bool = False
    seconds: float = field(default=0.0, compare=False)
    asked: int | None = None
    dropped: int | None = None
    told: Callable[[str], None] | None = field(default=None, repr=False, compare=False)

    def warn(self, sentence: str) -> None:
        """Notes a warning, once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)
            if self.told is not None:
                self.told(sentence)

    def note(self, remark: Remark) -> None:
        """Takes in what a thread has to say."""
        if isinstance(remark.value, str):
            self.warn(remark.value)
        else:
            setattr(self, remark.field, getattr(self, remark.field) + remark.value)

    @property
    def rate(self) -> float:
        """Frames enhanced and written a second."""
        return self.frames / self.seconds if self.seconds else 0.0

    def summary(self) -> str:
        """One line."""
        parts = [f'{self.frames} frames enhanced', f'{self.cuts} scene cuts']
        parts += [f'{self.rate:.3g} frames a second'] if self.rate else []
        parts += [f'the network run on {self.asked} of them'] if self.asked is not None else []
        if self.dropped is not None:
            parts += [f'{self.dropped} of {self.frames + self.dropped} dropped to keep pace with the source']
        parts += [f'{self.broken} broken packets left out'] if self.broken else []
        parts += [f'{self.joins} jumps in time closed'] if self.joins else []
        corrected = self.corrected + self.moved
        parts += [f'{corrected} time stamps corrected (missing, repeated or backward)'] if corrected else []
        parts += [f'{self.resized} frames scaled to the size of the first'] if self.resized else []
        parts += [f'streams left out: {", ".join(self.left_out)}'] if self.left_out else []
        return f'{", ".join(parts)} (result in {self.path})'
