# The network of a stream, trained alone: the coarse-to-fine one by Eq. 4, or a baseline. A run is
# <split>[/<variant>][/seed<n>]; variants share the teachers and groups of their split.
# INPUTS   results/<set>/<split>/train.csv; results/<set>/{frames,flow}/*.h5 with training clips of
#          the split; results/<set>/<split>/<stream>/groups.h5 for CO2FI, teacher.pt for direct
# OUTPUTS  results/<set>/<run>/<stream>/co2fi.pt


rule co2fi:
    input:
        clips=FILES.of_split("train.csv"),
        store=FILES.listing("train"),
        groups=ancient(FILES.groups("h5")),
        groups_content=FILES.groups(CONTENT),
        teacher=ancient(FILES.teacher_of_direct("pt")),
        teacher_content=FILES.teacher_of_direct(CONTENT),
    output:
        model="results/{set}/{run}/{stream}/co2fi.pt",
        history="results/{set}/{run}/{stream}/co2fi.history.jsonl",
        record="results/{set}/{run}/{stream}/co2fi.json",
        content="results/{set}/{run}/{stream}/co2fi.content.json",
    log:
        "results/{set}/logs/{run}/{stream}/co2fi.log",
    benchmark:
        "results/{set}/benchmarks/{run}/{stream}/co2fi.tsv"
    conda:
        "../../envs/train.yaml"
    threads: NEEDS.training_cores
    resources:
        wanted=PARAMS.wanted,
        gpu=NEEDS.asked(NEEDS.training_gpus),
        gres=NEEDS.gres(NEEDS.training_gpus),
        mem_mb=NEEDS.training_memory(16000),
        runtime=NEEDS.minutes(1440),
        launcher=NEEDS.launcher,
        flags=NEEDS.training_flags,
        weights=NEEDS.weights,
    params:
        settings=PARAMS.settings(
            "seed",
            "stack",
            "crops",
            "granularities",
            "groups",
            "network",
            "teacher.backbone",
            "teacher.batch_norm",
            "teacher.weights",
            "teacher.width",
            "teacher.dropout",
            "loss.alpha",
            "loss.beta",
            "co2fi",
            *NUMERIC,
            subset="train",
            by_stream=True,
        ),
        code=code_id("co2fi.py"),
        split=split_of,
        shards=PARAMS.stream_store,
        checkpoints="results/{set}/{run}/{stream}/.checkpoints/co2fi",
    shell:
        '{resources.launcher} "$SCRIPTS"/co2fi.py'
        " --set {wildcards.set}"
        " --split {params.split}"
        " --stream {wildcards.stream}"
        " {resources.flags}"
        " --settings {params.settings:q}"
        " --wanted {resources.wanted:q}"
        " --code {params.code}"
        " --clips {input.clips:q}"
        " --shards {params.shards:q}"
        " --groups {input.groups:q}"
        " --teacher {input.teacher:q}"
        " --weights {resources.weights:q}"
        " --checkpoints {params.checkpoints:q}"
        " --model {output.model:q}"
        " --history {output.history:q}"
        " --record {output.record:q}"
        " 2>&1 | tee {log:q}"
