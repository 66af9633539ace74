"""Dense bfloat16 products of NVIDIA's data sheets, without sparsity."""

# In 1e12 operations a second, by what stands in the name of a GPU; the first that does counts.
PEAKS = {
    "H200": 989.5,
    "H100 PCIe": 756.5,
    "H100": 989.5,
    "A100": 312.0,
    "L40S": 362.0,
    "RTX 4090": 165.2,
    "V100": None,
}


def peak_of(device: str) -> float | None:
    """Return the peak of a GPU by its name, None where it is not known."""
    return next((peak for name, peak in PEAKS.items() if name in device), None)
