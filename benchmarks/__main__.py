"""Run every benchmark and print its ratio."""

from benchmarks import peaks, search, tuning

for benchmark in (peaks, search, tuning):
    print(f"\n{benchmark.__doc__.splitlines()[0]}")
    benchmark.main()
