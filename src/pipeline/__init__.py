"""Two-stream action recognition with CO2FI and asynchronous fusion, from videos to accuracy.

The package imports nothing by itself: the Snakefile reads `pipeline.settings` at every start, and must not pay
for torch or OpenCV.
"""
