# Decoded frames.
# INPUTS   results/<set>/index/<shard>.csv, and the videos that it names
# OUTPUTS  results/<set>/frames/<shard>.h5: one dataset per clip, (frames, H, W, 3) uint8


rule frames:
    input:
        clips="results/{set}/index/{shard}.csv",
    output:
        h5="results/{set}/frames/{shard}.h5",
        record="results/{set}/frames/{shard}.json",
        content="results/{set}/frames/{shard}.content.json",
    log:
        "results/{set}/logs/frames/{shard}.log",
    benchmark:
        "results/{set}/benchmarks/frames/{shard}.tsv"
    conda:
        "../../envs/video.yaml"
    threads: 1
    resources:
        mem_mb=NEEDS.memory(2000),
        runtime=NEEDS.minutes(240),
        videos=NEEDS.video_folder,
        on_bad_clip=NEEDS.on_bad_clip,
    params:
        settings=PARAMS.settings(
            "decode", "store.frames", "store.frames_quality", shard=True
        ),
        code=code_id("frames.py"),
    shell:
        'python "$SCRIPTS"/frames.py'
        " --clips {input.clips:q}"
        " --videos {resources.videos:q}"
        " --on-bad-clip {resources.on_bad_clip}"
        " --settings {params.settings:q}"
        " --code {params.code}"
        " --out {output.h5:q}"
        " --record {output.record:q}"
        " 2>&1 | tee {log:q}"
