"""Parts of `tools/run_table.py`: the table's file, what a row computes, its scores, the report."""
