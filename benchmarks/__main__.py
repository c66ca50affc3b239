"""Run every benchmark and print its ratio."""

from benchmarks import growth, maps, peaks, reading, search, serving, sweep, tuning

for benchmark in (peaks, search, tuning, sweep, growth, reading, serving, maps):
    print(f"\n{benchmark.__doc__.splitlines()[0]}")
    benchmark.main()
