# The teacher's ranking of the classes at every position that a training sample can take.
# INPUTS   results/<set>/<split>/train.csv; results/<set>/{frames,flow}/*.h5 with training clips of
#          the split; results/<set>/<split>/<stream>/teacher.pt
# OUTPUTS  results/<set>/<split>/<stream>/groups.h5


rule groups:
    input:
        clips="results/{set}/{split}/train.csv",
        store=FILES.listing("train"),
        model=ancient("results/{set}/{split}/{stream}/teacher.pt"),
        model_content="results/{set}/{split}/{stream}/teacher.content.json",
    output:
        h5="results/{set}/{split}/{stream}/groups.h5",
        record="results/{set}/{split}/{stream}/groups.json",
        content="results/{set}/{split}/{stream}/groups.content.json",
    log:
        "results/{set}/logs/{split}/{stream}/groups.log",
    benchmark:
        "results/{set}/benchmarks/{split}/{stream}/groups.tsv"
    conda:
        "../../envs/train.yaml"
    threads: NEEDS.reading_cores
    resources:
        wanted=PARAMS.wanted,
        gpu=NEEDS.asked(NEEDS.gpu),
        gres=NEEDS.gres(NEEDS.gpu),
        mem_mb=NEEDS.memory(8000),
        runtime=NEEDS.minutes(720),
        flags=NEEDS.network_flags,
    params:
        settings=PARAMS.settings(
            "stack",
            "crops",
            "granularities",
            "groups.stride",
            "teacher.backbone",
            "teacher.batch_norm",
            "teacher.weights",
            "teacher.width",
            "teacher.dropout",
            "scores.batch",
            "compute.threads",
            subset="train",
        ),
        code=code_id("groups.py"),
        shards=PARAMS.stream_store,
    shell:
        'python "$SCRIPTS"/groups.py'
        " --set {wildcards.set}"
        " --split {wildcards.split}"
        " --stream {wildcards.stream}"
        " {resources.flags}"
        " --settings {params.settings:q}"
        " --wanted {resources.wanted:q}"
        " --code {params.code}"
        " --clips {input.clips:q}"
        " --shards {params.shards:q}"
        " --model {input.model:q}"
        " --out {output.h5:q}"
        " --record {output.record:q}"
        " 2>&1 | tee {log:q}"
