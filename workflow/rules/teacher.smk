# The small network that forms class groups, CNN_M_2048 unless the config names another, trained on
# part of the training clips (paper, section 6.1).
# INPUTS   results/<set>/<split>/train.csv; results/<set>/{frames,flow}/*.h5 with training clips of
#          the split
# OUTPUTS  results/<set>/<split>/<stream>/teacher.pt


rule teacher:
    input:
        clips="results/{set}/{split}/train.csv",
        store=FILES.listing("train"),
    output:
        model="results/{set}/{split}/{stream}/teacher.pt",
        history="results/{set}/{split}/{stream}/teacher.history.jsonl",
        record="results/{set}/{split}/{stream}/teacher.json",
        content="results/{set}/{split}/{stream}/teacher.content.json",
    log:
        "results/{set}/logs/{split}/{stream}/teacher.log",
    benchmark:
        "results/{set}/benchmarks/{split}/{stream}/teacher.tsv"
    conda:
        "../../envs/train.yaml"
    threads: NEEDS.training_cores
    resources:
        wanted=PARAMS.wanted,
        gpu=NEEDS.asked(NEEDS.training_gpus),
        gres=NEEDS.gres(NEEDS.training_gpus),
        mem_mb=NEEDS.training_memory(8000),
        runtime=NEEDS.minutes(720),
        launcher=NEEDS.launcher,
        flags=NEEDS.training_flags,
        weights=NEEDS.teacher_weights,
    params:
        settings=PARAMS.settings(
            "seed", "stack", "crops", "teacher", *NUMERIC, subset="train"
        ),
        code=code_id("teacher.py"),
        split=split_of,
        shards=PARAMS.stream_store,
        checkpoints="results/{set}/{split}/{stream}/.checkpoints/teacher",
    shell:
        '{resources.launcher} "$SCRIPTS"/teacher.py'
        " --set {wildcards.set}"
        " --split {params.split}"
        " --stream {wildcards.stream}"
        " {resources.flags}"
        " --settings {params.settings:q}"
        " --wanted {resources.wanted:q}"
        " --code {params.code}"
        " --clips {input.clips:q}"
        " --shards {params.shards:q}"
        " --weights {resources.weights:q}"
        " --checkpoints {params.checkpoints:q}"
        " --model {output.model:q}"
        " --history {output.history:q}"
        " --record {output.record:q}"
        " 2>&1 | tee {log:q}"
