"""What the benchmarks of the gateway share: programs pinned to cores, upstreams, load, intervals.

Needs Linux: processor time and memory are read from /proc.
"""
