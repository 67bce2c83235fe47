# SPDX-License-Identifier: MIT
"""The chain of bench_propagation.c in SciPy: scipy_chain.py N THREADS ROUNDS prints seconds, the median.

Transforms in place where scipy.fft can (overwrite_x), factors made beforehand, complex64 throughout.
"""
import statistics
import sys
import time

import numpy as np
import scipy.fft as fft

n, threads, rounds = (int(a) for a in sys.argv[1:4])
rng = np.random.default_rng(1)


def phase():
    return np.exp(2j * np.pi * rng.random((n, n), dtype=np.float32)).astype(np.complex64)


screens = [phase() for _ in range(4)]
space = phase()
field_in = np.ones((n, n), dtype=np.complex64)
options = {"norm": "ortho", "overwrite_x": True, "workers": threads}


def chain():
    e = fft.fft2(field_in.copy(), **options)
    e *= screens[0]
    for screen in screens[1:]:
        e = fft.fft2(e, **options)
        e *= space
        e = fft.ifft2(e, **options)
        e *= screen
    return fft.fft2(e, **options)


chain()
times = []
for _ in range(rounds):
    start = time.perf_counter()
    chain()
    times.append(time.perf_counter() - start)
print(statistics.median(times))
