import os

# Beside everything else that runs on a machine OpenBLAS' threads wait for each other more than they
# work: one face among 10,000 took 9 ms with two threads on busy cores, and 0.2 ms with one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from kit.lifecycle import run
from services.matching.app import build
from services.matching.settings import Settings

run("matching", Settings, build)
