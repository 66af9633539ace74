# Optical flow: the stage that a user waits for. One core per shard, or one GPU and the cores that
# feed it; a killed shard keeps its finished clips.
# INPUTS   results/<set>/index/<shard>.csv, and the videos that it names
# OUTPUTS  results/<set>/flow/<shard>.h5: one dataset per clip, (frames - 1, 2, H, W) uint8

FLOW_SETTINGS = ("decode", "flow", "store.flow", "store.flow_quality")


rule flow:
    input:
        clips="results/{set}/index/{shard}.csv",
    output:
        h5="results/{set}/flow/{shard}.h5",
        record="results/{set}/flow/{shard}.json",
        content="results/{set}/flow/{shard}.content.json",
    log:
        "results/{set}/logs/flow/{shard}.log",
    benchmark:
        "results/{set}/benchmarks/flow/{shard}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: NEEDS.flow_cores
    resources:
        gpu=NEEDS.asked(NEEDS.flow_gpus),
        gres=NEEDS.gres(NEEDS.flow_gpus),
        mem_mb=NEEDS.flow_memory,
        runtime=NEEDS.minutes(1440),
        videos=NEEDS.video_folder,
        on_bad_clip=NEEDS.on_bad_clip,
        settings=PARAMS.settings(*FLOW_SETTINGS, shard=True),
    params:
        # What is compared; the program is told which solver of the same bits it is to take.
        settings=PARAMS.settings(*FLOW_SETTINGS, shard=True, by_outcome=True),
        code=code_id("flow.py"),
    shell:
        'python "$SCRIPTS"/flow.py'
        " --clips {input.clips:q}"
        " --videos {resources.videos:q}"
        " --on-bad-clip {resources.on_bad_clip}"
        " --settings {resources.settings:q}"
        " --code {params.code}"
        " --cores {threads}"
        " --out {output.h5:q}"
        " --record {output.record:q}"
        " 2>&1 | tee {log:q}"
