# The coarse-to-fine network of a stream, trained by Eq. 4.
# INPUTS   results/<set>/<split>/train.csv, results/<set>/{frames,flow}/*.h5 with training clips of the split,
#          results/<set>/<split>/<stream>/groups.h5
# OUTPUTS  results/<set>/<split>/<stream>/co2fi.pt


rule co2fi:
    input:
        clips="results/{set}/{split}/train.csv",
        shards=ancient(store_files("train", "h5")),
        records=store_files("train", "json"),
        groups=ancient("results/{set}/{split}/{stream}/groups.h5"),
        groups_record="results/{set}/{split}/{stream}/groups.json",
    output:
        model="results/{set}/{split}/{stream}/co2fi.pt",
        history="results/{set}/{split}/{stream}/co2fi.history.jsonl",
        record="results/{set}/{split}/{stream}/co2fi.json",
    log:
        "results/{set}/logs/{split}/{stream}/co2fi.log",
    benchmark:
        "results/{set}/benchmarks/{split}/{stream}/co2fi.tsv"
    conda:
        "../../envs/train.yaml"
    threads: compute_threads
    resources:
        gpu=1,
        mem_mb=16000,
        runtime=2880,
    params:
        settings=reads(
            "seed",
            "stack",
            "crops",
            "granularities",
            "groups",
            "network",
            "loss.alpha",
            "loss.beta",
            "co2fi",
            "compute",
            part="train",
        ),
        code=code_id("co2fi.py"),
        shards=stream_store,
        checkpoints="results/{set}/{split}/{stream}/.checkpoints/co2fi",
    shell:
        'python "$SCRIPTS"/co2fi.py --set {wildcards.set} --split {wildcards.split} --stream {wildcards.stream}'
        " --settings {params.settings:q} --code {params.code} --clips {input.clips:q} --shards {params.shards:q}"
        " --groups {input.groups:q}"
        " --records {input.records:q} {input.groups_record:q} --checkpoints {params.checkpoints:q}"
        " --model {output.model:q} --history {output.history:q} --record {output.record:q} 2>&1 | tee {log:q}"
