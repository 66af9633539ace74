# Features of a stream's network at every instant of the training clips, once for all directions and
# variants that fuse this network without training it (asyn.joint false).
# INPUTS   results/<set>/<split>/train.csv; results/<set>/{frames,flow}/*.h5 with training clips of
#          the split; results/<set>/<run>/<stream>/co2fi.pt
# OUTPUTS  results/<set>/<run>/<stream>/features.h5


rule features:
    input:
        clips=FILES.of_split("train.csv"),
        store=FILES.listing("train"),
        model=ancient("results/{set}/{run}/{stream}/co2fi.pt"),
        model_content="results/{set}/{run}/{stream}/co2fi.content.json",
    output:
        h5="results/{set}/{run}/{stream}/features.h5",
        record="results/{set}/{run}/{stream}/features.json",
        content="results/{set}/{run}/{stream}/features.content.json",
    log:
        "results/{set}/logs/{run}/{stream}/features.log",
    benchmark:
        "results/{set}/benchmarks/{run}/{stream}/features.tsv"
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
            "network",
            "teacher.backbone",
            "teacher.batch_norm",
            "teacher.weights",
            "teacher.width",
            "teacher.dropout",
            "scores.batch",
            "compute.threads",
            subset="train",
        ),
        code=code_id("features.py"),
        split=split_of,
        shards=PARAMS.stream_store,
    shell:
        'python "$SCRIPTS"/features.py'
        " --set {wildcards.set}"
        " --split {params.split}"
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
