"""What the pipeline's HDF5 files hold: their kinds, and the version of their layout."""

# Raise it when the layout of a file changes. Since 2 all of HDF5's own tables have checksums, and
# so have the chunks of frames and flow.
SCHEMA = 2
# The versions that readers know; they refuse files of others.
READABLE = (1, 2)
# Versions of HDF5 that bound the format of files: since 1.10 all tables can have checksums.
LIBRARY_VERSIONS = ("v110", "v110")
# The kinds of files. The text is a file's attribute 'about', for whoever opens it.
ABOUT = {
    "frames": "Decoded video frames, one dataset a clip: (frame, row, column, RGB), uint8.",
    "flow": (
        "TV-L1 optical flow, one dataset a clip: (field, x or y, row, column), uint8. Field t is "
        "the displacement from frame t to frame t + 1; pixels = code * 2 * bound / 255 - bound, "
        "bound in the settings; +x is right, +y is down."
    ),
    "groups": (
        "Classes of each training position in the teacher's order, likeliest first, one dataset a "
        "clip: (position, rank), the label's number from 0 (attribute 'classes'). Group k is the "
        "first k of a row, the true class in the place of the last where it is not among them."
    ),
    "features": (
        "Features of training clips by the network of a stream, one dataset a clip: (instant, "
        "value), float32, at every instant at which a frame and a stack begin."
    ),
    "scores": (
        "Scores of the test clips, a row a clip: 'logits' (clip, instant, class) as the network "
        "gives them, where of several crops each has all instants, one crop after the other; "
        "'scores' (clip, class) their summary over instants and crops, 'clips', 'labels' (from "
        "0), 'classes'. Trajectories have no instants: their 'scores' are decision values."
    ),
    "trajectories": (
        "Improved dense trajectories of a clip, (trajectory, column), float32, columns as the "
        "original program prints them: frame of the end, mean x and y, their deviations, path "
        "length, scale, relative x, y and t; then shape (30), HOG (96), HOF (108), MBHx (96) and "
        "MBHy (96)."
    ),
    "samples": (
        "A sample of each clip's improved dense trajectories, one dataset a clip: (trajectory, "
        "column), float32, columns as in files of kind trajectories."
    ),
    "codebook": (
        "Of each descriptor of trajectories: 'axes' (d, D) of the principal half of its values "
        "less their 'mean', and a mixture of Gaussians in them: 'weights' (K,), 'means' and "
        "'variances' (K, d), each named <descriptor>_<what>."
    ),
    "fisher": (
        "Fisher vectors of trajectories, one dataset a clip: (value,), float32; by descriptor, by "
        "mean and variance, by component. All zero where a clip has no trajectories."
    ),
    "svm": (
        "One-versus-rest linear classifiers of Fisher vectors: 'weights' (class, value), 'bias' "
        "(class,), 'classes'."
    ),
}
# The kinds with one item per frame. The value says how many fewer: a clip of n frames has n - 1
# flow fields.
PER_FRAME = {"frames": 0, "flow": 1}
# Solvers of flow whose flow is the same to the last bit, where their versions are the same.
SAME_FLOW = ("cpu", "cuda")
# Frames or fields that are written or read at a time, so that the memory that a clip takes does not
# grow with its length. A multiple of `codecs.FIELDS_PER_CHUNK`, so that all chunks are whole.
BLOCK = 30


def flow_of(solver: str) -> str:
    """Return what the flow of a solver is called, such as 'cuda 1', by a name for all solvers of
    the same flow.
    """
    name, _, version = solver.partition(" ")
    return f"{' or '.join(SAME_FLOW)} {version}" if name in SAME_FLOW else solver
