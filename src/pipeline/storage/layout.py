"""What the pipeline's HDF5 files hold: their kinds, and the version of their layout."""

SCHEMA = 1  # raise it when the layout of a file changes: readers refuse another
ABOUT = {
    "frames": "Decoded video frames, one dataset a clip: (frame, row, column, RGB), uint8.",
    "flow": "TV-L1 optical flow, one dataset a clip: (field, x or y, row, column), uint8. Field t is the displacement "
    "from frame t to frame t + 1; pixels = code * 2 * bound / 255 - bound, bound in the settings; +x is right, "
    "+y is down.",
    "groups": "Classes of each training position in the teacher's order, likeliest first, one dataset a clip: "
    "(position, rank), the label's number from 0 (attribute 'classes'). Group k is the first k of a row, the "
    "true class in the place of the last where it is not among them.",
    "scores": "Scores of the test clips, a row a clip: 'logits' (clip, instant, class) as the network gives them, where of "
    "several crops each has all instants, one crop after the other; 'scores' (clip, class) their summary over "
    "instants and crops, 'clips', 'labels' (from 0), 'classes'. Trajectories have no instants: their 'scores' are "
    "decision values.",
    "trajectories": "Improved dense trajectories of a clip, (trajectory, column), float32, columns as the original program "
    "prints them: frame of the end, mean x and y, their deviations, path length, scale, relative x, y and "
    "t; then shape (30), HOG (96), HOF (108), MBHx (96) and MBHy (96).",
    "samples": "A sample of each clip's improved dense trajectories, one dataset a clip: (trajectory, column), float32, "
    "columns as in files of kind trajectories.",
    "codebook": "Of each descriptor of trajectories: 'axes' (d, D) of the principal half of its values less their 'mean', "
    "and a mixture of Gaussians in them: 'weights' (K,), 'means' and 'variances' (K, d), each named "
    "<descriptor>_<what>.",
    "fisher": "Fisher vectors of trajectories, one dataset a clip: (value,), float32; by descriptor, by mean and variance, "
    "by component. All zero where a clip has no trajectories.",
    "svm": "One-versus-rest linear classifiers of Fisher vectors: 'weights' (class, value), 'bias' (class,), 'classes'.",
}
PER_FRAME = {"frames": 0, "flow": 1}  # kinds with an item a frame, but for so many
BLOCK = 30  # frames or fields appended at a time, whole chunks: a clip's memory does not grow with its length
