#!/usr/bin/env python3
"""Writes signal.csv: 512 points of a sum of three waves, by formula; nothing in it is measured."""
import math
import pathlib

with open(pathlib.Path(__file__).with_name("signal.csv"), "w") as file:
    file.write("time,value\n")
    for i in range(512):
        t = -1 + 2 * i / 511
        value = 0.6 * math.sin(9 * t) + 0.3 * math.cos(23 * t + 1) + 0.1 * math.sin(61 * t)
        file.write(f"{t:.6f},{value:.6f}\n")
