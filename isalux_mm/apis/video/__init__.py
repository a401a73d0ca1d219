"""Videos: needs PyAV, `pip install isalux-mm[video]`; the modules themselves do not import it."""
from isalux_mm.apis.video.containers import import_av
from isalux_mm.apis.video.enhancer import VideoEnhancer
from isalux_mm.apis.video.keeping import UnfinishedError
from isalux_mm.apis.video.report import VideoReport

__all__ = ['UnfinishedError', 'VideoEnhancer', 'VideoReport', 'import_av']
