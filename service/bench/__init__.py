"""Benchmarks: our codec beside its peers, on a folder of DICOM files."""

from service.bench.codec import BenchOptions, Row, bench_codec
from service.bench.table import pooled_table

__all__ = ["BenchOptions", "Row", "bench_codec", "pooled_table"]
