"""Run every benchmark and print its ratio."""

from benchmarks import growth, peaks, reading, search, serving, sweep, tuning

for benchmark in (peaks, search, tuning, sweep, growth, reading, serving):
    print(f"\n{benchmark.__doc__.splitlines()[0]}")
    benchmark.main()
