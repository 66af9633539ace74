# Decoded frames.
# INPUTS   results/<set>/index/<shard>.csv, and the videos that it names
# OUTPUTS  results/<set>/frames/<shard>.h5: one dataset a clip, (frames, H, W, 3) uint8


rule frames:
    input:
        clips="results/{set}/index/{shard}.csv",
    output:
        h5="results/{set}/frames/{shard}.h5",
        record="results/{set}/frames/{shard}.json",
    log:
        "results/{set}/logs/frames/{shard}.log",
    benchmark:
        "results/{set}/benchmarks/frames/{shard}.tsv"
    conda:
        "../../envs/video.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        settings=reads("decode", "store.frames", "store.frames_quality", damage=True),
        code=code_id("frames.py"),
    shell:
        'python "$SCRIPTS"/frames.py --clips {input.clips:q} --settings {params.settings:q} --code {params.code}'
        " --out {output.h5:q} --record {output.record:q} 2>&1 | tee {log:q}"
