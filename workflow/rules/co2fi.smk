# The network of a stream, trained alone: the coarse-to-fine one by Eq. 4, or a baseline.
# A run is <split>[/<variant>][/seed<n>]; variants share the teachers and groups of their split.
# INPUTS   results/<set>/<split>/train.csv, results/<set>/{frames,flow}/*.h5 with training clips of the split,
#          results/<set>/<split>/<stream>/groups.h5
# OUTPUTS  results/<set>/<run>/<stream>/co2fi.pt


rule co2fi:
    input:
        clips=of_split("train.csv"),
        shards=ancient(store_files("train", "h5")),
        records=store_files("train", "json"),
        groups=ancient(of_split("{stream}/groups.h5")),
        groups_record=of_split("{stream}/groups.json"),
        teacher=ancient(teacher_of_direct("pt")),
        teacher_record=teacher_of_direct("json"),
    output:
        model="results/{set}/{run}/{stream}/co2fi.pt",
        history="results/{set}/{run}/{stream}/co2fi.history.jsonl",
        record="results/{set}/{run}/{stream}/co2fi.json",
    log:
        "results/{set}/logs/{run}/{stream}/co2fi.log",
    benchmark:
        "results/{set}/benchmarks/{run}/{stream}/co2fi.tsv"
    conda:
        "../../envs/train.yaml"
    threads: training_cores
    resources:
        gpu=processes,
        mem_mb=training_memory(16000),
        launcher=launcher,
        how=how,
        runtime=2880,
    params:
        settings=reads(
            "seed",
            "stack",
            "crops",
            "granularities",
            "groups",
            "network",
            "teacher.width",
            "teacher.dropout",
            "loss.alpha",
            "loss.beta",
            "co2fi",
            *NUMBERS,
            part="train",
        ),
        split=split_of,
        code=code_id("co2fi.py"),
        shards=stream_store,
        checkpoints="results/{set}/{run}/{stream}/.checkpoints/co2fi",
    shell:
        '{resources.launcher} "$SCRIPTS"/co2fi.py --set {wildcards.set} --split {params.split} --stream {wildcards.stream}'
        " {resources.how}"
        " --settings {params.settings:q} --code {params.code} --clips {input.clips:q} --shards {params.shards:q}"
        " --groups {input.groups:q} --teacher {input.teacher:q}"
        " --records {input.records:q} {input.groups_record:q} {input.teacher_record:q} --checkpoints {params.checkpoints:q}"
        " --model {output.model:q} --history {output.history:q} --record {output.record:q} 2>&1 | tee {log:q}"
