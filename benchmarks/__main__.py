"""Run every benchmark and print its ratio."""

from benchmarks import peaks, tuning

for benchmark in (peaks, tuning):
    print(f"\n{benchmark.__doc__.splitlines()[0]}")
    benchmark.main()
