"""Pictures for people: panels, and the visualizer that draws them; importing registers it."""
from isalux_mm.visualization.visualizer import EnhanceVisualizer

__all__ = ['EnhanceVisualizer']
