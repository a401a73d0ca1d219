"""Parts of `tools/benchmark.py`: the rows it can measure, the measurements, the report."""
