# The small network that forms class groups, CNN_M_2048, trained on part of the training clips (paper, section 6.1).
# INPUTS   results/<set>/<split>/train.csv, results/<set>/{frames,flow}/*.h5 with training clips of the split
# OUTPUTS  results/<set>/<split>/<stream>/teacher.pt


rule teacher:
    input:
        clips="results/{set}/{split}/train.csv",
        shards=ancient(store_files("train", "h5")),
        records=store_files("train", "json"),
    output:
        model="results/{set}/{split}/{stream}/teacher.pt",
        history="results/{set}/{split}/{stream}/teacher.history.jsonl",
        record="results/{set}/{split}/{stream}/teacher.json",
    log:
        "results/{set}/logs/{split}/{stream}/teacher.log",
    benchmark:
        "results/{set}/benchmarks/{split}/{stream}/teacher.tsv"
    conda:
        "../../envs/train.yaml"
    threads: training_cores
    resources:
        gpu=processes,
        mem_mb=training_memory(8000),
        launcher=launcher,
        how=how,
        runtime=720,
    params:
        settings=reads("seed", "stack", "crops", "teacher", *NUMBERS, part="train"),
        code=code_id("teacher.py"),
        shards=stream_store,
        checkpoints="results/{set}/{split}/{stream}/.checkpoints/teacher",
    shell:
        '{resources.launcher} "$SCRIPTS"/teacher.py --set {wildcards.set} --split {wildcards.split} --stream {wildcards.stream}'
        " {resources.how}"
        " --settings {params.settings:q} --code {params.code} --clips {input.clips:q} --shards {params.shards:q}"
        " --records {input.records:q} --checkpoints {params.checkpoints:q}"
        " --model {output.model:q} --history {output.history:q} --record {output.record:q} 2>&1 | tee {log:q}"
